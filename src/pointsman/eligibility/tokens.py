"""How large a prompt is: bytes bound it from above for free, a tokenizer counts it when the bound does not decide."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pointsman.types import Request

# Roles, separators and the like; no provider's chat format spends more.
TOKENS_PER_MESSAGE = 8
TOKENS_PER_CALL = 16
# OpenAI's high-detail images cost up to 1,445 tokens at their largest tiling, Anthropic's about 1,600.
TOKENS_PER_IMAGE = 1_600
TOKENS_PER_OTHER_MEDIA = 4_000
# Foreign tokenizers against tiktoken's on the same text.
FOREIGN_FACTOR = 1.1
# Without a wish for the answer's size, this much room is kept for it (or the model's limit, if that is smaller).
DEFAULT_RESERVE = 1_024
# Encoding is quadratic in the length of an unbroken run; pieces bound it and can only raise the count.
_PIECE = 2_000
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "thinking", "reasoning"})
# LangChain's messages without tool calls; Pydantic takes longer to say that a field is missing than all else takes here.
_CALL_NOTHING = frozenset({"human", "system"})
_IMAGE_PARTS = frozenset({"image", "image_url", "input_image"})


class PromptSize:
    """The tokens of one request's prompt: `upper` at once, `count()` at the price of a tokenizer, once."""

    __slots__ = ("_count", "_media", "_overhead", "_texts", "known", "upper")

    def __init__(self, request: Request) -> None:
        self._count: int | None = None
        self.known = request.input_tokens is not None
        if request.input_tokens is not None:
            self.upper = self._count = request.input_tokens
            return
        texts: list[str] = []
        media = 0
        given: Any = request.messages
        messages: Sequence[Any] = given if type(given) is list or isinstance(given, Sequence) else ()
        for message in messages:
            media += _read_message(message, texts)
        texts.extend(_as_json(tool) for tool in request.tools)
        if request.response_format is not None:
            texts.append(_as_json(request.response_format))
        self._texts = texts
        self._media = media
        self._overhead = TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_CALL if messages else 0
        self.upper = sum(map(_byte_length, texts)) + media + self._overhead

    @property
    def counted(self) -> int | None:
        """The count, if it was made already."""
        return self._count

    @property
    def has_media(self) -> bool:
        """Whether part of the count is an estimate for images and the like."""
        return not self.known and self._media > 0

    def count(self) -> int:
        """Tokens by tiktoken's o200k or cl100k encoding, media by their estimate."""
        if self._count is None:
            encode = _encoding().encode_ordinary
            pieces = (text[at : at + _PIECE] for text in self._texts for at in range(0, len(text), _PIECE))
            self._count = sum(len(encode(piece)) for piece in pieces) + self._media + self._overhead
        return self._count


def media_of(messages: Iterable[Any]) -> frozenset[str]:
    """Kinds of content beyond text in the messages, as capabilities: `vision`, `audio`, `pdf`, `video`.

    >>> sorted(media_of([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]))
    ['vision']
    """
    found = set()
    for message in messages:
        content = _content(message)
        if isinstance(content, str) or not isinstance(content, Iterable):
            continue
        for part in content:
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind in _IMAGE_PARTS:
                found.add("vision")
            elif kind in ("input_audio", "audio"):
                found.add("audio")
            elif kind in ("video", "video_url"):
                found.add("video")
            elif kind in ("file", "document", "input_file"):
                found.add("pdf")
    return frozenset(found)


def _content(message: Any) -> Any:
    is_mapping = type(message) is dict or isinstance(message, Mapping)
    return message.get("content") if is_mapping else getattr(message, "content", None)


def _read_message(message: Any, texts: list[str]) -> int:
    """Collect a message's texts; the answer is the estimate for its media."""
    content = _content(message)
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, Sequence):
        media = sum(_read_part(part, texts) for part in content)
        _read_calls(message, texts)
        return media
    _read_calls(message, texts)
    return 0


def _read_part(part: Any, texts: list[str]) -> int:
    if isinstance(part, str):
        texts.append(part)
        return 0
    if not isinstance(part, Mapping):
        return 0
    kind = part.get("type")
    if kind in _TEXT_PARTS or kind is None:
        texts.extend(value for value in (part.get("text"), part.get("thinking")) if isinstance(value, str))
        return 0
    if kind in _IMAGE_PARTS:
        return TOKENS_PER_IMAGE
    if kind in ("tool_use", "tool_result", "tool_call", "function_call", "function_call_output"):
        texts.append(_as_json(part))
        return 0
    return TOKENS_PER_OTHER_MEDIA


def _read_calls(message: Any, texts: list[str]) -> None:
    if getattr(message, "type", None) in _CALL_NOTHING:
        return
    calls = message.get("tool_calls") if isinstance(message, Mapping) else getattr(message, "tool_calls", None)
    if calls:
        texts.append(_as_json(calls))


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, default=repr)
    except (TypeError, ValueError):
        return repr(value)


def _byte_length(text: str) -> int:
    # For ASCII the length in characters is the length in bytes, and CPython knows it without looking.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=1)
def _encoding() -> Any:
    """Load tiktoken's encoding from the files inside LiteLLM's wheel: no network, LiteLLM itself not imported."""
    import tiktoken  # noqa: PLC0415  a quarter of a second, and only needed when bytes do not decide

    for folder in _bundled_folders():
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
        try:
            return tiktoken.get_encoding("cl100k_base")
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before
    return tiktoken.get_encoding("cl100k_base")


def _bundled_folders() -> Iterator[Path]:
    root = Path(str(metadata.distribution("litellm").locate_file("litellm/litellm_core_utils/tokenizers")))
    if root.is_dir():
        yield root
