"""From a URL to a store: `memory://`, `sqlite:///FILE`."""

from __future__ import annotations

from pointsman.catalog.bounds import short
from pointsman.errors import ConfigError
from pointsman.stores.base import Store
from pointsman.stores.memory import MemoryStore


def open_store(given: str | Store) -> Store:
    """Open the store that a URL names, or take one as it is.

    Raises:
        ConfigError: E4006, for a URL of another form.
        StoreError: E4301, if the file cannot be opened.
    """
    if not isinstance(given, str):
        return given
    if given in ("memory://", "memory:"):
        return MemoryStore()
    if given.startswith("sqlite:///") and len(given) > len("sqlite:///"):
        from pointsman.stores.sqlite import SQLiteStore  # noqa: PLC0415  sqlite3 is loaded when it is used

        return SQLiteStore(given.removeprefix("sqlite:///"))
    scheme = given.partition("://")[0]
    raise ConfigError(f"{short(scheme)} is no store this version has", hint="one of: memory://, sqlite:///FILE")
