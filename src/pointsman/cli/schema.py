"""`pointsman schema`: the JSON Schema of pointsman.yaml, made from the classes that read it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import click
from pydantic import BaseModel

from pointsman.cache.settings import CacheSettings
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.catalog.files import SECTIONS, builtin_names
from pointsman.catalog.pools import Pool
from pointsman.catalog.spec import ModelSpec
from pointsman.catalog.spellings import CONVERTED, RENAMED
from pointsman.config import LifecycleSettings, ParameterSettings
from pointsman.failover.calls import CallSettings
from pointsman.health.states import HealthSettings
from pointsman.learning.checks import CheckSettings
from pointsman.learning.ledger import LedgerSettings
from pointsman.limits.settings import BudgetSettings, LimitSettings
from pointsman.loading import LoadingSettings
from pointsman.policies.names import make_policy, policy_names
from pointsman.telemetry.settings import TelemetrySettings
from pointsman.wishes import SOFT

Json = dict[str, Any]

SETTINGS: Mapping[str, type[BaseModel]] = {
    "health": HealthSettings,
    "calls": CallSettings,
    "budget": BudgetSettings,
    "limits": LimitSettings,
    "parameters": ParameterSettings,
    "discovery": DiscoverySettings,
    "lifecycle": LifecycleSettings,
    "telemetry": TelemetrySettings,
    "ledger": LedgerSettings,
    "cache": CacheSettings,
    "loading": LoadingSettings,
    "checks": CheckSettings,
}
_OTHERS = ("models", "pools", "include", "capabilities", "policy", "store", "seed", "relax")
SECTIONS_WITHOUT_EFFECT = tuple(name for name in SECTIONS if name not in SETTINGS and name not in _OTHERS)

# One entry of a docstring's `Attributes:`, with the lines it goes on to.
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {6,}.+)*)", re.MULTILINE)
# A key is never written down, only where it is found.
_REFERENCE = "^env:[A-Za-z_][A-Za-z0-9_]*$"
_NAMES = ("name", *(alias for alias, field in RENAMED.items() if field == "name"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON is all there is; accepted as everywhere.")
def schema(*, as_json: bool) -> None:
    """Print the JSON Schema of pointsman.yaml, for editors and checks.

    Editors use it when the file's first line is: # yaml-language-server: $schema=./pointsman.schema.json
    """
    del as_json
    click.echo(json.dumps(configuration_schema(), indent=2))


def configuration_schema() -> Json:
    """Describe a configuration file."""
    definitions: Json = {}
    model = _model_schema(definitions)
    policy = _policy_schema()
    pool = _collected(Pool, definitions)
    pool["properties"]["policy"] = {"anyOf": [policy, {"type": "null"}]}
    properties: Json = {
        "policy": {**policy, "description": "Who spreads requests over the models that can serve them."},
        "store": {
            "type": "string",
            "pattern": "^(memory://|memory:|sqlite:///.+|jsonl:///.+|rediss?://.+|unix:///.+|env:.+)$",
            "description": "Where what was learnt and decided is kept: memory://, sqlite:///FILE, jsonl:///FILE, "
            "redis://HOST:PORT/N (rediss://, unix:///PATH), or env:NAME for a variable that holds one of these.",
        },
        "seed": {"type": "integer", "description": "Makes decisions repeatable."},
        "relax": {
            "type": "array",
            "items": {"enum": [*SOFT, "size"]},
            "description": "Requirements that may give way when nobody can serve a request, first to go first.",
        },
        "include": {
            "description": "Built-in catalogues to start from.",
            "anyOf": [_catalogue_name(), {"type": "array", "items": _catalogue_name()}],
        },
        "models": {"type": "array", "items": model, "description": "Models of your own."},
        "pools": {
            "type": "object",
            "additionalProperties": {"anyOf": [pool, {"type": "null"}]},
            "description": "Named sets of models; a pool's name is a virtual model name at every door.",
        },
        "capabilities": {
            "type": "object",
            "additionalProperties": {"type": ["string", "null", "object"], "maxProperties": 0},
            "description": "Words of your own for capabilities: the path each stands for, or nothing for a new node.",
        },
        **{name: _collected(settings, definitions) for name, settings in SETTINGS.items()},
        **{name: {"description": "Accepted; has no effect in this version."} for name in SECTIONS_WITHOUT_EFFECT},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pointsman.yaml",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _or_nothing(properties[name]) for name in SECTIONS},
        **({"$defs": definitions} if definitions else {}),
    }


def _collected(model: type[BaseModel], definitions: Json) -> Json:
    """Schema of one class; what it refers to is moved to the document's definitions."""
    made = model.model_json_schema()
    definitions.update(made.pop("$defs", {}))
    docstring = inspect.getdoc(model) or ""
    made["description"] = " ".join(docstring.split("\n\n", maxsplit=1)[0].split())
    for name, text in _ATTRIBUTE.findall(docstring.partition("Attributes:\n")[2]):
        if name in made["properties"]:
            made["properties"][name]["description"] = " ".join(text.split())
    return made


def _model_schema(definitions: Json) -> Json:
    """Schema of a model's entry, with every other spelling that is read."""
    made = _collected(ModelSpec, definitions)
    fields = made["properties"]
    fields["size_billions"] = {"anyOf": [fields["size_billions"], {"type": "string", "examples": ["7B", "8x7B"]}]}
    fields["api_key"] = {"anyOf": [{"type": "string", "pattern": _REFERENCE}, {"type": "null"}], "default": None}
    fields["capabilities"] = {"anyOf": [fields["capabilities"], {"type": "object"}]}
    spellings = {alias: fields[name] for alias, name in RENAMED.items()}
    spellings |= {alias: fields[name] for alias, (name, _) in CONVERTED.items() if name in fields}
    for alias, copied in spellings.items():
        known = {key: value for key, value in copied.items() if key not in ("title", "default")}
        fields.setdefault(alias, {**known, "description": "Another spelling."})
    fields["is_deprecated"] = {"type": "boolean", "description": "Another spelling of status."}
    fields["metrics"] = {"type": "object", "description": "Fields of this entry, as if they stood in it."}
    made["patternProperties"] = {"^supports_[a-z0-9_]+$": {"type": "boolean"}}
    made["required"] = ["provider"]
    made["anyOf"] = [{"required": [name]} for name in _NAMES]
    return made


def _policy_schema() -> Json:
    """A policy's name, or an object with its name and its options."""
    with_options = [
        {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"const": name},
                **{each: {} for each in inspect.signature(type(make_policy(name))).parameters},
            },
        }
        for name in policy_names()
    ]
    return {"anyOf": [{"enum": policy_names()}, *with_options]}


def _catalogue_name() -> Json:
    return {"enum": builtin_names()}


def _or_nothing(section: Json) -> Json:
    """A section that is written down but left empty is as good as absent."""
    described = {key: section[key] for key in ("description",) if key in section}
    return {**described, "anyOf": [section, {"type": "null"}]} if len(section) > len(described) else section
