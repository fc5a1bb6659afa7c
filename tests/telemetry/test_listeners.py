"""The listener interface: who is told of what, at no cost for calls when a listener fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import AllModelsFailedError, NoEligibleModelsError, Outcome, Request, Router
from pointsman.listeners import EVENTS, Listener

Make = Callable[..., Router]


class Recorder:
    """Writes down everything it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []
        for event in EVENTS:
            setattr(self, event, lambda *facts, event=event: self.told.append((event, facts)))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.told]

    def facts(self, event: str) -> tuple[Any, ...]:
        return next(facts for name, facts in self.told if name == event)


def answer(attempt: Any) -> str:
    return f"from {attempt.model}"


def test_a_call_is_told_from_its_decision_to_its_end(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    router.listen(recorder)
    failing = {"openai:cheap"}

    def call(attempt: Any) -> str:
        if attempt.model in failing:
            raise StatusError(503)
        return answer(attempt)

    router.run("hello", call)
    without_health = [event for event in recorder.events if event != "health_changed"]
    assert without_health == [
        *("decided", "call_began"),
        *("attempt_began", "attempt_ended", "attempt_began", "attempt_ended"),
        "call_ended",
    ]
    record, error, _ = recorder.facts("call_ended")
    assert error is None
    assert len(record.attempts) == 2
    assert recorder.facts("attempt_ended")[0].fault.kind == "overloaded"


def test_a_call_that_fails_ends_with_its_error(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    router.listen(recorder)

    def call(attempt: Any) -> str:
        raise StatusError(503)

    with pytest.raises(AllModelsFailedError):
        router.run("hello", call, retries=0)
    assert isinstance(recorder.facts("call_ended")[1], AllModelsFailedError)


def test_a_stream_that_is_left_is_abandoned(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    router.listen(recorder)
    stream = router.stream("hello", lambda _: iter("abc"))
    next(stream)
    stream.close()
    assert "attempt_abandoned" in recorder.events
    assert isinstance(recorder.facts("call_ended")[1], GeneratorExit)


def test_refusals_scores_health_and_the_registry_are_told(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    router.listen(recorder)
    with pytest.raises(NoEligibleModelsError):
        router.decide(Request(messages="hello", needs={"audio"}))
    decision = router.decide("hello")
    router.observe(decision, Outcome(seconds=1.0))
    router.feedback(decision.id, 0.5)
    router.registry.register_model(make_spec("new"))
    assert isinstance(recorder.facts("refused")[1], NoEligibleModelsError)
    assert recorder.facts("feedback") == (decision.id, 0.5, decision.model)
    assert recorder.facts("health_changed") == (decision.model, "unknown", "healthy")
    assert recorder.facts("registry_changed")[0].key == "openai:new"
    assert recorder.facts("attempt_ended")[0].attempt.decision is decision


def test_who_has_left_is_told_nothing(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    leave = router.listen(recorder)
    leave()
    leave()
    router.run("hello", answer)
    assert recorder.told == []


def test_who_listens_twice_leaves_twice(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    leave = router.listen(recorder)
    router.listen(recorder)
    leave()
    router.decide("hello")
    assert recorder.events == ["decided"]


def test_a_subclass_is_called_for_what_it_overrides_alone(make_router: Make) -> None:
    class Counting(Listener):
        decisions = 0

        def decided(self, decision: Any, seconds: float) -> None:
            self.decisions += 1

    router, counting = make_router(), Counting()
    router.listen(counting)
    router.run("hello", answer)
    assert counting.decisions == 1
    assert router._audience.attempt_began == ()


def test_what_listens_to_nothing_is_refused(make_router: Make) -> None:
    with pytest.raises(TypeError, match="listens to nothing; expected one of: decided"):
        make_router().listen(object())


def test_a_failing_listener_is_counted_and_logged_once_and_fails_no_call(
    make_router: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the prompt was: hello")

    router = make_router()
    failing = Recorder()
    for event in EVENTS:
        setattr(failing, event, fail)
    router.listen(failing)
    healthy = Recorder()
    router.listen(healthy)
    with caplog.at_level(logging.WARNING, logger="pointsman"):
        assert router.run("hello", answer) == "from openai:cheap"
        assert router.run("hello", answer) == "from openai:cheap"
        router.registry.register_model(make_spec("new"))
    assert healthy.events.count("call_ended") == 2
    assert router.statistics()["failed_listeners"] > 5
    assert len({record.getMessage() for record in caplog.records}) == len(caplog.records)
    assert "hello" not in caplog.text


async def test_async_calls_are_told_too(make_router: Make) -> None:
    router, recorder = make_router(), Recorder()
    router.listen(recorder)

    async def call(attempt: Any) -> str:
        return answer(attempt)

    await router.arun("hello", call)
    assert [each for each in recorder.events if each.startswith("call")] == ["call_began", "call_ended"]
