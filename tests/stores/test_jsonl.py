"""The store in JSON lines: what is torn is dropped and counted, one process writes, and the file does not grow for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman import Router, StoreError
from pointsman.registry.models import ModelRegistry
from pointsman.stores import Write, open_store
from pointsman.stores.jsonl import JSONLStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_file_is_made_with_the_first_write_for_its_owner_alone(path: Path) -> None:
    store = JSONLStore(path)
    assert not path.exists()
    store.put("s", "k", {"a": 1})
    assert lines_of(path) == [{"pointsman": "store", "format": 1}, {"space": "s", "key": "k", "value": {"a": 1}}]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_torn_last_line_is_dropped_and_counted_and_writing_goes_on(path: Path, cut: int) -> None:
    store = JSONLStore(path)
    store.put("s", "whole", 1)
    store.put("s", "torn", 2)
    store.close()
    os.truncate(path, path.stat().st_size - cut)
    again = JSONLStore(path)
    assert (again.torn, dict(again.items("s"))) == (1, {"whole": 1})
    again.put("s", "new", 3)
    again.close()
    third = JSONLStore(path)
    assert (third.torn, dict(third.items("s"))) == (0, {"whole": 1, "new": 3})


def test_of_a_batch_that_was_cut_short_nothing_is_read(path: Path) -> None:
    store = JSONLStore(path)
    store.put("s", "before", 0)
    store.put_all([Write("s", f"k{number}", number) for number in range(5)])
    store.close()
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(text[:-2]))
    again = JSONLStore(path)
    assert (again.torn, dict(again.items("s"))) == (1, {"before": 0})
    again.put("s", "after", 1)
    again.close()
    assert dict(JSONLStore(path).items("s")) == {"before": 0, "after": 1}


@pytest.mark.parametrize("header", ["{", '{"pointsman":"store","format":1}'])
def test_a_torn_header_is_an_empty_store(path: Path, header: str) -> None:
    path.write_text(header)
    store = JSONLStore(path)
    assert store.count("s") == 0
    store.put("s", "k", 1)
    store.close()
    assert JSONLStore(path).get("s", "k") == 1


def test_a_line_in_the_middle_that_cannot_be_read_is_counted_and_costs_only_itself(path: Path) -> None:
    store = JSONLStore(path)
    for number in range(3):
        store.put("s", f"k{number}", number)
    store.close()
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*text[:2], "\x00garbage\n", '{"space": 1}\n', *text[2:]]))
    again = JSONLStore(path)
    assert (again.torn, dict(again.items("s"))) == (2, {"k0": 0, "k1": 1, "k2": 2})


@pytest.mark.parametrize("text", ["no store at all", '{"prompt_id": 1}\n', '{"pointsman":"store","format":2}\n'])
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(StoreError, match="no store"):
        JSONLStore(path)
    assert path.read_text() == text


def test_a_folder_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        JSONLStore(tmp_path / "nowhere" / "x.jsonl").put("s", "k", 1)


def test_only_one_process_writes(path: Path) -> None:
    store = JSONLStore(path)
    store.put("s", "k", 1)
    second = JSONLStore(path)
    assert second.get("s", "k") == 1
    with pytest.raises(StoreError, match="another process"):
        second.put("s", "other", 2)
    store.put("s", "more", 2)
    store.close()
    second.put("s", "other", 3)
    assert dict(second.items("s")) == {"k": 1, "more": 2, "other": 3}


def test_a_fork_reads_and_does_not_write_and_its_parent_goes_on(path: Path) -> None:
    code = (
        "import os, sys; from pointsman.stores import open_store; from pointsman import StoreError\n"
        "store = open_store(sys.argv[1]); store.put('s', 'k', 1)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        store.put('s', 'child', 2)\n"
        "    except StoreError:\n"
        "        os._exit(store.get('s', 'k'))\n"
        "    os._exit(9)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "store.put('s', 'parent', 3); print(dict(store.items('s')))\n"
    )
    command = [sys.executable, "-c", code, f"jsonl:///{path}"]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["1", "{'k': 1, 'parent': 3}"]


def test_what_is_not_true_any_more_is_not_kept_for_ever(path: Path) -> None:
    store = JSONLStore(path)
    for round_ in range(13):
        store.put_all([Write("s", f"k{number}", [round_, number]) for number in range(1_000)])
    assert path.stat().st_size < 4_000 * 60
    assert dict(store.items("s")) == {f"k{number}": [12, number] for number in range(1_000)}
    store.put("s", "after", 1)
    store.close()
    again = JSONLStore(path)
    assert (again.torn, again.count("s"), again.get("s", "after")) == (0, 1_001, 1)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


def test_what_was_written_survives_a_kill(path: Path) -> None:
    code = (
        "import os, sys; from pointsman.stores import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "for number in range(100): store.put('s', str(number), number)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, f"jsonl:///{path}"], check=False, timeout=60)
    assert done.returncode == -9
    assert JSONLStore(path).count("s") == 100


def test_a_router_keeps_its_ledger_in_lines(path: Path, registry: ModelRegistry) -> None:
    router = Router(registry, "cheapest", f"jsonl:///{path}", seed=1)
    decision = router.decide("my secret diary")
    router.run("my secret diary", lambda _: "an answer")
    router.feedback(decision.id, 1.0)
    router.close()
    store = open_store(f"jsonl:///{path}")
    assert (store.count("ledger.decisions"), store.count("ledger.attempts"), store.count("ledger.feedback")) == (
        2,
        1,
        1,
    )
    assert "secret" not in path.read_text()
    with pytest.raises(StoreError, match="no JSON"):
        store.put("s", "k", float("nan"))
