"""A level in Redis: shared by machines. Redis ends entries at their time; an order of use keeps their number bounded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

from pointsman.cache.entries import Tags, expires_at
from pointsman.stores.redis_link import RedisLink

_GET = """
local entry = redis.call('GET', KEYS[1])
if entry then redis.call('ZADD', KEYS[2], 'XX', ARGV[1], ARGV[2]) end
return entry
"""
_PUT = """
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[2])
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
local gone = 0
if surplus > 0 then
    local popped = redis.call('ZPOPMIN', KEYS[2], surplus)
    for at = 1, #popped, 2 do gone = gone + redis.call('DEL', ARGV[6] .. popped[at]) end
end
return gone
"""
# Of each entry the bytes 21 to 44 are its tags, eight for each; what is all zeros is not asked for.
_INVALIDATE = """
local none, gone = string.rep('\\0', 8), 0
for at = 5, #ARGV do
    local tags = redis.call('GETRANGE', ARGV[1] .. ARGV[at], 21, 44)
    local matches = #tags == 24
    for part = 0, 2 do
        local wanted = ARGV[2 + part]
        if wanted ~= none and string.sub(tags, 8 * part + 1, 8 * part + 8) ~= wanted then matches = false end
    end
    if matches then gone = gone + redis.call('DEL', ARGV[1] .. ARGV[at]) end
    if matches or #tags == 0 then redis.call('ZREM', KEYS[1], ARGV[at]) end
end
return gone
"""
_SIZE = """
local size = 0
for at = 2, #ARGV do size = size + redis.call('STRLEN', ARGV[1] .. ARGV[at]) end
return size
"""
_PAGE = 500


class RedisLevel:
    """Entries as Redis strings under one prefix.

    Args:
        url: as stores take it: `redis://HOST:PORT/N?prefix=NAME:&timeout=0.05`.
        max_entries: how many it holds, over all processes; how many bytes is Redis's own `maxmemory`.

    Raises:
        ConfigError: E4006, for a URL of another form.
        MissingDependencyError: E4401, without the package `redis`.
    """

    name = "redis"
    quick = False

    def __init__(self, url: str, max_entries: int = 10_000) -> None:
        link = self._link = RedisLink(url, binary=True)
        self._max_entries = max_entries
        self._secret, self._order, self._epoch = (link.key("cache", name) for name in ("secret", "order", "epoch"))
        self._prefix = link.key("cache", "entry", "")
        self._get, self._put, self._remove, self._measure = map(link.script, (_GET, _PUT, _INVALIDATE, _SIZE))

    def secret(self) -> bytes:
        """What keys are hashed with; the first process makes it."""
        self._link.ask("SET", self._secret, os.urandom(32), "NX")
        return bytes(self._link.ask("GET", self._secret))

    def get(self, key: str, now: float) -> bytes | None:
        """The entry, or None; one round trip."""
        entry = self._get([self._prefix + key, self._order], [now, key])
        return None if entry is None else bytes(entry)

    def put(self, key: str, entry: bytes, now: float) -> int:
        """Keep an entry; how many others had to go."""
        expires = expires_at(entry)
        milliseconds = "" if math.isinf(expires) else max(int((expires - now) * 1000), 1)
        arguments: list[Any] = [now, key, entry, milliseconds, self._max_entries, self._prefix]
        return int(self._put([self._prefix + key, self._order], arguments))

    def drop(self, key: str) -> None:
        """Remove an entry."""
        self._link.ask("DEL", self._prefix + key)
        self._link.ask("ZREM", self._order, key)

    def invalidate(self, wanted: Tags) -> int:
        """Remove what belongs to all that is wanted, page by page; what is put meanwhile may stay."""
        gone = sum(int(self._remove([self._order], [self._prefix, *wanted, *keys])) for keys in self._pages())
        self._link.ask("INCR", self._epoch)
        return gone

    def epoch(self) -> int:
        """How often something was invalidated, by any process."""
        return int(self._link.ask("GET", self._epoch) or 0)

    def size(self) -> tuple[int, int]:
        """Entries (those that have ended since included) and bytes."""
        size = sum(int(self._measure([self._order], [self._prefix, *keys])) for keys in self._pages())
        return int(self._link.ask("ZCARD", self._order)), size

    def close(self) -> None:
        """Give back the connections."""
        self._link.close()

    def _pages(self) -> Iterator[list[bytes]]:
        cursor = b"0"
        while True:
            cursor, found = self._link.ask("ZSCAN", self._order, cursor, "COUNT", _PAGE)
            members = [pair[0] for pair in found] if found and isinstance(found[0], list | tuple) else found[::2]
            if members:
                yield members
            if int(cursor) == 0:
                return
