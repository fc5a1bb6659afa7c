"""OpenAI's embeddings: equal texts are equal, texts that share words are near."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from typing import TYPE_CHECKING, Any

from .answers import BadRequestError
from .openai_wire import OpenAIFormat, prompt_of, texts_of
from .validation import check_values

if TYPE_CHECKING:
    from .faults import Fault
    from .wire import Envelope, Json

__all__ = ["EmbeddingFormat"]


class EmbeddingFormat(OpenAIFormat):
    """`POST /v1/embeddings`."""

    path = "/v1/embeddings"

    def prompt(self, body: Json) -> tuple[str, int, int]:
        """Find the texts."""
        return prompt_of(body)

    def check(self, body: Json) -> None:
        """Check the parameters."""
        check_values(body)

    def reply(self, envelope: Envelope, seed: int, fault: Fault | None) -> Json:  # noqa: ARG002
        """Embed each text; an empty answer has no vectors.

        Raises:
            BadRequestError: There is nothing to embed.
        """
        request, model = envelope.request, envelope.model
        texts = texts_of(request.get("input"))
        if not texts or not all(texts):
            raise BadRequestError("Invalid 'input': expected a text or an array of texts, none of them empty.", "input")
        dimensions = request.get("dimensions") or model.embedding_dimensions
        vectors: list[Any] = [_embedding(model.name, text, dimensions) for text in texts]
        if request.get("encoding_format") == "base64":
            vectors = [base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() for vector in vectors]
        if fault is not None and fault.kind == "empty":
            vectors = []
        tokens = envelope.prompt_tokens
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)],
            "model": model.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _embedding(model: str, text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [text]:
        noise = hashlib.shake_256(f"{model}\x00{word}".encode("utf-8", "surrogatepass")).digest(dimensions)
        vector = [sum(pair) for pair in zip(vector, ((byte - 127.5) / 127.5 for byte in noise), strict=True)]
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]
