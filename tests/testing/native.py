"""The native endpoints as a test asks them over raw HTTP: requests, events, what counts as content and as an end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from testing import seen


@dataclass(frozen=True)
class Native:
    """One endpoint."""

    path: str
    asks_with: str
    opening: tuple[str, ...]
    content: str
    ending: tuple[str, ...]
    more: Mapping[str, Any]

    def body(self, said: str, **more: Any) -> dict[str, Any]:
        asked = said if self.asks_with == "input" else [{"role": "user", "content": said}]
        return {"model": "cheap", self.asks_with: asked, **self.more, **more}


RESPONSES = Native(
    "/responses",
    "input",
    ("response.created", "response.in_progress"),
    "response.output_text.delta",
    ("response.completed", "response.incomplete"),
    {},
)
MESSAGES = Native(
    "/messages",
    "messages",
    ("message_start",),
    "content_block_delta",
    ("message_delta", "message_stop"),
    {"max_tokens": 500},
)


class Seen(seen.Seen):
    """What came of a stream of named events, or of a body."""

    @property
    def blocks(self) -> list[list[str]]:
        return [block.split("\n") for block in self.body.split("\n\n") if block.startswith("event: ")]

    @property
    def names(self) -> list[str]:
        return [lines[0].removeprefix("event: ") for lines in self.blocks]

    @property
    def data(self) -> list[str]:
        return [lines[1].removeprefix("data: ") for lines in self.blocks]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.data]


def ask(client: httpx.Client, url: str, body: dict[str, Any], fault: str | None = None, read: float = 30) -> Seen:
    return seen.watch(client, url, body, Seen(), fault, read)
