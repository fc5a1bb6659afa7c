"""The `pointsman` command: gathers the others and turns typed errors into a line or two and an exit code."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from pointsman._version import __version__
from pointsman.cli.asking import explain, route
from pointsman.cli.benching import bench
from pointsman.cli.checkup import health
from pointsman.cli.demonstration import demo
from pointsman.cli.differences import diff
from pointsman.cli.discovering import discover
from pointsman.cli.errors import fail
from pointsman.cli.importing import import_litellm
from pointsman.cli.listing import models
from pointsman.cli.replaying import replay
from pointsman.cli.reporting import report
from pointsman.cli.schema import schema
from pointsman.cli.starting import init
from pointsman.cli.validation import validate
from pointsman.cli.writing import print_json
from pointsman.errors import PointsmanError

_JSON = "pointsman.json"


class Commands(click.Group):
    """Commands whose typed errors are shown, not raised: exit 1, or 2 for wrong usage.

    With `--json` an error is an object on standard output too: `code` (null where it is not one of ours), `message`
    and `hint`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note whether JSON is wanted, before anything can be wrong with the rest."""
        ctx.meta[_JSON] = "--json" in (args[: args.index("--")] if "--" in args else args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except PointsmanError as error:
            fail(error, as_json=ctx.meta[_JSON])
        except click.UsageError as error:
            if ctx.meta[_JSON]:
                print_json({"code": None, "message": error.format_message(), "hint": None})
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order a new user meets them."""
        del ctx
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pointsman")
def main() -> None:
    """Choose which LLM serves a call, and keep the call alive.

    Commands that need a configuration read --config, else $POINTSMAN_CONFIG, else ./pointsman.yaml.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark


for _command in (
    *(demo, init, validate, models, explain, route, health, bench, report, replay),
    *(diff, discover, import_litellm, schema),
):
    main.add_command(_command)
