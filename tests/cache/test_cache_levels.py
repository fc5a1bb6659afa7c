"""One contract for all levels of the cache: what memory does, a file and a server do too."""

from __future__ import annotations

import math
import sqlite3
import threading
from pathlib import Path

import pytest

from pointsman.cache import entries
from pointsman.cache.entries import CorruptEntryError, Tags, pack, unpack
from pointsman.cache.level import BrokenLevelError, Level
from pointsman.cache.settings import CacheSettings
from pointsman.cache.urls import open_levels
from pointsman.errors import ConfigError, StoreError

SECRET = b"s" * 32
ACME, OTHER = Tags(tenant=b"tenant-a"), Tags(tenant=b"tenant-b")


def entry(value: str, key: str = "k", tags: Tags = ACME) -> bytes:
    return pack(SECRET, key, value, tags, created=0.0, expires=math.inf, above=None)


@pytest.fixture(params=["memory", "sqlite:///{folder}/cache.db", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return str(request.param).format(folder=tmp_path)


def open_level(url: str, **limits: int) -> Level:
    return open_levels(CacheSettings(levels=(url,), **limits))[0]  # type: ignore[arg-type]


def test_what_was_put_is_there_until_it_is_dropped(url: str) -> None:
    level = open_level(url)
    assert level.get("k", 0) is None
    level.put("k", entry("one"), 0)
    level.put("k", entry("two"), 1)
    assert level.get("k", 2) == entry("two")
    assert level.size() == (1, len(entry("two")))
    level.drop("k")
    level.drop("k")
    assert level.get("k", 3) is None
    assert level.size() == (0, 0)
    level.close()
    level.close()


def test_the_least_recently_used_goes_first(url: str) -> None:
    level = open_level(url, max_entries=2)
    level.put("a", entry("a"), 0)
    level.put("b", entry("b"), 100)
    assert level.get("a", 200) is not None
    assert level.put("c", entry("c"), 300) == 1
    assert [key for key in "abc" if level.get(key, 400)] == ["a", "c"]
    assert level.size()[0] == 2


def test_only_what_belongs_to_all_that_is_named_is_invalidated(url: str) -> None:
    level = open_level(url)
    before = level.epoch()
    for number in range(20):
        tags = Tags(b"model--%d" % (number % 2), b"tenant-a" if number < 10 else b"tenant-b")
        level.put(str(number), entry("v", str(number), tags), number)
    assert level.invalidate(Tags(model=b"model--0", tenant=b"tenant-a")) == 5
    assert level.invalidate(OTHER) == 10
    assert sorted(key for key in map(str, range(20)) if level.get(key, 50)) == ["1", "3", "5", "7", "9"]
    assert level.invalidate(Tags()) == 5
    assert level.size() == (0, 0)
    assert level.epoch() == before + 3


def test_the_secret_is_made_once(url: str) -> None:
    level = open_level(url)
    assert level.secret() == level.secret()
    assert len(level.secret()) == 32
    if url != "memory":
        level.close()
        other = open_level(url)
        assert other.secret() == level.secret(), "all processes share it"


def test_threads_lose_nothing(url: str) -> None:
    level = open_level(url)

    def write(start: int) -> None:
        for number in range(start, start + 25):
            level.put(str(number), entry("v", str(number)), number)

    threads = [threading.Thread(target=write, args=(25 * each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert level.size()[0] == 100


@pytest.mark.parametrize("local", ["memory", "sqlite:///{folder}/cache.db"])
def test_bytes_are_bounded(local: str, tmp_path: Path) -> None:
    level = open_level(local.format(folder=tmp_path), max_bytes=2_000)
    for number in range(50):
        level.put(str(number), entry("x" * 100, str(number)), number)
    entries, size = level.size()
    assert 2 <= entries < 15
    assert size <= 2_000
    assert level.get("49", 60) is not None, "the newest stays"
    assert level.put("huge", entry("x" * 3_000, "huge"), 61) == 0
    assert level.get("huge", 62) is None, "what is larger than everything is not kept at the cost of everything"


def test_processes_on_one_file_share_bounds_and_invalidations(tmp_path: Path) -> None:
    first, second = (open_level(f"sqlite:///{tmp_path}/cache.db", max_entries=3) for _ in range(2))
    for number in range(3):
        first.put(str(number), entry("v", str(number)), number)
    assert second.put("3", entry("v", "3"), 3) == 1
    assert first.size() == second.size() == (3, first.size()[1])
    second.invalidate(Tags())
    assert first.epoch() == 1
    assert first.size() == (0, 0)


@pytest.mark.parametrize("damage", [b"this is no database, but it is long enough to look like one" * 20, b"short"])
def test_a_file_that_is_no_database_any_more_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(damage)
    level = open_level(f"sqlite:///{path}")
    with pytest.raises(BrokenLevelError):
        level.get("k", 0)
    level.put("k", entry("v"), 0)
    assert level.get("k", 1) == entry("v")
    assert (tmp_path / "cache.db.broken").read_bytes() == damage, "it may have been something else's: nothing is lost"


def test_a_page_damaged_under_a_running_level_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    level = open_level(f"sqlite:///{path}")
    for number in range(200):
        level.put(str(number), entry("x" * 500, str(number)), number)
    level.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    broken = 0
    for number in range(200):
        try:
            found = level.get(str(number), 1)
        except BrokenLevelError:
            broken += 1
            found = None
        assert found in (None, entry("x" * 500, str(number))), "damaged bytes are never passed off as an entry"
    assert broken == 1
    level.put("k", entry("v"), 0)
    assert level.get("k", 1) == entry("v")


def test_a_folder_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    level = open_level(f"sqlite:///{tmp_path}/nowhere/cache.db")
    with pytest.raises(StoreError, match="writable"):
        level.get("k", 0)


def test_redis_ends_entries_by_itself(redis_url: str) -> None:
    level = open_level(redis_url)
    level.put("k", pack(SECRET, "k", "v", ACME, created=0, expires=100.0, above=None), 99.0)
    ttl = level._link.ask("PTTL", level._prefix + "k")  # type: ignore[attr-defined]
    assert 0 < ttl <= 1000


def test_an_unknown_level_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no level of the cache"):
        open_level("mongodb://somewhere")


@pytest.mark.parametrize("above", [None, 0])
def test_an_entry_is_the_same_after_packing(above: int | None) -> None:
    value = {"text": "ä" * 5_000, "list": [1, 2.5, None, True]}
    packed = pack(SECRET, "k", value, ACME, created=0, expires=5.0, above=above)
    assert unpack(SECRET, "k", packed) == (value, 5.0)
    assert (len(packed) < 1_000) == (above == 0)


def test_no_damaged_forged_or_copied_entry_is_read() -> None:
    packed = entry("value" * 10)
    for at in range(len(packed)):
        damaged = bytearray(packed)
        damaged[at] ^= 1
        with pytest.raises(CorruptEntryError):
            unpack(SECRET, "k", bytes(damaged))
    for wrong in (packed[:-1], packed + b"x", packed[:30], b""):
        with pytest.raises(CorruptEntryError):
            unpack(SECRET, "k", wrong)
    with pytest.raises(CorruptEntryError):
        unpack(SECRET, "another key", packed)
    with pytest.raises(CorruptEntryError):
        unpack(b"t" * 32, "k", packed)


def test_entries_are_read_whatever_compressed_them_as_long_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def packed() -> bytes:
        return pack(SECRET, "k", "words " * 1_000, ACME, created=0, expires=math.inf, above=100)

    by_zstandard = packed()
    monkeypatch.setattr(entries, "_has_zstandard", lambda: False)
    by_zlib = packed()
    assert unpack(SECRET, "k", by_zlib).value == "words " * 1_000
    assert max(len(by_zlib), len(by_zstandard)) < 300
    with pytest.raises(CorruptEntryError, match="cannot be read"):
        unpack(SECRET, "k", by_zstandard)
    monkeypatch.undo()
    assert unpack(SECRET, "k", by_zlib) == unpack(SECRET, "k", by_zstandard)
