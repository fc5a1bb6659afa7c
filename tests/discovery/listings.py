"""Real servers on loopback that list models, and how the tests ask them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pointsman import ModelRegistry, ModelSpec
from pointsman.discovery import Discovery, discover

TODAY = date(2026, 11, 21)


class ListingServer(ThreadingHTTPServer):
    """Answers every GET the same way, and remembers what was asked for."""

    daemon_threads = True

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.ends = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("authorization")))
                answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(answer: Any, status: int = 200, **headers: str) -> Iterator[ListingServer]:
    """Serve JSON, bytes, or whatever a function writes."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        if callable(answer):
            answer(handler, server)
            return
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server = ListingServer(write)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ends.set()
        server.shutdown()
        server.server_close()
        thread.join()


def at(base: str, *specs: dict[str, Any]) -> ModelRegistry:
    return ModelRegistry(ModelSpec(**{"provider": "openai", "api_base": f"{base}/v1", **spec}) for spec in specs)


def ask(registry: ModelRegistry, **options: Any) -> Discovery:
    return discover(registry, today=TODAY, **options)


def problem(registry: ModelRegistry, **options: Any) -> str:
    """The only thing found is that a server could not be asked; why."""
    found = ask(registry, **options)
    assert not found
    assert not found.asked
    (why,) = found.problems.values()
    return why
