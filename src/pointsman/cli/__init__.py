"""The command line: `pointsman COMMAND`, also `python -m pointsman COMMAND`."""

from __future__ import annotations

from pointsman.cli.group import main

__all__ = ["main"]
