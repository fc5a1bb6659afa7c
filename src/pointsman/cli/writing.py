"""Where a command writes what it made: a file, or standard output for `-`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from pointsman.errors import CatalogError


def print_json(value: Any) -> None:
    """Print JSON values to standard output, and nothing else there."""
    click.echo(json.dumps(value, indent=2))


def write_text(path: str, text: str) -> None:
    """Write a whole file.

    Raises:
        CatalogError: E4005, if it cannot be written.
    """
    if path == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CatalogError(f"cannot write the file: {reason}", path=path, hint="check the path") from None
