"""Calls whose attempts LiteLLM makes: what it may ask and tell, in which order, and what is learnt of it."""

from __future__ import annotations

import pytest

from pointsman import AllModelsFailedError, ModelRegistry, ModelSpec, Outcome, Request, Router
from pointsman.failover.steps import Attempt
from pointsman.litellm.hosted import HostedCall, HostedCalls
from pointsman.litellm.outcomes import Attempts, OpenCall
from pointsman.testing import FakeClock

KEYS = ("openai:a", "openai:b", "openai:c")


class ServerError(Exception):
    status_code = 500


@pytest.fixture
def router() -> Router:
    models = [
        ModelSpec(name=key[-1], provider="openai", cost_per_1m_input_tokens=at, cost_per_1m_output_tokens=at)
        for at, key in enumerate(KEYS)
    ]
    return Router(ModelRegistry(models), policy="cheapest", clock=FakeClock())


def hosted(router: Router) -> HostedCall:
    decision = router.decide(Request(messages="hi"))
    return HostedCall(decision, router.steps(decision, retries=0), router.clock)


def asked(call: HostedCall) -> str:
    step = call.next()
    assert isinstance(step, Attempt)
    return step.model


def wear_out(call: HostedCall) -> None:
    while True:
        call.failed(asked(call), ServerError())


def attempts(router: Router) -> list[tuple[str, str | None]]:
    return [(row["model"], row["fault"]) for _, row in router.ledger.rows("ledger.attempts")]


def test_each_question_is_answered_with_the_next_model_of_the_plan(router: Router) -> None:
    call = hosted(router)
    tried = []
    for _ in KEYS:
        tried.append(asked(call))
        call.failed(tried[-1], ServerError())
    assert tuple(tried) == KEYS
    with pytest.raises(AllModelsFailedError):
        call.next()
    assert call.is_over
    assert attempts(router) == [(key, "server_error") for key in KEYS]


def test_an_attempt_nobody_reported_on_has_failed_when_the_next_is_asked_for(router: Router) -> None:
    call = hosted(router)
    asked(call)
    assert asked(call) == KEYS[1]
    assert attempts(router) == [(KEYS[0], "unreachable")]


def test_news_of_another_attempt_than_the_one_under_way_is_old(router: Router) -> None:
    call = hosted(router)
    asked(call)
    asked(call)
    call.failed(KEYS[0], ServerError())
    assert not call.delivered(KEYS[0], Outcome())
    assert call.delivered(KEYS[1], Outcome(input_tokens=1, output_tokens=1))
    assert attempts(router) == [(KEYS[0], "unreachable"), (KEYS[1], None)]


def test_a_call_that_was_left_teaches_nothing(router: Router) -> None:
    call = hosted(router)
    asked(call)
    call.close()
    assert attempts(router) == []
    assert router.health(KEYS[0]).success_rate is None


def test_an_answered_call_is_forgotten(router: Router) -> None:
    calls, call = HostedCalls(), hosted(router)
    calls.open(call)
    asked(call)
    calls.delivered(call, KEYS[0], Outcome())
    assert calls.find(call.decision.id) is None


def test_calls_that_failed_are_forgotten_before_those_that_may_be_answered_yet(router: Router) -> None:
    calls, answered_late = HostedCalls(), hosted(router)
    failed = [hosted(router) for _ in range(400)]
    for call in failed:
        with pytest.raises(AllModelsFailedError):
            wear_out(call)
    for call in (*failed[:-1], answered_late, failed[-1]):
        calls.open(call)
    kept = [call for call in failed if calls.find(call.decision.id) is not None]
    assert 200 < len(kept) < 300
    assert kept[-1] is failed[-1]
    assert calls.find(answered_late.decision.id) is answered_late


@pytest.mark.parametrize("ident", [None, 7, "", "unknown", ["x"], {"a": 1}])
def test_an_id_of_any_kind_finds_only_what_is_ours(router: Router, ident: object) -> None:
    assert HostedCalls().find(ident) is None
    assert Attempts(router).find(ident) is None


