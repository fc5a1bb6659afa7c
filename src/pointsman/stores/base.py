"""The protocol of a store: JSON values under a key in a space, written in atomic batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from pointsman.errors import StoreError

Json = Any

# What anything that is given as a store must be able to do.
STORE_METHODS = ("get", "put", "put_all", "add", "delete", "items", "count", "trim", "clear", "close")


class Write(NamedTuple):
    """One value to be put."""

    space: str
    key: str
    value: Json


class Store(Protocol):
    """JSON values by (space, key). Every method may raise `StoreError`, and nothing else of its own.

    Attributes:
        shared: whether other processes may read it.
        remote: whether it is behind a network, so that no call should wait for it.
    """

    shared: bool
    remote: bool

    def get(self, space: str, key: str) -> Json | None:
        """The value, or None."""
        ...

    def put(self, space: str, key: str, value: Json) -> None:
        """Write a value; it is durable against the end of this process when this returns."""
        ...

    def put_all(self, writes: Sequence[Write]) -> None:
        """Write all of them or none."""
        ...

    def add(self, space: str, key: str, value: Json) -> bool:
        """Write the value unless the key exists; False if it did."""
        ...

    def delete(self, space: str, key: str) -> bool:
        """Remove a value; False if there was none."""
        ...

    def items(self, space: str) -> Iterator[tuple[str, Json]]:
        """All values of a space, oldest key first."""
        ...

    def count(self, space: str) -> int:
        """How many values a space holds."""
        ...

    def trim(self, space: str, keep: int) -> int:
        """Remove the oldest values beyond `keep`; how many went."""
        ...

    def clear(self, space: str) -> None:
        """Remove every value of a space."""
        ...

    def close(self) -> None:
        """Give back what is held; may be called twice."""
        ...


def load(text: str, place: str) -> Json:
    """Read a value that was kept at a place as JSON.

    Raises:
        StoreError: E4301.
    """
    try:
        return json.loads(text)
    except ValueError:
        raise StoreError(f"{place}: an entry is no JSON", hint="it was changed by something else") from None
