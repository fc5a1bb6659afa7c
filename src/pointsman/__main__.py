"""`python -m pointsman` is the command line."""

from __future__ import annotations

from pointsman.cli import main

main(prog_name="pointsman")
