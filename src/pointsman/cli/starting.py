"""`pointsman init`: a commented configuration to start from, by the names of the keys that the environment has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click
import yaml

from pointsman.catalog.export import stated
from pointsman.catalog.spec import ModelSpec
from pointsman.cli.options import DEFAULT_CONFIG, json_option
from pointsman.cli.writing import print_json, write_text
from pointsman.errors import ConfigError
from pointsman.registry.models import ModelRegistry

# The variable that holds a provider's key, and the provider's built-in catalogue.
_PROVIDERS: Mapping[str, str] = {
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
    "GEMINI_API_KEY": "gemini",
}
_OTHER_KEYS = ("AZURE_API_KEY", "AWS_ACCESS_KEY_ID", "GROQ_API_KEY", "MISTRAL_API_KEY", "OPENROUTER_API_KEY")

_CHAT = "generation.text.chat"
_HEAD = """\
# yaml-language-server: $schema=./pointsman.schema.json   (pointsman schema > pointsman.schema.json)
# What pointsman routes between. `pointsman validate {name}` checks it, `pointsman explain "a prompt"` tries it.

# Who spreads requests over the models: adaptive learns from scores and failures; cheapest, best, fastest do not.
policy: adaptive

# Where decisions and what was learnt are kept; memory:// forgets. `pointsman report` makes a page of it.
store: sqlite:///pointsman.db

models:
"""
_OLLAMA = """\
  # A model on this machine needs no key: https://ollama.com, then `ollama pull llama3.2`.
  - name: llama3.2
    provider: ollama
    api_base: http://localhost:11434
    capabilities: [generation.text.chat]
    context_window: 8192
"""
# What a starter says of a model, in this order.
_FACTS = (
    *("name", "provider", "api_key", "capabilities", "context_window", "max_output_tokens"),
    *("cost_per_1m_input_tokens", "cost_per_1m_output_tokens", "quality"),
)
_TAIL = """
# Names for sets of models, usable as model names at every door.
# pools:
#   seeing: {needs: [vision]}

# Limits of one call: seconds for everything, and per attempt.
calls:
  deadline: 60
  timeout: 30

# What one request may cost at most, in USD.
# budget:
#   per_request: 0.05

# Metrics for Prometheus on http://127.0.0.1:9464/metrics.
# telemetry:
#   port: 9464
"""


@click.command()
@click.option(
    "--output", "-o", metavar="FILE", default=DEFAULT_CONFIG, show_default=True, help="- for standard output."
)
@json_option
def init(output: str, *, as_json: bool) -> None:
    """Write a commented configuration to start from.

    Looks which API keys the environment has, by their names alone, and writes their models. Never overwrites a file.
    """
    if output != "-" and Path(output).exists():
        raise ConfigError(f"{output} is there already", hint="name another file with --output")
    found = [name for name in _PROVIDERS if os.environ.get(name)]
    others = [name for name in _OTHER_KEYS if os.environ.get(name)]
    if output != "-" or not as_json:
        write_text(output, starter(found, others, name=DEFAULT_CONFIG if output == "-" else output))
    if as_json:
        print_json({"file": None if output == "-" else output, "keys": found, "keys_not_used": others})
    elif output != "-":
        click.echo(f"{output}: models for {', '.join(found) or 'a local Ollama: no API key was found'}")


def starter(found: list[str], others: list[str], *, name: str) -> str:
    """The text of a configuration for these keys."""
    entries = [_entry(spec, variable) for variable in found for spec in _two_of(_PROVIDERS[variable])]
    noted = "".join(
        f"  # {variable} is set too; `pointsman models` shows which models it could call.\n" for variable in others
    )
    return _HEAD.format(name=name) + ("".join(entries) or _OLLAMA) + noted + _TAIL


def _two_of(provider: str) -> list[ModelSpec]:
    """A cheap chat model of a built-in catalogue that will stay, and one of middle price."""
    staying = [
        spec
        for spec in ModelRegistry.builtin(provider).list_models(capability=_CHAT, status="active")
        if spec.deprecation_date is None and spec.sunset_date is None and _price(spec) > 0
    ]
    ordered = sorted(staying, key=lambda spec: (_price(spec), spec.key))
    return ordered if len(ordered) < 2 else [ordered[0], ordered[max(len(ordered) // 2, 1)]]


def _entry(spec: ModelSpec, variable: str) -> str:
    known = {**stated(spec), "api_key": f"env:{variable}"}
    facts = {name: known[name] for name in _FACTS if name in known}
    text = yaml.safe_dump([facts], sort_keys=False, default_flow_style=None, width=110)
    comment = f"  # From the built-in catalogue{f', as of {spec.as_of}' if spec.as_of else ''}; the key is named, never written.\n"
    return comment + "".join(f"  {line}\n" for line in text.splitlines())


def _price(spec: ModelSpec) -> float:
    """USD per million tokens, in and out; 0 where it is not known."""
    return (spec.cost_per_1m_input_tokens or 0.0) + (spec.cost_per_1m_output_tokens or 0.0)
