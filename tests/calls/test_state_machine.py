"""Health, limits and failover under any sequence of events: what must hold after each of them."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from samples import LONG, StatusError

from pointsman import AllModelsFailedError, ModelRegistry, ModelSpec, Outcome, Router
from pointsman.errors import LimitReachedError
from pointsman.failover.calls import CallSettings
from pointsman.failover.steps import Attempt
from pointsman.health.states import HealthState
from pointsman.testing import FakeClock, SimulatedModel
from pointsman.testing.simulated import Behaviour

NAMES = ("first", "second", "third", "fourth")
LIMITED, RPM = "second", 6
DEADLINE = 30.0
LONGEST_OUT = 900.001  # as floats add up
STATES = get_args(HealthState)

walked: list[int] = []  # how many events each example has been through


class Calls(RuleBasedStateMachine):
    """Four models, the second of them rate limited; the fourth can be taken away and put back."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.models = {name: SimulatedModel(name, Random(at), 0.2) for at, name in enumerate(NAMES)}
        self.specs = [
            ModelSpec(
                name=name,
                provider=f"provider-{name}",
                capabilities=("generation.text.chat",),
                context_window=8_000,
                rate_limit_rpm=RPM if name == LIMITED else None,
                cost_per_1m_input_tokens=at + 1.0,
                cost_per_1m_output_tokens=at + 1.0,
            )
            for at, name in enumerate(NAMES)
        ]
        self.router = Router(
            ModelRegistry(self.specs),
            {"name": "ucb", "exploration": 0.5},
            clock=self.clock,
            seed=1,
            calls=CallSettings(timeout=5.0, deadline=DEADLINE),
        )
        self.limited_answers: deque[float] = deque(maxlen=1_000)
        self.lost_in_a_row = 0
        walked.append(0)

    # -- what happens

    @rule(name=st.sampled_from(NAMES), behaviour=st.sampled_from(get_args(Behaviour)))
    def turn(self, name: str, behaviour: Behaviour) -> None:
        self.models[name].behaviour = behaviour
        self.lost_in_a_row = 0

    @rule(name=st.sampled_from(NAMES), hint=st.sampled_from([None, "0", "3", "-1", "86400", "NaN", "9" * 400]))
    def hint(self, name: str, hint: str | None) -> None:
        self.models[name].retry_after = hint

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 31.0, 301.0, 3600.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def ask(self) -> None:
        """Whoever is well serves; one that failed lately may have to wait until the retry budget finds it healed."""
        started = self.clock.monotonic()
        well = [name for name in self.registered() if self.models[name].behaviour == "well" and name != LIMITED]
        trusted = [name for name in well if not self.router._health.failed_last(f"provider-{name}:{name}")]
        try:
            answer = self.router.run("hello", self.call)
        except (AllModelsFailedError, LimitReachedError) as error:
            self.lost_in_a_row += bool(well)
            assert not trusted, f"{trusted} could have served: {error}"  # noqa: PT017  it may fail, or not
            assert self.lost_in_a_row <= 2 * len(NAMES)
            return
        finally:
            assert self.clock.monotonic() - started <= DEADLINE + 5.0  # a call in this thread is not cut off
        self.lost_in_a_row = 0
        assert answer["choices"][0]["message"]["content"].partition(":")[0] in self.registered()

    @rule()
    def ask_what_nobody_can_bear(self) -> None:
        """A request that every model answers with 500, though each of them serves others."""
        before = {name: self.out(name) for name in self.registered()}
        served = [name for name in before if self.router._health.served_recently(f"provider-{name}:{name}")]

        def poisoned(_: Attempt) -> Any:
            raise StatusError(500)

        with pytest.raises((AllModelsFailedError, LimitReachedError)):
            self.router.run("poison", poisoned)
        if len(served) == len(before):
            assert not [name for name, out in before.items() if out == 0 < self.out(name)], "a request ejects nobody"

    @rule(at=st.integers(1, 3))
    def leave(self, at: int) -> None:
        """The caller goes away in the middle of its so-manieth attempt."""
        left: dict[str, float] = {}

        def leaving(attempt: Attempt) -> Any:
            if attempt.number >= at:
                left[attempt.spec.name] = self.out(attempt.spec.name)
                raise KeyboardInterrupt
            raise StatusError(429)

        try:
            self.router.run("hello", leaving)
        except (AllModelsFailedError, LimitReachedError):
            return
        except KeyboardInterrupt:
            for name, before in left.items():
                assert self.out(name) <= before, "whoever was left is not blamed"

    @rule(name=st.sampled_from(NAMES), well=st.booleans())
    def check(self, name: str, well: bool) -> None:
        spec = self.router.registry.find_model(name)
        if spec is not None:
            self.router._health.checked(spec, None if well else ConnectionRefusedError("refused"), 0.1)

    @rule(ok=st.booleans())
    def observe(self, ok: bool) -> None:
        """A host made the call by itself."""
        decision = self.router.decide("hello")
        error = None if ok else StatusError(503)
        self.router.observe(decision, Outcome(input_tokens=5, output_tokens=5, seconds=0.2, error=error))
        if ok:
            self.router.feedback(decision.id, 1.0)

    @rule()
    def take_away_or_put_back(self) -> None:
        registry = self.router.registry
        if registry.find_model("fourth") is None:
            registry.register_model(self.specs[3])
        else:
            registry.unregister_model("fourth")

    # -- what must hold

    @invariant()
    def steps_are_counted(self) -> None:
        walked[-1] += 1

    @invariant()
    def states_are_states_and_nobody_is_out_for_long(self) -> None:
        for name in self.registered():
            report = self.router.health(name)
            assert report.state in STATES
            assert 0.0 <= report.available_in <= LONGEST_OUT
            assert report.success_rate is None or 0.0 <= report.success_rate <= 1.0

    @invariant()
    def nothing_is_under_way(self) -> None:
        """Every pull was given back, but those that decisions promise which nobody has carried out."""
        pulls = self.router._chooser.pulls
        assert sum(pulls.counts.values()) == len(pulls._promised)

    @invariant()
    def the_limit_is_kept(self) -> None:
        since = self.clock.monotonic() - 60.0
        # A full bucket, and what refills while it is emptied.
        assert sum(at > since for at in self.limited_answers) <= 2 * RPM

    @invariant()
    def everybody_is_considered(self) -> None:
        decision = self.router.decide("hello")
        assert sorted(decision.eligible) == sorted(f"provider-{name}:{name}" for name in self.registered())
        assert abs(sum(decision.probabilities) - 1.0) < 1e-9

    # -- helpers of the rules

    def registered(self) -> list[str]:
        return [spec.name for spec in self.router.registry]

    def out(self, name: str) -> float:
        return self.router.health(name).available_in

    def call(self, attempt: Attempt) -> Any:
        answer = self.models[attempt.spec.name].call(self.clock.sleep)
        if attempt.spec.name == LIMITED:  # what fails is given back, so answers are what counts
            self.limited_answers.append(self.clock.monotonic())
        return answer


@pytest.mark.long
def test_any_sequence_of_events_keeps_the_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, steps = (20, 10_000) if LONG else (15, 60)
    if LONG:
        # Hypothesis ends an example when it has drawn so much, which is after about a thousand steps.
        for module in ("internal.conjecture.engine", "stateful"):
            monkeypatch.setattr(f"hypothesis.{module}.BUFFER_SIZE", 40 * steps)
    walked.clear()
    run_state_machine_as_test(
        Calls,
        settings=settings(
            max_examples=rounds,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
            # Shrinking thousands of steps takes longer than reading them.
            phases=[Phase.generate] if LONG else list(Phase),
        ),
    )
    if LONG:  # it stops of its own accord once in 65,536 steps
        assert sum(walked) >= 0.8 * rounds * steps
