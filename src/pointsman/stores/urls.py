"""From a URL to a store: `memory://`, `sqlite:///FILE`, `jsonl:///FILE`, `redis://HOST:PORT/N`, or `env:NAME` for one of these."""

from __future__ import annotations

import os

from pointsman.arguments import expect_methods
from pointsman.catalog.bounds import short
from pointsman.errors import ConfigError
from pointsman.stores.base import STORE_METHODS, Store
from pointsman.stores.memory import MemoryStore


def open_store(given: str | Store) -> Store:
    """Open the store that a URL names, or take one as it is.

    Raises:
        ConfigError: E4006, for a URL of another form.
        StoreError: E4301, if the file cannot be opened. A Redis that is away is waited for in the background.
    """
    if not isinstance(given, str):
        try:
            expect_methods(given, STORE_METHODS, "the store", "a URL such as sqlite:///FILE, or a store")
        except TypeError as error:
            raise ConfigError(str(error)) from None
        return given
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        given = os.environ.get(name, "")
        if not given or given.startswith("env:"):
            raise ConfigError(f"the store's URL is to be in {short(name)}, which names none", hint=f"export {name}=...")
    if given in ("memory://", "memory:"):
        return MemoryStore()
    if given.startswith("sqlite:///") and len(given) > len("sqlite:///"):
        from pointsman.stores.sqlite import SQLiteStore  # noqa: PLC0415  sqlite3 is loaded when it is used

        return SQLiteStore(given.removeprefix("sqlite:///"))
    if given.startswith("jsonl:///") and len(given) > len("jsonl:///"):
        from pointsman.stores.jsonl import JSONLStore  # noqa: PLC0415  likewise

        return JSONLStore(given.removeprefix("jsonl:///"))
    scheme = given.partition("://")[0]
    if scheme in ("redis", "rediss", "unix"):
        from pointsman.stores.redis import RedisStore  # noqa: PLC0415  the package redis is an extra

        return RedisStore(given)
    raise ConfigError(
        f"{short(scheme)} is no store this version has",
        hint="one of: memory://, sqlite:///FILE, jsonl:///FILE, redis://HOST:PORT/N, rediss://, unix:///PATH",
    )
