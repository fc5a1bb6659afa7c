"""The endpoints of a model server by path."""

from __future__ import annotations

from .anthropic_wire import MessagesFormat
from .embedding_wire import EmbeddingFormat
from .openai_wire import ChatFormat, CompletionFormat
from .responses_wire import ResponsesFormat
from .wire import WireFormat

__all__ = ["FORMATS", "PLAIN"]

PLAIN = ChatFormat()
"""The format of what is said where no endpoint is."""

FORMATS: dict[str, WireFormat] = {
    each.path: each for each in (PLAIN, CompletionFormat(), EmbeddingFormat(), ResponsesFormat(), MessagesFormat())
}
