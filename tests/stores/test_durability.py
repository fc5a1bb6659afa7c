"""What was acknowledged is there after `kill -9`; a disk that is full and a file that is broken stop no call."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from random import Random

import pytest
from samples import LONG, make_spec

from pointsman import ModelRegistry, Router, StoreError
from pointsman.learning.ledger import ATTEMPTS, DECISIONS
from pointsman.stores import open_store
from pointsman.testing import FakeClock

ANSWER = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}

# Says each decision's id once the call has come back, and goes on until it is killed.
WRITER = textwrap.dedent(
    """
    import sys
    from pointsman import ModelRegistry, ModelSpec, Router
    answer = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
    specs = [ModelSpec(name=name, provider="p", capabilities=["generation.text.chat"]) for name in ("a", "b")]
    router = Router(ModelRegistry(specs), "round_robin", sys.argv[1])
    while True:
        decision = router.decide("hello")
        router.execute(decision, lambda attempt: answer)
        print(decision.id, flush=True)
    """
)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["sqlite", "jsonl"])
def test_rows_of_calls_that_came_back_survive_kill_9(scheme: str, tmp_path: Path) -> None:
    rng = Random(5)
    acknowledged: list[str] = []
    url = f"{scheme}:///{tmp_path / 'ledger'}"
    for _ in range((100 if scheme == "sqlite" else 30) if LONG else 4):
        with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged += [writer.stdout.readline().strip() for _ in range(rng.randint(1, 40))]
            writer.send_signal(signal.SIGKILL)
            acknowledged += [
                line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line[-1] == "\n"
            ]
    store = open_store(url)
    lost = [each for each in acknowledged if store.get(DECISIONS, each) is None]
    lost += [each for each in acknowledged if store.get(ATTEMPTS, f"{each}:1") is None]
    store.close()
    assert len(acknowledged) > 4
    assert lost == []


FULL = textwrap.dedent(
    """
    import resource, signal, sys
    from pointsman import ModelRegistry, ModelSpec, Router
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    answer = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
    router = Router(ModelRegistry([ModelSpec(name="a", provider="p")]), "round_robin", sys.argv[1])
    router.run("hello", lambda attempt: answer)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    for _ in range(2_000):
        assert router.run("hello", lambda attempt: answer) is answer
    print(router.statistics()["failed_writes"])
    """
)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the limit that plays a full disk is missing here")
@pytest.mark.parametrize("scheme", ["sqlite", "jsonl"])
def test_a_full_disk_stops_no_call(scheme: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, f"{scheme}:///{tmp_path / 'ledger'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 0


def routed(url: str) -> Router:
    return Router(ModelRegistry([make_spec("a")]), "round_robin", url, clock=FakeClock())


@pytest.mark.parametrize("content", [b"this is no database " * 100, b"SQLite format 3\x00" + bytes(range(256)) * 40])
def test_a_file_that_is_no_database_is_a_typed_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        routed(f"sqlite:///{path}")
    assert str(path.name) in str(caught.value)


def test_a_database_that_breaks_while_serving_stops_no_call(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    router = routed(f"sqlite:///{path}")
    for _ in range(50):
        router.run("hello", lambda _: ANSWER)
    router.store.close()  # what is in memory is still whole; it opens again at the next write
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    for _ in range(50):
        assert router.run("hello", lambda _: ANSWER) is ANSWER
    assert router.statistics()["failed_writes"] > 0


def test_a_database_that_may_only_be_read_stops_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is read-only, so SQLite itself is told."""
    connect = sqlite3.connect

    def read_only(*given: object, **options: object) -> sqlite3.Connection:
        connection = connect(*given, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA query_only = ON")
        return connection  # type: ignore[no-any-return]

    path = tmp_path / "ledger.db"
    routed(f"sqlite:///{path}").close()
    router = routed(f"sqlite:///{path}")
    router.store.close()  # it opens again at the next write
    monkeypatch.setattr(sqlite3, "connect", read_only)
    for _ in range(10):
        assert router.run("hello", lambda _: ANSWER) is ANSWER
    assert router.statistics()["failed_writes"] > 0
