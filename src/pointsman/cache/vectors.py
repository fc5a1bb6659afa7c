"""Embeddings kept per text, model and dimension: of a batch only the texts that are new are embedded."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from pointsman.cache.model_cache import ModelCache

Vector = list[float]
Embed = Callable[[list[str]], list[Vector]]
AsyncEmbed = Callable[[list[str]], Awaitable[list[Vector]]]


class Vectors:
    """Vectors in a cache.

    Args:
        cache: where they are kept.
        tenant: whose they are.
    """

    def __init__(self, cache: ModelCache, tenant: str | None = None) -> None:
        self._cache = cache
        self._tenant = tenant

    def get(self, kind: str, model: tuple[str, str], texts: list[str], embed: Embed) -> list[Vector]:
        """The vectors of texts, in their order.

        Args:
            kind: `query` or `document`: some models embed them differently.
            model: which model, and its vectors' dimensions.
            texts: what is embedded.
            embed: embeds those that are not kept, each once.
        """
        keys = {text: self._key(kind, model, text) for text in texts}
        found = {text: vector for text, key in keys.items() if (vector := _vector(self._cache.get(key))) is not None}
        missing = [text for text in keys if text not in found]
        if missing:
            for text, vector in _paired(missing, embed(missing)):
                found[text] = vector
                self._cache.put(keys[text], _kept(vector), model=model[0], tenant=self._tenant)
        return [found[text] for text in texts]

    async def aget(self, kind: str, model: tuple[str, str], texts: list[str], embed: AsyncEmbed) -> list[Vector]:
        """Like `get`."""
        keys = {text: self._key(kind, model, text) for text in texts}
        found: dict[str, Vector] = {}
        for text, key in keys.items():
            vector = _vector(await self._cache.aget(key))
            if vector is not None:
                found[text] = vector
        missing = [text for text in keys if text not in found]
        if missing:
            for text, vector in _paired(missing, await embed(missing)):
                found[text] = vector
                await self._cache.aput(keys[text], _kept(vector), model=model[0], tenant=self._tenant)
        return [found[text] for text in texts]

    def _key(self, kind: str, model: tuple[str, str], text: str) -> str:
        return str(self._cache.key("embedding", kind, *model, self._tenant, text))


def _paired(texts: list[str], vectors: list[Vector]) -> Iterable[tuple[str, Vector]]:
    if len(texts) != len(vectors):
        raise ValueError(f"{len(texts)} texts were embedded to {len(vectors)} vectors")
    return zip(texts, vectors, strict=True)


def _kept(vector: Vector) -> dict[str, str] | None:
    """A vector as text; exact, and a quarter of its length in digits."""
    try:
        numbers = array("d", vector)
    except TypeError:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return {"float64": b64encode(numbers.tobytes()).decode()}


def _vector(kept: Any) -> Vector | None:
    if not isinstance(kept, dict) or "float64" not in kept:
        return None
    numbers = array("d", b64decode(kept["float64"]))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
