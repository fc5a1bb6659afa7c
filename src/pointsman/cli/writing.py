"""Where a command writes what it made: a file, or standard output for `-`."""

from __future__ import annotations

import json
from typing import Any

import click

from pointsman.catalog.export import write_file


def print_json(value: Any) -> None:
    """Print JSON values to standard output, and nothing else there."""
    click.echo(json.dumps(value, indent=2))


def write_text(path: str, text: str) -> None:
    """Write a whole file, or to standard output.

    Raises:
        CatalogError: E4005, if it cannot be written.
    """
    if path == "-":
        click.echo(text, nl=False)
        return
    write_file(path, text)
