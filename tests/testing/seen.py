"""What a client sees of an answer over raw HTTP, whatever becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx


@dataclass
class Seen:
    """What came over the wire until the end, an error or silence."""

    status: int | None = None
    body: str = ""
    error: str | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)


SeenT = TypeVar("SeenT", bound=Seen)


def watch(
    client: httpx.Client, url: str, body: dict[str, Any], seen: SeenT, fault: str | None = None, read: float = 30
) -> SeenT:
    """Ask, and write down what comes; silence ends after `read` seconds."""
    headers = {"x-test-fault": fault} if fault else {}
    try:
        with client.stream("POST", url, json=body, headers=headers, timeout=httpx.Timeout(30, read=read)) as response:
            seen.status, seen.headers = response.status_code, response.headers
            for piece in response.iter_text():
                seen.body += piece
    except httpx.TransportError as error:
        seen.error = type(error).__name__
    return seen
