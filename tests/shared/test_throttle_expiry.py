"""At the end of a rate limit one call finds out whether it is over; the others go elsewhere, or wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import ModelRegistry, Request, Router
from pointsman.failover.calls import CallLedger, CallSettings
from pointsman.failover.patience import until_probed
from pointsman.failover.steps import Wait
from pointsman.faults import Fault, FaultKind, classify
from pointsman.health.states import Health
from pointsman.testing import FakeClock

LIMITED, SPARE = make_spec("limited", priority=1), make_spec("spare", priority=2)


class Upstream:
    """Two models; `limited` answers the first call 429, and holds later ones until it is told to answer."""

    def __init__(self, *, open_after: int) -> None:
        self.calls: Counter[str] = Counter()
        self.answer = asyncio.Event()
        self.probed = asyncio.Event()
        self.arrived_early = 0
        self._open_after = open_after

    async def __call__(self, attempt: Any) -> str:
        name = str(attempt.spec.name)
        self.calls[name] += 1
        if name == "limited":
            if self.calls[name] == 1:
                raise StatusError(429, retry_after="5")
            self.probed.set()
            self.arrived_early += self.calls[name] > 2 and not self.answer.is_set()
            for _ in range(self._open_after):
                await asyncio.sleep(0)
            if self._open_after:
                self.answer.set()
            await self.answer.wait()
        return name


async def test_50_calls_at_the_end_of_a_rate_limit_send_one_probe_and_follow_when_it_succeeds(clock: FakeClock) -> None:
    router = Router(ModelRegistry([LIMITED, SPARE]), "priority", clock=clock)
    upstream = Upstream(open_after=0)
    assert await router.arun("hi", upstream) == "spare"
    clock.advance(5.001)
    calls = [asyncio.ensure_future(router.arun("hi", upstream, deadline=None)) for _ in range(50)]
    done, pending = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    while len(pending) > 1:
        more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert {task.result() for task in done} == {"spare"}
    assert upstream.calls["limited"] == 2
    upstream.answer.set()
    assert await pending.pop() == "limited"
    assert await router.arun("hi", upstream) == "limited"


class PatientClock(FakeClock):
    """One that 50 waiting calls do not move 50 times."""

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(0 * seconds)


async def test_where_nothing_else_is_left_calls_wait_for_the_probe_and_none_is_lost() -> None:
    clock = PatientClock()
    router = Router(ModelRegistry([LIMITED]), "priority", clock=clock)
    upstream = Upstream(open_after=4)
    router._health.failed(LIMITED, classify(StatusError(429, retry_after="5")))
    upstream.calls["limited"] = 1
    clock.advance(5.001)
    answers = await asyncio.gather(*(router.arun("hi", upstream, deadline=None) for _ in range(50)))
    assert answers == ["limited"] * 50
    assert upstream.arrived_early == 0


@pytest.fixture
def health(clock: FakeClock) -> Health:
    health = Health(clock, Random(1))
    health.failed(LIMITED, classify(StatusError(429, retry_after="5")))
    clock.advance(5.001)
    assert health.admit(LIMITED)
    return health


def test_waiting_ends_with_the_probe(health: Health, clock: FakeClock) -> None:
    waits = until_probed(LIMITED, health, CallLedger(CallSettings(), clock))
    assert next(waits) == Wait(0.02)
    assert next(waits) == Wait(0.04)
    health.succeeded(LIMITED, 0.0)
    assert list(waits) == []


def test_a_limit_that_goes_on_is_waited_for_if_half_of_the_time_is_enough(health: Health, clock: FakeClock) -> None:
    waits = until_probed(LIMITED, health, CallLedger(CallSettings(deadline=12), clock))
    next(waits)
    health.failed(LIMITED, classify(StatusError(429, retry_after="5")))
    step = next(waits)
    assert isinstance(step, Wait)
    assert step.seconds == pytest.approx(5)
    clock.advance(5.001)
    assert list(waits) == [], "now it is this call that finds out"
    assert not health.admit(LIMITED)


def test_a_limit_that_goes_on_too_long_is_not_waited_for(health: Health, clock: FakeClock) -> None:
    waits = until_probed(LIMITED, health, CallLedger(CallSettings(deadline=4), clock))
    next(waits)
    health.failed(LIMITED, classify(StatusError(429, retry_after="5")))
    assert list(waits) == []


def test_a_probe_that_never_reports_is_waited_for_no_longer_than_half_of_the_deadline(
    health: Health, clock: FakeClock
) -> None:
    waited = 0.0
    for step in until_probed(LIMITED, health, CallLedger(CallSettings(deadline=4), clock)):
        assert isinstance(step, Wait)
        waited += step.seconds
    assert 1 < waited <= 2


def test_an_answer_to_a_call_that_began_before_the_end_proves_nothing(health: Health, clock: FakeClock) -> None:
    health.succeeded(LIMITED, 3.0)
    assert not health.admit(LIMITED), "the probe is still out"
    health.succeeded(LIMITED, 0.0)
    assert health.admit(LIMITED)


@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.BAD_REQUEST, FaultKind.TIMEOUT])
def test_a_probe_that_fails_otherwise_leaves_the_question_to_the_next_call(health: Health, kind: FaultKind) -> None:
    health.failed(LIMITED, Fault(kind))
    assert health.admit(LIMITED)
    assert not health.admit(LIMITED)


async def test_a_cancelled_probe_is_taken_by_the_next_call(clock: FakeClock) -> None:
    router = Router(ModelRegistry([LIMITED, SPARE]), "priority", clock=clock)
    upstream = Upstream(open_after=0)
    await router.arun("hi", upstream)
    clock.advance(5.001)
    probe = asyncio.ensure_future(router.arun(Request(messages="hi"), upstream, deadline=None))
    await upstream.probed.wait()
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    upstream.answer.set()
    assert await router.arun("hi", upstream) == "limited"
