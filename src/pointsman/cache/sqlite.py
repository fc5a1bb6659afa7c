"""A level in one SQLite file: shared by the processes of a machine, still there after a restart."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointsman.cache.entries import Tags, expires_at, tags_of
from pointsman.cache.level import BrokenLevelError
from pointsman.errors import StoreError
from pointsman.forks import renew_after_fork

_log = logging.getLogger("pointsman")

# Triggers keep the totals, whichever process writes, so that the bounds cost no counting.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cache_entries (
    key TEXT PRIMARY KEY, entry BLOB NOT NULL, used REAL NOT NULL, expires REAL NOT NULL,
    model BLOB NOT NULL, tenant BLOB NOT NULL, version BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS cache_used ON cache_entries (used);
CREATE TABLE IF NOT EXISTS cache_facts (
    id INTEGER PRIMARY KEY CHECK (id = 1), secret BLOB NOT NULL,
    entries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0
);
CREATE TRIGGER IF NOT EXISTS cache_added AFTER INSERT ON cache_entries BEGIN
    UPDATE cache_facts SET entries = entries + 1, bytes = bytes + length(new.entry);
END;
CREATE TRIGGER IF NOT EXISTS cache_removed AFTER DELETE ON cache_entries BEGIN
    UPDATE cache_facts SET entries = entries - 1, bytes = bytes - length(old.entry);
END;
CREATE TRIGGER IF NOT EXISTS cache_replaced AFTER UPDATE OF entry ON cache_entries BEGIN
    UPDATE cache_facts SET bytes = bytes + length(new.entry) - length(old.entry);
END;
"""
_PUT = """
INSERT INTO cache_entries (key, entry, used, expires, model, tenant, version) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET entry = excluded.entry, used = excluded.used, expires = excluded.expires,
    model = excluded.model, tenant = excluded.tenant, version = excluded.version
"""
_INVALIDATE = """
DELETE FROM cache_entries WHERE (?1 = zeroblob(8) OR model = ?1) AND (?2 = zeroblob(8) OR tenant = ?2)
    AND (?3 = zeroblob(8) OR version = ?3)
"""
# Writing down every use would make reading as dear as writing; this fine the order of use has to be.
_USE_IS_NEWS_AFTER = 60.0
_USES_KEPT = 256
_EVICT_AT_ONCE = 64


class SQLiteLevel:
    """Entries in write-ahead-log mode. A file that is no database any more is set aside, and a new one begun.

    Args:
        path: the file; give the cache one of its own. Its folder must exist.
        max_entries: how many it holds, over all processes.
        max_bytes: how much it holds.
        busy_timeout: seconds to wait for another process's write.
    """

    name = "sqlite"
    quick = False

    def __init__(
        self,
        path: str | Path,
        max_entries: int = 10_000,
        max_bytes: int = 256 * 1024 * 1024,
        *,
        busy_timeout: float = 1.0,
    ) -> None:
        self.path = str(path)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._busy_timeout = busy_timeout
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._parents: sqlite3.Connection | None = None
        self._owner = 0
        self._uses: dict[str, float] = {}
        renew_after_fork(self)

    def forked(self) -> None:
        """A child has a connection and a lock of its own."""
        self._lock = threading.RLock()
        # Closing the parent's connection here could tidy up files that the parent still writes to.
        self._parents, self._connection = self._connection, None

    def secret(self) -> bytes:
        """What keys are hashed with; made by the first process that opened the file."""
        with self._open() as connection:
            row = connection.execute("SELECT secret FROM cache_facts").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("its secret is gone")
            return bytes(row[0])

    def get(self, key: str, now: float) -> bytes | None:
        """The entry, or None."""
        with self._open() as connection:
            row = connection.execute("SELECT entry, used FROM cache_entries WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            if now - row[1] > _USE_IS_NEWS_AFTER and len(self._uses) < _USES_KEPT:
                self._uses[key] = now
        return bytes(row[0])

    def put(self, key: str, entry: bytes, now: float) -> int:
        """Keep an entry; how many others had to go."""
        if len(entry) > self._max_bytes:
            return 0
        with self._open() as connection, _transaction(connection):
            uses, self._uses = self._uses, {}
            connection.executemany(
                "UPDATE cache_entries SET used = ? WHERE key = ?", [(used, each) for each, used in uses.items()]
            )
            connection.execute(_PUT, (key, entry, now, expires_at(entry), *tags_of(entry)))
            return self._evict(connection, key)

    def _evict(self, connection: sqlite3.Connection, kept: str) -> int:
        evicted = 0
        while True:
            entries, size = connection.execute("SELECT entries, bytes FROM cache_facts").fetchone()
            surplus = entries - self._max_entries
            if surplus <= 0 and size <= self._max_bytes:
                return evicted
            most = max(surplus, 1) if size <= self._max_bytes else max(surplus, min(_EVICT_AT_ONCE, entries // 16 + 1))
            cursor = connection.execute(
                "DELETE FROM cache_entries WHERE key IN "
                "(SELECT key FROM cache_entries WHERE key != ? ORDER BY used LIMIT ?)",
                (kept, most),
            )
            if cursor.rowcount <= 0:
                return evicted
            evicted += cursor.rowcount

    def drop(self, key: str) -> None:
        """Remove an entry."""
        with self._open() as connection:
            connection.execute("DELETE FROM cache_entries WHERE key = ?", (key,))

    def invalidate(self, wanted: Tags) -> int:
        """Remove what belongs to all that is wanted."""
        with self._open() as connection, _transaction(connection):
            gone = connection.execute(_INVALIDATE, tuple(wanted)).rowcount
            connection.execute("UPDATE cache_facts SET epoch = epoch + 1")
            return gone

    def epoch(self) -> int:
        """How often something was invalidated, by any process."""
        return self._facts()[2]

    def size(self) -> tuple[int, int]:
        """Entries and bytes."""
        return self._facts()[:2]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _facts(self) -> tuple[int, int, int]:
        with self._open() as connection:
            row = connection.execute("SELECT entries, bytes, epoch FROM cache_facts").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("its totals are gone")
            entries, size, epoch = row
        return int(entries), int(size), int(epoch)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection of this process; a fork opens its own."""
        with self._lock:
            try:
                yield self._connected()
            except sqlite3.Error as error:
                if type(error) is sqlite3.DatabaseError:  # its subclasses are busy, full, closed: not broken
                    self._set_aside()
                    raise BrokenLevelError(f"{self.path}: {error}") from error
                raise StoreError(
                    f"{self.path}: {error}", hint="is the file writable, and its disk not full?"
                ) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        connection = sqlite3.connect(
            self.path, timeout=self._busy_timeout, check_same_thread=False, isolation_level=None
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute("INSERT OR IGNORE INTO cache_facts (id, secret) VALUES (1, ?)", (os.urandom(32),))
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._owner = connection, os.getpid()
        return connection

    def _set_aside(self) -> None:
        """Rename a file that is no database any more; the next use begins a new one."""
        self.close()
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(self.path + end).replace(f"{self.path}{end}.broken")
        _log.warning("the cache file %s is broken; it was renamed to %s.broken", self.path, self.path)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
