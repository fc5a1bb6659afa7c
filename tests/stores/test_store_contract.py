"""One contract for all stores: what memory does, a file and a server do too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman import StoreError
from pointsman.errors import ConfigError
from pointsman.stores import Store, Write, open_store


@pytest.fixture(params=["memory://", "sqlite:///{folder}/store.db", "jsonl:///{folder}/store.jsonl", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return str(request.param).format(folder=tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()
    opened.close()


def test_what_is_put_is_read(store: Store) -> None:
    value = {"a": [1, 2.5, None, "é"], "b": {"c": True}}
    store.put("s", "k", value)
    assert store.get("s", "k") == value
    assert store.get("s", "other") is None
    assert store.get("other", "k") is None
    store.put("s", "k", 2)
    assert store.get("s", "k") == 2


def test_what_is_read_is_nobodys_live_object(store: Store) -> None:
    value = {"n": [1]}
    store.put("s", "k", value)
    value["n"].append(2)
    read = store.get("s", "k")
    assert read is not None
    read["n"].append(3)
    assert store.get("s", "k") == {"n": [1]}


def test_add_writes_once(store: Store) -> None:
    assert store.add("s", "k", 1)
    assert not store.add("s", "k", 2)
    assert store.get("s", "k") == 1


def test_items_come_oldest_first_and_trim_removes_the_oldest(store: Store) -> None:
    for number in range(1200):
        store.put("s", f"k{number}", number)
    store.put("s", "k0", "changed")
    assert [key for key, _ in store.items("s")] == [f"k{number}" for number in range(1200)]
    assert store.trim("s", 10) == 1190
    assert [value for _, value in store.items("s")] == list(range(1190, 1200))
    assert store.trim("s", 10) == 0
    assert store.count("s") == 10


def test_delete_and_clear(store: Store) -> None:
    store.put_all([Write("s", "a", 1), Write("s", "b", 2), Write("t", "a", 3)])
    assert store.delete("s", "a")
    assert not store.delete("s", "a")
    store.clear("s")
    assert list(store.items("s")) == []
    assert store.get("t", "a") == 3


def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError, match="no JSON"):
        store.put_all([Write("s", "a", 1), Write("s", "b", float("nan"))])
    assert store.count("s") == 0


def test_threads_do_not_lose_each_others_writes(store: Store) -> None:
    def write(worker: int) -> None:
        for number in range(50):
            store.put("s", f"{worker}/{number}", number)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count("s") == 200


def test_an_unknown_url_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="memory://, sqlite:///FILE"):
        open_store("postgres://x")


def test_a_file_survives_its_process_and_is_shared(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    first, second = open_store(url), open_store(url)
    first.put("s", "k", 1)
    assert second.get("s", "k") == 1
    first.close()
    second.close()
    assert open_store(url).get("s", "k") == 1


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"no database" * 100), lambda path: path.mkdir()])
def test_a_file_that_is_no_store_is_a_typed_error(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    path = tmp_path / "broken.db"
    spoil(path)
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{path}")
    assert caught.value.code == "E4301"
