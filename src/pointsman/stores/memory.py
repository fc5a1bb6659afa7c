"""A store in this process's memory: nothing survives it."""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

from pydantic_core import PydanticSerializationError, to_json

from pointsman.errors import StoreError
from pointsman.stores.base import Json, Write

_log = logging.getLogger("pointsman")

# `json.dumps` with options builds an encoder per call.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Unspelled(ABC):
    """A value that is worked out and spelled as JSON when somebody reads it, if anybody ever does.

    It stands in for a value in `MemoryStore.put_all`, and must hold nothing that changes.
    """

    __slots__ = ()

    @abstractmethod
    def value(self) -> Json:
        """The value."""


class MemoryStore:
    """Spaces as dictionaries. Values are kept as JSON text, so that what is read was never somebody's live object.

    Most rows of a ledger are never read before they go, so an `Unspelled` value becomes text with its first reader.
    """

    shared = False
    remote = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._spaces: dict[str, dict[str, str | Unspelled]] = {}

    def get(self, space: str, key: str) -> Json | None:
        """The value, or None."""
        text = self._spelled(space, key, self._spaces.get(space, {}).get(key))
        return None if text is None else json.loads(text)

    def put(self, space: str, key: str, value: Json) -> None:
        """Write a value."""
        text = dump(value)
        with self._lock:
            self._spaces.setdefault(space, {})[key] = text

    def put_all(self, writes: Sequence[Write]) -> None:
        """Write all of them or none."""
        texts = [(space, key, value if isinstance(value, Unspelled) else dump(value)) for space, key, value in writes]
        with self._lock:
            for space, key, text in texts:
                self._spaces.setdefault(space, {})[key] = text

    def add(self, space: str, key: str, value: Json) -> bool:
        """Write the value unless the key exists; False if it did."""
        text = dump(value)
        with self._lock:
            values = self._spaces.setdefault(space, {})
            if key in values:
                return False
            values[key] = text
            return True

    def delete(self, space: str, key: str) -> bool:
        """Remove a value; False if there was none."""
        with self._lock:
            return self._spaces.get(space, {}).pop(key, None) is not None

    def items(self, space: str) -> Iterator[tuple[str, Json]]:
        """All values of a space, oldest key first."""
        with self._lock:
            found = list(self._spaces.get(space, {}).items())
        texts = ((key, self._spelled(space, key, text)) for key, text in found)
        return ((key, json.loads(text)) for key, text in texts if text is not None)

    def count(self, space: str) -> int:
        """How many values a space holds."""
        return len(self._spaces.get(space, {}))

    def trim(self, space: str, keep: int) -> int:
        """Remove the oldest values beyond `keep`; how many went."""
        with self._lock:
            values = self._spaces.get(space, {})
            surplus = max(len(values) - keep, 0)
            for key in list(islice(values, surplus)):
                del values[key]
            return surplus

    def clear(self, space: str) -> None:
        """Remove every value of a space."""
        with self._lock:
            self._spaces.pop(space, None)

    def close(self) -> None:
        """Nothing to give back."""

    def _spelled(self, space: str, key: str, kept: str | Unspelled | None) -> str | None:
        """The text of what is kept; what turns out to be no JSON goes, as it would never have come in at once."""
        if not isinstance(kept, Unspelled):
            return kept
        text: str | None = None
        try:
            text = dump(kept.value())
        except StoreError as error:
            _log.warning("%s: a value of %s is not kept: %s", error.code, space, error)
        with self._lock:
            values = self._spaces.get(space, {})
            if values.get(key) is kept:  # nobody has written another one, or removed it
                if text is None:
                    del values[key]
                else:
                    values[key] = text
        return text


def dump(value: Json) -> str:
    """Spell a value as JSON; NaN and infinities are refused, as any reader would.

    Raises:
        StoreError: E4301.
    """
    try:
        text = to_json(value).decode()  # a quarter of the time that `json` takes
        if "NaN" not in text and "Infinity" not in text:
            return text
    except PydanticSerializationError:
        pass  # lone surrogates, which `json` can spell; or no JSON at all, which it says
    try:
        return _encode(value)
    except (TypeError, ValueError) as error:
        raise StoreError(f"the value is no JSON: {error}") from None
