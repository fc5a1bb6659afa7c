"""Breakers, throttles and credentials on a fake clock; and laws over any sequence of events."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import StatusError, make_spec

from pointsman import HealthSettings, ModelRegistry
from pointsman.faults import Fault, FaultKind, classify
from pointsman.health.breaker import TRANSITIONS, Breaker, BreakerLimits
from pointsman.health.states import Health
from pointsman.testing import FakeClock

ERROR = Fault(FaultKind.SERVER_ERROR)
A, B = make_spec("a", api_key="env:SHARED"), make_spec("b", api_key="env:SHARED")
C = make_spec("c", api_key="env:OTHER")


@pytest.fixture
def health(clock: FakeClock) -> Health:
    return Health(clock, Random(1))


def behind(health: Health) -> set[str]:
    snapshot = ModelRegistry([A, B, C]).snapshot
    return {spec.name for spec in snapshot.arms(health.behind(snapshot))}


def test_five_failures_in_a_row_put_a_model_behind_and_time_brings_one_probe(health: Health, clock: FakeClock) -> None:
    for _ in range(4):
        health.failed(A, ERROR)
    assert behind(health) == set()
    health.failed(A, ERROR)
    assert behind(health) == {"a"}
    assert health.report(A).state == "unhealthy"
    assert not health.admit(A)
    clock.advance(5.1)
    assert behind(health) == set()
    assert health.report(A).state == "recovering"
    assert health.admit(A), "the first to ask gets the probe"
    assert not health.admit(A), "nobody else does"
    assert behind(health) == {"a"}
    health.succeeded(A, 0.1)
    assert behind(health) == set()
    assert health.admit(A)
    assert health.admit(A)


def test_each_opening_is_longer_and_none_longer_than_five_minutes(clock: FakeClock) -> None:
    breaker, rng = Breaker(BreakerLimits()), Random(1)
    spans = []
    for _ in range(12):
        breaker.trip(clock.monotonic(), rng)
        spans.append(breaker.open_until - clock.monotonic())
        clock.advance(spans[-1] + 0.001)
        assert breaker.admit(clock.monotonic())
    assert 2.5 <= spans[0] <= 5
    assert spans[3] > spans[0]
    assert 150 <= spans[-1] <= 300


def test_half_of_ten_recent_calls_open_it_though_never_five_in_a_row(health: Health) -> None:
    for _ in range(5):
        health.succeeded(A)
        health.failed(A, ERROR)
    assert behind(health) == {"a"}


def test_a_cancelled_probe_is_given_back(health: Health, clock: FakeClock) -> None:
    for _ in range(5):
        health.failed(A, ERROR)
    clock.advance(6)
    assert health.admit(A)
    health.released(A)
    assert health.admit(A)


def test_a_rate_limit_is_no_sickness_and_never_longer_than_two_minutes(health: Health, clock: FakeClock) -> None:
    for _ in range(20):
        health.failed(A, classify(StatusError(429, retry_after="86400")))
    assert behind(health) == {"a"}
    assert health.report(A).available_in <= 120
    clock.advance(120.1)
    assert behind(health) == set()
    assert health.report(A).state == "unknown"


def test_a_later_hint_never_shortens_a_throttle(health: Health) -> None:
    health.failed(A, classify(StatusError(429, retry_after="30")))
    health.failed(A, classify(StatusError(429, retry_after="1")))
    assert health.available_in(A) == pytest.approx(30)


def test_two_refusals_take_out_the_credential_and_all_who_share_it(health: Health, clock: FakeClock) -> None:
    health.failed(A, classify(StatusError(401)))
    assert behind(health) == set(), "one refusal may be a hiccup"
    health.failed(A, classify(StatusError(401)))
    assert behind(health) == {"a", "b"}
    assert any("credential" in issue for issue in health.report(B).issues)
    clock.advance(61)
    assert behind(health) == set()


@pytest.mark.parametrize("kind", [FaultKind.AUTHENTICATION, FaultKind.QUOTA])
def test_a_model_that_is_refused_while_others_are_served_with_its_key_is_out_itself(
    health: Health, clock: FakeClock, kind: FaultKind
) -> None:
    for number in range(6):
        assert health.report(A).breaker == "closed", number
        health.failed(A, Fault(kind))
        health.succeeded(B, 0.1)
        clock.advance(1)
    assert behind(health) == {"a"}
    clock.advance(6)
    assert health.admit(A), "and asked again now and then"
    health.succeeded(A, 0.1)
    assert behind(health) == set()


def test_a_spent_quota_takes_out_the_credential_at_once(health: Health, clock: FakeClock) -> None:
    health.failed(A, classify(StatusError(402)))
    assert behind(health) == {"a", "b"}
    clock.advance(14 * 60)
    assert behind(health) == {"a", "b"}


@pytest.mark.parametrize(
    "kind", [FaultKind.BAD_REQUEST, FaultKind.CONTEXT_OVERFLOW, FaultKind.LOCAL, FaultKind.USELESS_ANSWER]
)
def test_what_is_not_the_models_fault_never_ejects_it(health: Health, kind: FaultKind) -> None:
    for _ in range(100):
        health.failed(A, Fault(kind))
    assert behind(health) == set()


def test_one_failed_check_puts_behind_three_make_unhealthy_two_passes_heal(clock: FakeClock) -> None:
    health = Health(clock, Random(1), HealthSettings(failure_threshold=3, recovery_threshold=2))
    health.checked(A, ConnectionError())
    assert behind(health) == {"a"}
    assert health.report(A).state == "degraded"
    health.checked(A, ConnectionError())
    health.checked(A, ConnectionError())
    assert health.report(A).state == "unhealthy"
    assert not health.report(A).healthy
    health.checked(A, None, 0.1)
    assert health.report(A).state == "recovering"
    health.checked(A, None, 0.1)
    assert health.report(A).state == "healthy"
    assert behind(health) == set()


def test_changes_are_told(health: Health) -> None:
    told: list[tuple[str, str, str]] = []

    def tell(model: str, old: str, new: str) -> None:
        told.append((model, old, new))

    stop = health.subscribe(tell)
    for _ in range(5):
        health.failed(A, ERROR)
    stop()
    health.succeeded(A)
    assert told[0][0] == "openai:a"
    assert told[-1][2] == "unhealthy"


def test_the_table_of_transitions_is_closed() -> None:
    states = {"closed", "open", "half_open"}
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == states


EVENTS = st.lists(
    st.sampled_from(["ok", "error", "throttle", "refused", "wait", "long", "admit", "release", "check", "check ok"]),
    max_size=60,
)


@given(EVENTS)
@settings(max_examples=150, deadline=None)
def test_after_any_history_waiting_brings_everybody_back(events: list[str]) -> None:
    clock = FakeClock()
    health = Health(clock, Random(1))
    actions: dict[str, Callable[[], object]] = {
        "ok": lambda: health.succeeded(A, 0.1),
        "error": lambda: health.failed(A, ERROR),
        "throttle": lambda: health.failed(A, classify(StatusError(429, retry_after="9"))),
        "refused": lambda: health.failed(A, classify(StatusError(401))),
        "wait": lambda: clock.advance(3),
        "long": lambda: clock.advance(100),
        "admit": lambda: health.admit(A),
        "release": lambda: health.released(A),
        "check": lambda: health.checked(A, OSError()),
        "check ok": lambda: health.checked(A, None, 0.1),
    }
    for event in events:
        actions[event]()
        assert 0 <= max(health.available_in(A), 0) <= 900
        assert health.report(A).state in ("healthy", "degraded", "unhealthy", "recovering", "unknown")
    clock.advance(901)
    assert behind(health) == set()
    assert health.admit(A)
