"""Options that several commands share, and the configuration they work on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from pointsman.config import load_config
from pointsman.errors import ConfigError
from pointsman.router import Router
from pointsman.telemetry.settings import TelemetrySettings
from pointsman.types import Request

DEFAULT_CONFIG = "pointsman.yaml"

_F = TypeVar("_F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "-c",
    metavar="FILE",
    envvar="POINTSMAN_CONFIG",
    help=f"The configuration.  [default: ./{DEFAULT_CONFIG}]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_REQUEST_OPTIONS = (
    click.option("--needs", multiple=True, metavar="CAPABILITY", help="Capability it must have; may be repeated."),
    click.option("--model", metavar="NAME", help="A model or a pool.  [default: every model]"),
    click.option("--max-cost", type=float, metavar="USD", help="What the call may cost at most."),
    click.option("--max-latency", type=float, metavar="SECONDS", help="Highest median latency."),
    click.option("--max-output-tokens", type=int, metavar="N", help="Room for the answer."),
    click.option("--expertise", multiple=True, metavar="FIELD", help="Such as coding; may be repeated."),
    click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only this one; may be repeated."),
    click.option("--prefer", multiple=True, metavar="MODEL", help="Put first; may be repeated."),
    click.option("--exclude", multiple=True, metavar="MODEL", help="Never use; may be repeated."),
    click.option("--language", metavar="CODE", help="Language it must speak."),
    click.option("--region", metavar="NAME", help="Where it must be offered."),
)


def request_arguments(command: _F) -> _F:
    """Add the prompt and everything a request can ask for."""
    for option in reversed(_REQUEST_OPTIONS):
        command = option(command)
    return click.argument("prompt")(command)


def read_request(prompt: str, wishes: Mapping[str, Any]) -> Request:
    """Build the request; a prompt of `-` is read from standard input."""
    # What is no UTF-8 must not end in a traceback: it is replaced, from the arguments (surrogates) as from a pipe.
    text = prompt.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if prompt == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    given: dict[str, Any] = {
        name: names(value) if isinstance(value, tuple) else value for name, value in wishes.items()
    }
    return Request(messages=text, **given)


def find_config(given: str | None) -> str | None:
    """Find the configuration: the one given, else the one in this folder, else None."""
    if given is not None:
        return given
    return DEFAULT_CONFIG if Path(DEFAULT_CONFIG).exists() else None


def require_config(given: str | None) -> str:
    """Find the configuration.

    Raises:
        ConfigError: E4006, if there is none.
    """
    path = find_config(given)
    if path is None:
        raise ConfigError(
            f"there is no configuration: no {DEFAULT_CONFIG} in this folder",
            hint="name one with --config FILE or $POINTSMAN_CONFIG",
        )
    return path


def open_router(path: str, **changes: Any) -> Router:
    """A router for a command: as the file says, but it serves no metrics of its own."""
    registry, settings = load_config(path)
    return Router.from_settings(registry, replace(settings, telemetry=TelemetrySettings()), **changes)


def names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Split at commas too: `--needs vision,tools`."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())
