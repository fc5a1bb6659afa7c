"""What the messages of a chat request say: their text, their size, their tokens.

A token here is four bytes of UTF-8, rounded up over the whole prompt: `ceil(bytes / 4)`; a media part counts 85 tokens.
No tokenizer does exactly this; what matters is that client and server can agree on a number without one.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["BYTES_PER_TOKEN", "MEDIA_TOKENS", "all_text", "count_tokens", "last_user_text", "prompt_size", "text_of"]

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 85

Json = dict[str, Any]


def count_tokens(text: str) -> int:
    """Count the tokens of a text.

    >>> count_tokens("five bytes")
    3
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def text_of(message: Json) -> str:
    """Join the text parts of one message."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") or part.get("content") for part in content if isinstance(part, dict))
    return "\n".join(part for part in parts if isinstance(part, str))


def all_text(messages: list[Json]) -> str:
    """Join the texts of all messages."""
    return "\n".join(text_of(message) for message in messages)


def last_user_text(messages: list[Json]) -> str:
    """Find the text of the last user message."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message)
    return ""


def prompt_size(messages: list[Json], tools: Any = None) -> tuple[int, int]:
    """Count (bytes of text, tokens) of messages, their tool calls and the tools that are offered."""
    text_bytes = 0
    media = 0
    for message in messages:
        text_bytes += len(text_of(message).encode("utf-8", "surrogatepass"))
        for call in message.get("tool_calls") or ():
            text_bytes += len(json.dumps(call, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        content = message.get("content")
        if isinstance(content, list):
            media += sum(isinstance(part, dict) and "text" not in part for part in content)
    if tools:
        text_bytes += len(json.dumps(tools, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return text_bytes, -(-text_bytes // BYTES_PER_TOKEN) + media * MEDIA_TOKENS