def test_the_proxy_s_attempts_are_told_once_whichever_hook_knew_it(router: Router) -> None:
    ledger, call = Attempts(router), OpenCall(router.decide("hi"), router.blame())
    ledger.open(call)
    ledger.begin(call, KEYS[0])
    ledger.failed(call, KEYS[0], ServerError())
    ledger.failed(call, KEYS[0], ServerError())
    ledger.begin(call, KEYS[1])
    ledger.succeeded(call, KEYS[1], Outcome())
    ledger.succeeded(call, KEYS[1], Outcome())
    assert attempts(router) == [(KEYS[0], "server_error"), (KEYS[1], None)]


def test_the_proxy_s_next_attempt_closes_the_one_before(router: Router) -> None:
    ledger, call = Attempts(router), OpenCall(router.decide("hi"), router.blame())
    ledger.begin(call, KEYS[0])
    ledger.settle(call)
    ledger.begin(call, KEYS[1])
    assert call.running == [KEYS[1]]
    assert attempts(router) == [(KEYS[0], "unreachable")]


def fail_everywhere(ledger: Attempts, call: OpenCall) -> None:
    for key in KEYS[:2]:
        ledger.begin(call, key)
        ledger.failed(call, key, ServerError())


def test_a_request_that_fails_everywhere_charges_no_model_that_served_somebody_lately(router: Router) -> None:
    ledger = Attempts(router)
    for key in KEYS:
        call = OpenCall(router.decide("hi"), router.blame())
        ledger.begin(call, key)
        ledger.succeeded(call, key, Outcome())
    for _ in range(7):
        call = OpenCall(router.decide("poison"), router.blame())
        fail_everywhere(ledger, call)
        ledger.close(call, answered=False)
    assert [router.health(key).success_rate for key in KEYS] == [1.0, 1.0, 1.0]
    assert router.decide("hi").model == KEYS[0]


def test_who_failed_is_charged_once_another_has_answered(router: Router) -> None:
    ledger, call = Attempts(router), OpenCall(router.decide("hi"), router.blame())
    fail_everywhere(ledger, call)
    assert router.health(KEYS[0]).success_rate is None, "nobody knows yet whose fault it is"
    ledger.begin(call, KEYS[2])
    ledger.succeeded(call, KEYS[2], Outcome())
    assert [router.health(key).success_rate for key in KEYS] == [0.0, 0.0, 1.0]


def test_one_call_finds_out_whether_an_outage_is_over_and_the_others_go_elsewhere(router: Router) -> None:
    clock = router.clock
    assert isinstance(clock, FakeClock)
    ledger = Attempts(router)
    for _ in range(5):
        call = OpenCall(router.decide("hi"), router.blame())
        ledger.begin(call, KEYS[0])
        ledger.failed(call, KEYS[0], ConnectionError())
        ledger.close(call, answered=False)
    assert router.decide("hi").model == KEYS[1]
    clock.advance(60)
    plans = [[spec.key for spec in router.admitted(router.decide("hi").specs)] for _ in range(3)]
    assert plans == [list(KEYS), [KEYS[1], KEYS[2], KEYS[0]], [KEYS[1], KEYS[2], KEYS[0]]]


async def test_a_call_of_the_proxy_that_nobody_ends_gives_its_room_back_when_it_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pointsman.litellm.outcomes._OPEN_CALLS", 2)
    models = [ModelSpec(name="a", provider="openai")]
    budget = {"tenants": {"acme": {"requests": 10, "period": "day"}}}
    router = Router(ModelRegistry(models), policy="cheapest", clock=FakeClock(), budget=budget)
    ledger, left = Attempts(router), []
    for _ in range(4):
        decision = router.decide(Request(messages="hi", tenant="acme"))
        reservations = router.reservations(decision)
        await reservations.begin(decision.specs)
        ledger.open(OpenCall(decision, router.blame(), reservations))
        left.append(next(iter(router.limits().values()))["remaining"])
    assert left == [9, 8, 8, 8]
