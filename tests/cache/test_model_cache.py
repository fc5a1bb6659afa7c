"""A cache as a whole: keys, levels and what happens when one of them is ill."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis_server import RedisServer
from samples import LONG, make_spec

from pointsman import ModelRegistry, Request
from pointsman.cache import ModelCache
from pointsman.cache.keys import content_of, is_kept, version_of
from pointsman.cache.memory import MemoryLevel
from pointsman.errors import StoreError
from pointsman.testing import FakeClock

KEYS = 200_000 if LONG else 20_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class DownLevel(MemoryLevel):
    """A level that can be taken down."""

    name = "far"
    quick = False

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.asked = 0

    def get(self, key: str, now: float) -> bytes | None:
        self._check()
        return super().get(key, now)

    def put(self, key: str, entry: bytes, now: float) -> int:
        self._check()
        return super().put(key, entry, now)

    def secret(self) -> bytes:
        self._check()
        return super().secret()

    def _check(self) -> None:
        self.asked += 1
        if self.down:
            raise StoreError("the far level is down")


def two_levels(clock: FakeClock) -> tuple[ModelCache, DownLevel]:
    cache = ModelCache(clock=clock)
    far = DownLevel()
    cache._levels.append(far)
    cache._epochs.append(None)
    cache._settle_secret()
    return cache, far


def key_of(cache: ModelCache, *parts: Any) -> str:
    key = cache.key(*parts)
    assert key is not None
    return key


@given(JSON)
def test_what_is_kept_comes_back_as_it_was(value: Any) -> None:
    cache = ModelCache()
    kept = cache.put("k", value)
    assert kept == (value is not None)
    assert cache.get("k") == value
    if isinstance(value, list | dict):
        assert cache.get("k") is not cache.get("k"), "nobody changes what others get"


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"bytes", {"a": object()}])
def test_what_is_no_json_is_not_kept_and_counted(value: Any) -> None:
    cache = ModelCache()
    assert not cache.put("k", value)
    assert cache.get_statistics().not_kept == 1


def test_keys_of_tenants_never_meet() -> None:
    cache = ModelCache()
    keys = {cache.key("text", tenant, {"messages": number}) for tenant in ("a", "b") for number in range(KEYS)}
    assert len(keys) == 2 * KEYS


def test_keys_cannot_be_guessed_without_the_secret() -> None:
    assert key_of(ModelCache(), "tenant", "prompt") != key_of(ModelCache(), "tenant", "prompt")


@given(st.lists(JSON, max_size=3), st.lists(JSON, max_size=3))
def test_keys_are_the_same_exactly_for_the_same_json(one: list[Any], other: list[Any]) -> None:
    import json

    cache = ModelCache()
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (cache.key(*one) == cache.key(*other)) == same


def test_nothing_of_a_prompt_or_a_tenant_can_be_read_in_the_file(tmp_path: Path) -> None:
    cache = ModelCache(f"sqlite:///{tmp_path}/cache.db")
    key = key_of(cache, "text", "secret-tenant", {"messages": "a secret prompt"})
    cache.put(key, {"model": "m", "value": "the answer"}, model="secret-model", tenant="secret-tenant")
    cache.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret" not in content.replace(b"secret BLOB", b"")
    assert b"the answer" in content, "answers are what a cache keeps"


def test_an_entry_ends_at_its_time(clock: FakeClock) -> None:
    cache = ModelCache(ttl=60, clock=clock)
    cache.put("k", "v")
    cache.put("short", "v", ttl=10)
    clock.advance(59)
    assert cache.get("k") == "v"
    assert cache.get("short") is None
    clock.advance(1)
    assert cache.get("k") is None
    assert cache.get_statistics().expired == 2
    assert cache.get_statistics().entries == {"memory": 0}


def test_a_far_level_is_promoted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cache.db"
    first = ModelCache(["memory", url])
    key = key_of(first, "x")
    first.put(key, "v")
    second = ModelCache(["memory", url])
    assert key_of(second, "x") == key, "a restart keeps the secret"
    assert [second.get(key), second.get(key)] == ["v", "v"]
    assert second.get_statistics().levels == {"sqlite": 1, "memory": 1}


async def test_async_look_ups_see_every_level(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cache.db"
    first, second = ModelCache(["memory", url]), ModelCache(["memory", url])
    await first.aput("k", "v")
    assert [await second.aget("k") for _ in range(2)] == ["v", "v"]
    assert second.get_statistics().levels == {"sqlite": 1, "memory": 1}
    assert await second.aget("none") is None
    assert second.get_statistics().misses == 1


def test_large_entries_are_compressed() -> None:
    plain, small = ModelCache(compression=False), ModelCache()
    for cache in (plain, small):
        cache.put("k", "words " * 5_000)
        assert cache.get("k") == "words " * 5_000
    held = [cache.get_statistics().bytes["memory"] or 0 for cache in (plain, small)]
    assert held[1] < held[0] / 20


def test_a_damaged_entry_is_dropped_and_counted_and_the_next_level_asked(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    cache = ModelCache(f"sqlite:///{path}")
    cache.put("good", "v")
    cache.put("bad", "v")
    with sqlite3.connect(path) as connection:
        bad = bytearray(connection.execute("SELECT entry FROM cache_entries WHERE key = 'bad'").fetchone()[0])
        bad[-2] ^= 1
        connection.execute("UPDATE cache_entries SET entry = ? WHERE key = 'bad'", (bytes(bad),))
        connection.execute(
            "INSERT INTO cache_entries SELECT 'copied', entry, 0, 0, model, tenant, version FROM cache_entries "
            "WHERE key = 'good'"
        )
    assert [cache.get(key) for key in ("good", "bad", "copied")] == ["v", None, None]
    statistics = cache.get_statistics()
    assert (statistics.corrupt, statistics.misses) == (2, 2)
    assert statistics.entries == {"sqlite": 1}


def test_a_broken_file_is_counted_and_the_cache_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(b"not a database " * 100)
    cache = ModelCache(["memory", f"sqlite:///{path}"])
    key = key_of(cache, "x")
    cache.put(key, "v")
    assert cache.get(key) == "v"
    assert cache.get_statistics().corrupt == 1
    assert ModelCache(["memory", f"sqlite:///{path}"]).get(key) == "v"


def test_a_level_that_is_down_is_a_miss_said_once_and_left_alone(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    cache, far = two_levels(clock)
    far.down = True
    for number in range(50):
        assert cache.get(f"k{number}") is None
        assert cache.put(f"k{number}", "v")
    asked = far.asked
    assert len(caplog.records) == 1
    assert cache.get_statistics().failures == 1
    assert cache.get("k1") == "v", "the nearer level goes on"
    assert far.asked == asked
    far.down = False
    clock.advance(2)
    cache.put("back", "v")
    assert far.get("back", 0) is not None


def test_redis_going_away_costs_nothing_but_misses(own_redis: RedisServer, tmp_path: Path) -> None:
    cache = ModelCache(own_redis.url)
    key = key_of(cache, "x")
    cache.put(key, "v")
    assert cache.get(key) == "v"
    own_redis.kill()
    assert [cache.get(key) for _ in range(20)] == [None] * 20
    assert cache.put(key, "v")
    assert cache.get_statistics().entries == {"redis": None}
    cache.close()


def test_a_cache_starts_without_its_far_level_and_finds_it_later(own_redis: RedisServer) -> None:
    other = ModelCache(own_redis.url)
    key = key_of(other, "x")
    other.put(key, "v")
    assert other.get(key) == "v"
    own_redis.kill()
    clock = FakeClock()
    cache = ModelCache(["memory", own_redis.url], clock=clock)
    near = key_of(cache, "x")
    cache.put(near, "kept meanwhile")
    assert cache.get(near) == "kept meanwhile"
    for each in (other, cache):
        each.close()


def test_invalidation_reaches_every_level_and_the_other_processes(clock: FakeClock, tmp_path: Path) -> None:
    levels = ["memory", f"sqlite:///{tmp_path}/cache.db"]
    first, second = ModelCache(levels, clock=clock), ModelCache(levels, clock=clock)
    for model in ("a", "b"):
        for tenant in ("x", "y"):
            first.put(model + tenant, "v", model=model, tenant=tenant, version="1")
    keys = ("ax", "ay", "bx", "by")
    assert [second.get(key) for key in keys] == ["v"] * 4
    assert first.invalidate(model="a", tenant="x") == 1
    assert [first.get(key) for key in keys] == [None, "v", "v", "v"]
    clock.advance(1)
    assert [second.get(key) for key in keys] == [None, "v", "v", "v"]
    assert first.invalidate(tenant="y") == 2
    assert first.invalidate(version="1") == 1
    assert first.clear() == 0
    clock.advance(1)
    assert [second.get(key) for key in keys] == [None] * 4


def test_statistics_add_up(clock: FakeClock) -> None:
    cache = ModelCache(max_size=2, clock=clock)
    assert cache.get_statistics().hit_rate == 0
    for key in "abc":
        cache.put(key, "v")
    found = [cache.get(key) for key in "abc"]
    statistics = cache.get_statistics()
    assert found == [None, "v", "v"]
    assert (statistics.hits, statistics.misses, statistics.writes, statistics.evictions) == (2, 1, 3, 1)
    assert statistics.hit_rate == pytest.approx(2 / 3)
    assert statistics.as_dict()["levels"] == {"memory": 2}


# -- which requests, and what of them


def test_a_temperature_above_zero_is_a_wish_for_variety() -> None:
    def kept(when: Any, **fields: Any) -> bool:
        return is_kept(Request(messages="hi", **fields), when)

    assert kept("not_random")
    assert kept("not_random", parameters={"temperature": 0})
    assert not kept("not_random", parameters={"temperature": 0.7})
    assert kept("not_random", parameters={"temperature": 0.7}, cache=True)
    assert not kept("not_random", cache=False)
    assert not kept("asked")
    assert kept("asked", cache=True)
    assert kept("always", parameters={"temperature": 0.7})
    assert not is_kept(Request(input_tokens=5), "always"), "there is nothing to compare"


def test_everything_that_could_change_the_answer_is_in_the_key() -> None:
    plain: dict[str, Any] = {"messages": "hi"}
    changes: list[dict[str, Any]] = [
        {"messages": "hi "},
        {"messages": [{"role": "system", "content": "hi"}]},
        {"model": "m"},
        {"needs": {"tools"}},
        {"parameters": {"seed": 1}},
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_object"}},
        {"exclude": {"gpt-4"}},
        {"max_output_tokens": 5},
        {"max_cost": 0.0},
        {"region": "eu"},
        {"expertise": "coding"},
    ]
    cache = ModelCache()
    keys = {cache.key(content_of(Request(**{**plain, **change}))) for change in [{}, *changes]}
    assert len(keys) == len(changes) + 1
    alike: list[dict[str, Any]] = [{"session": "1"}, {"cache": True}, {"features": [0.1]}]
    assert {cache.key(content_of(Request(**{**plain, **change}))) for change in alike} <= keys


def test_a_version_follows_the_models_that_could_be_meant_and_no_others() -> None:
    registry = ModelRegistry([make_spec("a"), make_spec("b")])
    a, everything = version_of(registry.snapshot, "a"), version_of(registry.snapshot, None)
    registry.register_model(make_spec("b", context_window=5), replace=True)
    assert version_of(registry.snapshot, "a") == a
    assert version_of(registry.snapshot, None) != everything
    registry.register_model(make_spec("a", context_window=5), replace=True)
    assert version_of(registry.snapshot, "a") != a


async def test_many_tasks_and_the_file_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    cache = ModelCache(f"sqlite:///{tmp_path}/cache.db", max_size=50)
    await asyncio.gather(*(cache.aput(str(number), number) for number in range(200)))
    found = await asyncio.gather(*(cache.aget(str(number)) for number in range(200)))
    assert all(value in (None, number) for number, value in enumerate(found))
    assert cache.get_statistics().entries == {"sqlite": 50}


def test_after_a_flush_all_processes_agree_again(clock: FakeClock, own_redis: RedisServer) -> None:
    first, second = (ModelCache(f"{own_redis.url}?timeout=5", clock=clock) for _ in range(2))
    own_redis.ask("FLUSHALL")
    for cache in (first, second):
        clock.advance(1)
        cache.get("anything")
    key = key_of(first, "x")
    first.put(key, "v")
    assert second.get(key_of(second, "x")) == "v"
    for cache in (first, second):
        cache.close()
