"""`python -m pointsman.testing`: model servers as a process, its addresses in one JSON line on standard output."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from typing import Any

from .fleet import ModelFleet
from .models import ServedModel

__all__ = ["main", "parse_model"]

_NUMBERS = ("input_price_per_1m", "output_price_per_1m", "quality")


def parse_model(text: str) -> ServedModel:
    """Read NAME[:INPUT_PRICE[:OUTPUT_PRICE[:QUALITY]]] or a JSON object with the fields of ServedModel."""
    try:
        if text.startswith("{"):
            fields: dict[str, Any] = json.loads(text)
            if isinstance(fields.get("latency"), list):
                fields["latency"] = tuple(fields["latency"])
            return ServedModel(**fields)
        name, *numbers = text.split(":")
        prices_and_quality: dict[str, Any] = dict(zip(_NUMBERS[: len(numbers)], map(float, numbers), strict=True))
        return ServedModel(name, **prices_and_quality)
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME:INPUT_PRICE:OUTPUT_PRICE:QUALITY ({error})") from error


def _parse_port(text: str) -> tuple[str, int]:
    name, _, port = text.rpartition("=")
    return name, int(port)


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal, the life limit or, with --watch-stdin, the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m pointsman.testing", description=__doc__)
    parser.add_argument("--model", action="append", required=True, type=parse_model, help=parse_model.__doc__)
    parser.add_argument("--port", action="append", default=[], type=_parse_port, metavar="NAME=PORT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--life-limit", type=float, default=3600.0, metavar="SECONDS")
    parser.add_argument(
        "--watch-stdin", action="store_true", help="end when standard input ends, as when a parent dies"
    )
    options = parser.parse_args(arguments)

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if options.watch_stdin:
        threading.Thread(target=_watch_stdin, args=(ended,), daemon=True).start()
    fleet = ModelFleet(options.model, seed=options.seed, life_limit=options.life_limit, ports=dict(options.port))
    with fleet:
        print(json.dumps({"pid": os.getpid(), "urls": fleet.urls}), flush=True)
        ended.wait(options.life_limit)


def _watch_stdin(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ended.set()


if __name__ == "__main__":
    main()
