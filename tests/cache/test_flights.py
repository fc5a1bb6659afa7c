"""Asked once: those who ask the same at the same time wait for one call, whoever fails, is cancelled or forks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cache.own_models import AsyncGate, Counting, Gate, Joins
from samples import StatusError

from pointsman import AllModelsFailedError, Request, Router
from pointsman.errors import DeadlineExceededError
from pointsman.failover.steps import Attempt


def test_a_hundred_threads_that_ask_the_same_make_one_call(make: Callable[..., Router]) -> None:
    gate = Gate()
    router = make(gate)
    joins = Joins(router, 99)
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(router.ask("hi"))) for _ in range(100)]
    for thread in threads:
        thread.start()
    joins.wait()
    gate.open.set()
    for thread in threads:
        thread.join(30)
    assert answers == ["answer to hi"] * 100
    assert gate.calls == 1


async def test_a_hundred_tasks_that_ask_the_same_make_one_call(make: Callable[..., Router]) -> None:
    gate = AsyncGate()
    router = make(gate)
    joins = Joins(router, 99)
    tasks = [asyncio.create_task(router.aask("hi")) for _ in range(100)]
    await joins.await_()
    gate.open.set()
    assert await asyncio.gather(*tasks) == ["answer to hi"] * 100
    assert gate.calls == 1


async def test_threads_and_tasks_wait_for_each_other(make: Callable[..., Router]) -> None:
    gate = Gate()
    router = make(gate)
    joins = Joins(router, 5)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(router.ask("hi")))
    thread.start()
    assert gate.began.wait(30)
    tasks = [asyncio.create_task(router.aask("hi")) for _ in range(5)]
    await joins.await_()
    gate.open.set()
    assert await asyncio.gather(*tasks) == ["answer to hi"] * 5
    thread.join(30)
    assert gate.calls == 1


async def test_a_leader_that_is_cancelled_hands_over_to_one_of_those_who_wait(make: Callable[..., Router]) -> None:
    gate = AsyncGate()
    router = make(gate)
    joins = Joins(router, 5)
    leader = asyncio.create_task(router.aask("hi"))
    await gate.began.wait()
    others = [asyncio.create_task(router.aask("hi")) for _ in range(5)]
    await joins.await_()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    gate.open.set()
    assert await asyncio.gather(*others) == ["answer to hi"] * 5
    assert gate.calls == 2


async def test_one_who_waits_and_is_cancelled_disturbs_nobody(make: Callable[..., Router]) -> None:
    gate = AsyncGate()
    router = make(gate)
    joins = Joins(router, 2)
    tasks = [asyncio.create_task(router.aask("hi")) for _ in range(3)]
    await joins.await_()
    tasks[1].cancel()
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [str, asyncio.CancelledError, str]
    assert gate.calls == 1


def test_a_failure_of_the_models_is_everybodys(make: Callable[..., Router]) -> None:
    gate = Gate()
    gate.error = StatusError(500)
    router = make(gate)
    joins = Joins(router, 19)
    failures: list[Exception] = []

    def ask() -> None:
        try:
            router.ask("hi", retries=0, deadline=None)
        except AllModelsFailedError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    joins.wait()
    gate.open.set()
    for thread in threads:
        thread.join(30)
    assert len(failures) == 20
    assert gate.calls <= 2, "a sick model is not asked twenty times"


async def test_limits_of_the_leaders_own_are_not_everybodys(make: Callable[..., Router]) -> None:
    gate = AsyncGate()
    router = make(gate)
    hasty = asyncio.create_task(router.aask("hi", timeout=0.05, deadline=0.05))
    await gate.began.wait()
    patient = asyncio.create_task(router.aask("hi", deadline=30))
    with pytest.raises(AllModelsFailedError):
        await hasty
    gate.open.set()
    assert await patient == "answer to hi"


async def test_waiting_for_another_counts_against_ones_own_deadline(make: Callable[..., Router]) -> None:
    gate = AsyncGate()
    router = make(gate)
    leader = asyncio.create_task(router.aask("hi", deadline=None, timeout=None))
    await gate.began.wait()
    with pytest.raises(DeadlineExceededError):
        await router.aask("hi", deadline=0.01)
    gate.open.set()
    assert await leader == "answer to hi"


def test_code_that_asks_the_same_of_its_own_router_does_not_wait_for_itself(make: Callable[..., Router]) -> None:
    class Asks:
        depth = 0

        def generate(self, prompt: str) -> str:
            self.depth += 1
            return "the end" if self.depth > 2 else router.ask(prompt)

    router = make(Asks())
    assert router.ask("hi") == "the end"


async def test_sync_code_in_a_task_does_not_wait_for_a_task_of_its_own_thread(make: Callable[..., Router]) -> None:
    gate = AsyncGate()
    router = make(gate)
    leader = asyncio.create_task(router.aask(Request(messages="hi", cache=True)))
    await gate.began.wait()
    sync = make(Counting(), cache=router.cache)
    assert sync.ask("hi") == "1: hi"
    gate.open.set()
    assert await leader == "answer to hi"


async def test_answers_that_cannot_be_shared_are_made_by_each(make: Callable[..., Router]) -> None:
    router = make(Counting())
    joins = Joins(router, 4)
    calls = 0
    gate = asyncio.Event()

    async def call(_: Attempt) -> Any:
        nonlocal calls
        calls += 1
        await gate.wait()
        return object()

    request = Request(messages="hi", cache=True)
    tasks = [asyncio.create_task(router.arun(request, call)) for _ in range(5)]
    await joins.await_()
    gate.set()
    assert len(set(await asyncio.gather(*tasks))) == 5
    assert calls == 5


FORKING = """
import os, sys, threading
from pointsman import ModelRegistry, ModelSpec, Router

parent, began, go_on = os.getpid(), threading.Event(), threading.Event()

def code(prompt):
    if os.getpid() == parent:
        began.set()
        go_on.wait(30)
    return "answer"

registry = ModelRegistry()
registry.register_model(ModelSpec(name="own", provider="custom"), implementation=code)
router = Router(registry, "weighted", cache=["memory", f"sqlite:///{sys.argv[1]}/cache.db"])
leader = threading.Thread(target=router.ask, args=("hi",))
leader.start()
began.wait(30)
child = os.fork()
if child == 0:
    os._exit(0 if router.ask("hi", deadline=20) == "answer" else 1)
status = os.waitpid(child, 0)[1]
go_on.set()
leader.join(30)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_does_not_wait_for_what_its_parent_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path)], timeout=60, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
