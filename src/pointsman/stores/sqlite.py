"""A store in one SQLite file: shared by the processes of a machine, safe against their sudden end."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pointsman.errors import StoreError
from pointsman.stores.base import Json, Write, load
from pointsman.stores.memory import dump

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (space, key)
)
"""
# What a space holds is read in the order of its ids; without this every page of it would be sorted anew.
_INDEX = "CREATE INDEX IF NOT EXISTS entries_of_space ON entries (space)"
_PUT = "INSERT INTO entries (space, key, value) VALUES (?, ?, ?) ON CONFLICT (space, key) DO UPDATE SET value = excluded.value"
_PAGE = 500


class SQLiteStore:
    """Entries in write-ahead-log mode; a committed write survives `kill -9` of this process.

    Args:
        path: the file; its folder must exist.
        busy_timeout: seconds to wait for another process's write.
    """

    shared = True
    remote = False

    def __init__(self, path: str | Path, *, busy_timeout: float = 1.0) -> None:
        self.path = str(path)
        self._busy_timeout = busy_timeout
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        with self._open():
            pass

    def get(self, space: str, key: str) -> Json | None:
        """The value, or None."""
        with self._open() as connection:
            row = connection.execute("SELECT value FROM entries WHERE space = ? AND key = ?", (space, key)).fetchone()
        return None if row is None else load(row[0], self.path)

    def put(self, space: str, key: str, value: Json) -> None:
        """Write a value; committed when this returns."""
        text = dump(value)
        with self._open() as connection:
            connection.execute(_PUT, (space, key, text))

    def put_all(self, writes: Sequence[Write]) -> None:
        """Write all of them or none, in one transaction."""
        rows = [(write.space, write.key, dump(write.value)) for write in writes]
        with self._open() as connection:
            connection.executemany(_PUT, rows)

    def add(self, space: str, key: str, value: Json) -> bool:
        """Write the value unless the key exists; False if it did."""
        text = dump(value)
        with self._open() as connection:
            cursor = connection.execute(
                "INSERT OR IGNORE INTO entries (space, key, value) VALUES (?, ?, ?)", (space, key, text)
            )
            return cursor.rowcount == 1

    def delete(self, space: str, key: str) -> bool:
        """Remove a value; False if there was none."""
        with self._open() as connection:
            return connection.execute("DELETE FROM entries WHERE space = ? AND key = ?", (space, key)).rowcount == 1

    def items(self, space: str) -> Iterator[tuple[str, Json]]:
        """All values of a space, oldest key first, read in pages."""
        after = -1
        while True:
            with self._open() as connection:
                rows = connection.execute(
                    "SELECT id, key, value FROM entries WHERE space = ? AND id > ? ORDER BY id LIMIT ?",
                    (space, after, _PAGE),
                ).fetchall()
            for after, key, text in rows:  # noqa: B007  the last one read is where the next page starts
                yield key, load(text, self.path)
            if len(rows) < _PAGE:
                return

    def count(self, space: str) -> int:
        """How many values a space holds."""
        with self._open() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM entries WHERE space = ?", (space,)).fetchone()[0])

    def trim(self, space: str, keep: int) -> int:
        """Remove the oldest values beyond `keep`; how many went."""
        with self._open() as connection:
            cursor = connection.execute(
                "DELETE FROM entries WHERE space = ?1 AND id <= "
                "(SELECT id FROM entries WHERE space = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (space, keep),
            )
            return cursor.rowcount

    def clear(self, space: str) -> None:
        """Remove every value of a space."""
        with self._open() as connection:
            connection.execute("DELETE FROM entries WHERE space = ?", (space,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection of this process, as one transaction; a fork opens its own."""
        with self._lock:
            try:
                connection = self._connected()
                with connection:
                    yield connection
            except sqlite3.Error as error:
                raise StoreError(
                    f"{self.path}: {error}", hint="is the file writable, whole, and its disk not full?"
                ) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        connection = sqlite3.connect(self.path, timeout=self._busy_timeout, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_SCHEMA)
        connection.execute(_INDEX)
        self._connection, self._owner = connection, os.getpid()
        return connection
