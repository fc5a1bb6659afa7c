"""Reading exceptions that others made: status, codes, words and headers, whatever their attributes do when touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_MOST_NODES = 400
_MOST_TEXT = 8_000
_STATUS_NAMES = ("status_code", "http_status", "status", "code", "HTTPStatusCode")
_CODE_NAMES = frozenset({"code", "type", "status", "reason", "__type", "error_code", "error_type"})
_BODY_NAMES = ("body", "details", "doc", "error", "detail")

Pair = tuple[str, Any]


@dataclass(slots=True)
class Findings:
    """What an exception says of itself.

    Attributes:
        status: of HTTP, 400 or more.
        codes: words of its attributes and its body that may be codes, nearest first.
        text: message and body in lower case, clipped.
        headers: of the response, as far as they are readable.
        numbers: numeric fields of the body, by name.
    """

    status: int | None = None
    codes: list[str] = field(default_factory=list)
    text: str = ""
    headers: Any = None
    numbers: dict[str, float] = field(default_factory=dict)


def read(source: Any, name: str) -> Any:
    """An attribute of a stranger, or a key of a mapping; whatever its property does, the answer is a value or None."""
    try:
        return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
    except Exception:  # noqa: BLE001  hostile properties may raise anything; the classifier is total
        return None


def examine(error: BaseException) -> Findings:
    """Gather what there is, from the exception, its response and its body."""
    found = Findings()
    response = read(error, "response")
    words = [_words_of(error)]
    pairs = list(_pairs(error, response, words[0]))
    metadata = read(response, "ResponseMetadata")  # botocore's response is a dictionary
    found.status = _status(error) or _status(response) or _status(metadata) or _status(dict(reversed(pairs)))
    for name in ("code", "type", "status", "reason"):
        value = read(error, name)
        if isinstance(value, str):
            found.codes.append(value)
    for name, value in pairs:
        if isinstance(value, str):
            if name in _CODE_NAMES or name == "Code":
                found.codes.append(value)
            words.append(f"{name}: {value[:_MOST_TEXT]}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.numbers.setdefault(name, value)
    found.text = "\n".join(words)[:_MOST_TEXT].lower()
    for source in (response, error):
        found.headers = found.headers or read(source, "headers")
    found.headers = found.headers or read(metadata, "HTTPHeaders") or read(error, "litellm_response_headers")
    return found


def _status(source: Any) -> int | None:
    for name in _STATUS_NAMES:
        value = read(source, name)
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return int(value)
    return None


def _words_of(error: BaseException) -> str:
    try:
        return str(error)[:_MOST_TEXT]
    except Exception:  # noqa: BLE001  hostile __str__; the classifier is total
        return ""


def _pairs(error: BaseException, response: Any, message: str) -> Iterator[Pair]:
    """The scalar fields of every body that can be found: attributes, the response's content, JSON inside the message."""
    bodies = [read(error, name) for name in _BODY_NAMES]
    bodies += [each for each in error.args[:1] if isinstance(each, Mapping)]  # langchain-openai raises ValueError(body)
    bodies.append(response if isinstance(response, Mapping) else read(response, "content"))
    if (at := message.find("{")) >= 0:
        bodies.append(message[at:])
    seen: set[int] = set()
    left = _MOST_NODES
    for body in bodies:
        queue: list[Pair] = [("", body)]
        for name, node in queue:
            left -= 1
            if left < 0:
                return
            value = _parsed(node) if name == "" else node
            if isinstance(value, Mapping | list | tuple):
                if id(value) not in seen:
                    seen.add(id(value))
                    queue.extend(_children(value)[:_MOST_NODES])
            elif isinstance(value, str | int | float):
                yield name, value


def _parsed(body: Any) -> Any:
    """A body as data where it is JSON text."""
    with suppress(ValueError, RecursionError, UnicodeError):
        if isinstance(body, bytes | bytearray):
            body = bytes(body[: 8 * _MOST_TEXT]).decode("utf-8", "replace")
        if isinstance(body, str) and body.lstrip()[:1] in ("{", "["):
            return json.JSONDecoder().raw_decode(body[: 8 * _MOST_TEXT].lstrip())[0]
    return None if isinstance(body, bytes | bytearray) else body


def _children(value: Any) -> list[Pair]:
    try:
        if isinstance(value, Mapping):
            return [(str(name)[:64], child) for name, child in list(value.items())[:_MOST_NODES]]
        return [("item", child) for child in list(value)[:_MOST_NODES]]
    except Exception:  # noqa: BLE001  hostile containers; the classifier is total
        return []
