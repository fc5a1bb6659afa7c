"""A router with a cache: what is answered again, what is asked once, and what nobody learns from it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import AllModelsFailedError, InvalidRequestError, ModelRegistry, Request, Router
from pointsman.cache import CacheSettings, ModelCache
from pointsman.cache.flights import Flights
from pointsman.cache.statistics import Tally
from pointsman.errors import CatalogError, DeadlineExceededError
from pointsman.failover.steps import Attempt


class Gate:
    """A model's code that waits until it is let go, and counts."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0
        self.began = threading.Event()
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> str:
        with self._lock:
            self.calls += 1
        self.began.set()
        assert self.open.wait(30)
        if self.error is not None:
            raise self.error
        return f"answer to {prompt}"


class AsyncGate:
    """The same for tasks."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.began = asyncio.Event()
        self.calls = 0

    async def generate(self, prompt: str) -> str:
        self.calls += 1
        self.began.set()
        await self.open.wait()
        return f"answer to {prompt}"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Router]]:
    """A router over one model that is code, with a cache."""
    made: list[Router] = []

    def router(code: Any, **options: Any) -> Router:
        registry = ModelRegistry()
        registry.register_model(make_spec("own", provider="custom"), implementation=code)
        made.append(Router(registry, "weighted", seed=1, **{"cache": True, **options}))
        return made[-1]

    yield router
    for each in made:
        each.close()


class Counting:
    """Answers at once; each answer is another one."""

    def __init__(self) -> None:
        self.calls = 0

    def generate(self, prompt: str) -> str:
        self.calls += 1
        return f"{self.calls}: {prompt}"

    def stream(self, prompt: str) -> Iterator[str]:
        self.calls += 1
        yield f"{self.calls}: "
        yield prompt


class Joins(Tally):
    """Says when so many wait for one."""

    def __init__(self, router: Router, count: int) -> None:
        super().__init__()
        self._left = count
        self._reached = threading.Event()
        assert router.cache is not None
        router.cache.flights = Flights(self)

    def add(self, name: str, count: int = 1) -> None:
        super().add(name, count)
        if name == "joined":
            self._left -= 1
            if self._left == 0:
                self._reached.set()

    def wait(self) -> None:
        assert self._reached.wait(30)

    async def await_(self) -> None:
        await asyncio.to_thread(self.wait)


# -- hits


async def test_every_way_of_asking_shares_one_answer(make: Callable[..., Router]) -> None:
    code = Counting()
    router = make(code)
    asked = [router.ask("hi"), await router.aask("hi"), "".join(router.ask_stream("hi"))]
    streamed = [text async for text in router.aask_stream("hi")]
    assert [*asked, *streamed] == ["1: hi"] * 4
    assert code.calls == 1
    assert "".join(router.ask_stream("other")) == router.ask("other") == "2: other"
    whole = [router.reply("hi"), await router.areply("hi")]
    assert [each.cached for each in whole] == [False, True]
    assert whole[0].record is not None
    assert whole[1].record is None
    assert {each.model for each in whole} == {"custom:own"}
    assert router.statistics()["cache"]["hits"] == 5


def test_a_hit_teaches_nobody_and_says_nothing_of_health(make: Callable[..., Router]) -> None:
    router = make(Counting())
    router.ask("hi")
    before = router.statistics()["selection_stats"]
    rows = len(list(router.ledger.rows()))
    for _ in range(5):
        router.ask("hi")
    assert router.statistics()["selection_stats"] == before
    assert len(list(router.ledger.rows())) == rows
    router.registry.update_model_status("own", "maintenance")
    router.registry.update_model_status("own", "active")
    assert router.health("own").success_rate == 1.0


def test_requests_that_differ_do_not_meet(make: Callable[..., Router]) -> None:
    code = Counting()
    router = make(code)
    requests = [
        Request(messages="hi"),
        Request(messages="hi", tenant="a"),
        Request(messages="hi", tenant="b"),
        Request(messages="hi", model="own"),
        Request(messages="hi", parameters={"seed": 1}),
    ]
    assert len({router.ask(request) for request in [*requests, *requests]}) == len(requests) == code.calls


def test_randomness_that_was_asked_for_is_not_taken_away(make: Callable[..., Router]) -> None:
    router = make(Counting())
    random = Request(messages="hi", parameters={"temperature": 0.7})
    assert router.ask(random) != router.ask(random)
    assert router.ask(random.replace(cache=True)) == router.ask(random.replace(cache=True))
    assert router.ask(random.replace(cache=False)) != router.ask(random.replace(cache=False))
    assert router.statistics()["cache"]["passed_by"] == 4


def test_a_model_that_has_changed_is_asked_again(make: Callable[..., Router]) -> None:
    router = make(Counting())
    first = router.ask("hi")
    router.registry.register_model(
        make_spec("own", provider="custom", implementation="custom:own", max_output_tokens=5), replace=True
    )
    assert router.ask("hi") != first


def test_without_a_cache_nothing_is_kept(make: Callable[..., Router]) -> None:
    router = make(Counting(), cache=None)
    assert router.ask("hi") != router.ask("hi")
    assert "cache" not in router.statistics()


def test_calls_of_ones_own_are_kept_when_asked_for(make: Callable[..., Router]) -> None:
    router = make(Counting())
    made: list[str] = []

    def call(attempt: Attempt) -> dict[str, str]:
        made.append(attempt.model)
        return {"answer": "42"}

    def another(_: Attempt) -> str:
        return "something else"

    router.run("hi", call)
    router.run("hi", call)
    assert len(made) == 2
    request = Request(messages="hi", cache=True)
    first, second = router.run(request, call), router.run(request, call)
    assert first == second == {"answer": "42"}
    assert first is not second
    assert len(made) == 3
    assert router.run(request, another) == "something else"


def test_answers_of_other_types_are_not_kept_and_counted(make: Callable[..., Router]) -> None:
    router = make(Counting())
    request = Request(messages="hi", cache=True)
    assert router.run(request, lambda _: ("a", "tuple")) == ("a", "tuple")
    assert router.run(request, lambda _: object()) is not None
    assert router.statistics()["cache"]["not_kept"] == 2


def test_broken_streams_and_those_left_early_are_not_kept(make: Callable[..., Router]) -> None:
    class Breaks(Counting):
        def stream(self, prompt: str) -> Iterator[str]:
            yield from super().stream(prompt)
            raise ConnectionError

    router = make(Breaks())
    with pytest.raises(Exception, match="broke"):
        list(router.ask_stream("hi"))
    stream = router.ask_stream("hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert router.statistics()["cache"]["writes"] == 0


# -- once


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


# -- configuration


def test_the_cache_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(
        f"models: [{{name: m, provider: openai}}]\n"
        f"cache: {{levels: [memory, 'sqlite:///{tmp_path}/c.db'], ttl: 60, max_entries: 5}}\n"
    )
    router = Router.from_config(path)
    assert router.cache is not None
    assert router.cache.settings.ttl == 60
    assert repr(router.cache) == "ModelCache(memory -> sqlite)"
    router.close()


@pytest.mark.parametrize("section", ["{levels: [mongodb]}", "{ttl: 0}", "{when: sometimes}", "{size: 3}", "[memory]"])
def test_a_wrong_section_is_located(tmp_path: Path, section: str) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"models: [{{name: m, provider: openai}}]\ncache: {section}\n")
    with pytest.raises(CatalogError) as caught:
        Router.from_config(path)
    assert caught.value.line == 2


def test_what_a_router_takes_for_a_cache(registry: ModelRegistry) -> None:
    cache = ModelCache()
    assert Router(registry, cache=cache).cache is cache
    assert Router(registry, cache=False).cache is None
    assert repr(Router(registry, cache="memory").cache) == "ModelCache(memory)"
    assert "password" not in repr(CacheSettings(levels=("redis://user:password@host",)))
    with pytest.raises(InvalidRequestError):
        Request(messages="hi", cache="yes")  # type: ignore[arg-type]


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
