"""A store in Redis: shared by all processes that reach it. Each batch is one Lua script, so it is whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pointsman.stores.base import Json, Write, load
from pointsman.stores.memory import dump
from pointsman.stores.redis_link import RedisLink

# A space is a hash of values, a sorted set of its keys in the order in which they came, and, for what changes, one in
# the order of the last change, whose marks are microseconds so that they grow even when the server was flushed. KEYS are
# these three of each space; ARGV are (space number, key, value) for every write.
_PUT = """
local only_new = ARGV[1] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for at = 2, #ARGV, 3 do
    local space = 3 * tonumber(ARGV[at]) + 1
    local key, value = ARGV[at + 1], ARGV[at + 2]
    if redis.call('HSETNX', KEYS[space], key, value) == 1 then
        local last = redis.call('ZRANGE', KEYS[space + 1], -1, -1, 'WITHSCORES')
        redis.call('ZADD', KEYS[space + 1], (tonumber(last[2]) or 0) + 1, key)
    elseif only_new then
        return 0
    else
        redis.call('HSET', KEYS[space], key, value)
    end
    if KEYS[space + 2] ~= '' then
        local last = redis.call('ZRANGE', KEYS[space + 2], -1, -1, 'WITHSCORES')
        redis.call('ZADD', KEYS[space + 2], math.max((tonumber(last[2]) or 0) + 1, now), key)
    end
end
return 1
"""
_DELETE = """
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""
_TRIM = """
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[1])
local gone = 0
while surplus > 0 do
    local some = redis.call('ZRANGE', KEYS[2], 0, math.min(surplus, 500) - 1)
    if #some == 0 then break end
    redis.call('HDEL', KEYS[1], unpack(some))
    redis.call('ZREM', KEYS[2], unpack(some))
    redis.call('ZREM', KEYS[3], unpack(some))
    gone, surplus = gone + #some, surplus - #some
end
return gone
"""
# Entries after a mark, oldest first: flat (score, key, value) of at most ARGV[2].
_PAGE = """
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local page = {}
for at = 1, #found, 2 do
    page[#page + 1] = found[at + 1]
    page[#page + 1] = found[at]
    page[#page + 1] = redis.call('HGET', KEYS[1], found[at])
end
return page
"""
_ENTRIES_PER_PAGE = 200
# Rows of these spaces are written once; nobody asks which have changed.
_WRITTEN_ONCE = "ledger."


class RedisStore:
    """Entries on one Redis server; what it answers is as durable as that server is set up to be.

    Args:
        given: a URL, see `RedisLink`, or a link that others share.
    """

    shared = True
    remote = True

    def __init__(self, given: str | RedisLink) -> None:
        self.link = RedisLink(given) if isinstance(given, str) else given
        self._put = self.link.script(_PUT)
        self._delete = self.link.script(_DELETE)
        self._trim = self.link.script(_TRIM)
        self._page = self.link.script(_PAGE)

    def __repr__(self) -> str:
        return f"RedisStore({self.link.address!r})"

    def get(self, space: str, key: str) -> Json | None:
        """The value, or None."""
        text = self.link.ask("HGET", self._keys(space)[0], key)
        return None if text is None else load(text, self.link.address)

    def put(self, space: str, key: str, value: Json) -> None:
        """Write a value."""
        self.put_all([Write(space, key, value)])

    def put_all(self, writes: Sequence[Write]) -> None:
        """Write all of them or none."""
        self.put_texts([(write.space, write.key, dump(write.value)) for write in writes])

    def put_texts(self, writes: Sequence[tuple[str, str, str]]) -> None:
        """Write all of (space, key, JSON) or none."""
        spaces = {space: at for at, space in enumerate(dict.fromkeys(space for space, _, _ in writes))}
        arguments: list[object] = [0]
        for space, key, text in writes:
            arguments += [spaces[space], key, text]
        if writes:
            self._put([key for space in spaces for key in self._keys(space)], arguments)

    def add(self, space: str, key: str, value: Json) -> bool:
        """Write the value unless the key exists; False if it did."""
        return bool(self._put(self._keys(space), [1, 0, key, dump(value)]))

    def delete(self, space: str, key: str) -> bool:
        """Remove a value; False if there was none."""
        return bool(self._delete(self._keys(space), [key]))

    def items(self, space: str) -> Iterator[tuple[str, Json]]:
        """All values of a space, oldest key first, read in pages."""
        return ((key, value) for _, key, value in self._pages(self._keys(space), 0))

    def changed(self, space: str, after: float) -> Iterator[tuple[float, str, Json]]:
        """What was written after a mark, as (mark, key, value), oldest change first."""
        values, _, changes = self._keys(space)
        return self._pages([values, changes, ""], after)

    def count(self, space: str) -> int:
        """How many values a space holds."""
        return int(self.link.ask("HLEN", self._keys(space)[0]))

    def trim(self, space: str, keep: int) -> int:
        """Remove the oldest values beyond `keep`; how many went."""
        return int(self._trim(self._keys(space), [keep]))

    def clear(self, space: str) -> None:
        """Remove every value of a space."""
        self.link.ask("UNLINK", *filter(None, self._keys(space)))

    def close(self) -> None:
        """Give the connections back."""
        self.link.close()

    def _keys(self, space: str) -> list[str]:
        changes = "" if space.startswith(_WRITTEN_ONCE) else self.link.key("changes", space)
        return [self.link.key("values", space), self.link.key("order", space), changes]

    def _pages(self, keys: Sequence[str], after: float) -> Iterator[tuple[float, str, Json]]:
        while True:
            page = self._page(keys, [repr(after), _ENTRIES_PER_PAGE])
            for at in range(0, len(page), 3):
                after = float(page[at])
                if page[at + 2] is not None:
                    yield after, page[at + 1], load(page[at + 2], self.link.address)
            if len(page) < 3 * _ENTRIES_PER_PAGE:
                return
