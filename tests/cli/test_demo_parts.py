"""The parts of the demo: the tally, the traffic, the display and the trouble."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from samples import make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.demo.door import Answer
from pointsman.demo.ending import money
from pointsman.demo.own_models import most_cost
from pointsman.demo.scene import Scene
from pointsman.demo.screen import Lines, picture
from pointsman.demo.tally import Tally
from pointsman.demo.traffic import Traffic
from pointsman.demo.trouble import Trouble
from pointsman.testing import GradablePrompt, ServedModel, gradable_prompts, serve

LOW = {"cost_per_1m_input_tokens": 1.0, "cost_per_1m_output_tokens": 2.0}
HIGH = {"cost_per_1m_input_tokens": 10.0, "cost_per_1m_output_tokens": 20.0}


def make_registry() -> ModelRegistry:
    return ModelRegistry([make_spec("low", **LOW), make_spec("high", **HIGH), make_spec("unpriced")])


def make_answer(model: str, text: str = "", decision_id: str = "d") -> Answer:
    return Answer(text=text, model=f"openai:{model}", decision_id=decision_id, input_tokens=1000, output_tokens=500)


class RoutedDoor:
    """Answers rightly, whichever model the router chose, and fails where it is told to.

    Args:
        router: who decides.
        prompts: what will be asked.
        fails: numbers of the calls that get no answer.
        judge: who takes the grades, if not the router.
    """

    name = "test"

    def __init__(
        self,
        router: Router,
        prompts: list[GradablePrompt],
        fails: tuple[int, ...] = (),
        judge: Router | None = None,
    ) -> None:
        self._router = router
        self._judge = judge or router
        self._expected = {prompt.text: prompt.expected for prompt in prompts}
        self._fails = fails
        self.calls = 0

    async def ask(self, prompt: str) -> Answer:
        self.calls += 1
        if self.calls in self._fails:
            raise ConnectionError("made up")
        decision = self._router.decide(Request(messages=prompt))
        self._router.observe(decision, Outcome(input_tokens=1, output_tokens=1, seconds=0.1))
        return make_answer(decision.spec.name, self._expected[prompt], decision.id)

    async def score(self, answer: Answer, score: float) -> None:
        self._judge.feedback(answer.decision_id, score)

    async def close(self) -> None: ...


# -- the tally


def test_the_dearest_model_alone_would_have_cost_the_same_tokens_at_its_prices() -> None:
    tally = Tally(make_registry(), 2)
    tally.answered("door", make_answer("low"), score=1, seconds=0.5)
    tally.answered("door", make_answer("high"), score=0, seconds=1.5)
    assert tally.dearest == "openai:high"
    assert tally.cost == pytest.approx(0.002 + 0.02)
    assert tally.cost_of_dearest == pytest.approx(0.04)
    assert tally.saved == pytest.approx(1 - 0.022 / 0.04)


def test_answers_without_a_known_price_are_counted_apart_and_said() -> None:
    registry = make_registry()
    tally = Tally(registry, 1)
    tally.answered("door", make_answer("unpriced"), score=1, seconds=0.5)
    assert tally.saved is None
    assert money(Scene(tally, Router(registry))) == "$0.0000; 1 answers came from models without known prices"


def test_a_request_without_an_answer_is_lost_whatever_the_door() -> None:
    tally = Tally(make_registry(), 3)
    tally.answered("one", make_answer("low"), score=1, seconds=0.5)
    tally.failed("one")
    tally.failed("two")
    assert (tally.done, tally.answers, tally.requests_lost) == (3, 1, 2)
    assert tally.share("openai:low") == 1.0


# -- the traffic


async def test_every_prompt_goes_through_one_door_and_its_grade_teaches() -> None:
    router = Router(make_registry(), "ucb", seed=1)
    prompts = gradable_prompts(10, seed=1)
    doors = [RoutedDoor(router, prompts), RoutedDoor(router, prompts)]
    tally = Tally(router.registry, len(prompts))
    traffic = Traffic(doors, tally)
    await traffic.run(prompts)
    assert [door.calls for door in doors] == [5, 5]
    assert (tally.right, traffic.grades, traffic.grades_not_taken) == (10, 10, 0)


async def test_what_a_door_raises_is_a_lost_request_and_is_told() -> None:
    router = Router(make_registry(), seed=1)
    prompts = gradable_prompts(6, seed=1)
    told: list[tuple[str, str]] = []
    tally = Tally(router.registry, len(prompts))
    door = RoutedDoor(router, prompts, fails=(2, 5))
    traffic = Traffic([door], tally, on_lost=lambda name, error: told.append((name, type(error).__name__)))
    await traffic.run(prompts)
    assert tally.requests_lost == 2
    assert told == [("test", "ConnectionError")] * 2


async def test_moments_come_when_so_many_requests_are_over_and_once() -> None:
    router = Router(make_registry(), seed=1)
    prompts = gradable_prompts(8, seed=1)
    tally = Tally(router.registry, len(prompts))
    seen: list[int] = []
    moments: dict[int, Callable[[], None]] = {4: lambda: seen.append(tally.done), 7: lambda: seen.append(tally.done)}
    door = RoutedDoor(router, prompts, fails=(1, 4))
    await Traffic([door], tally, moments=moments).run(prompts)
    assert seen == [4, 7]


async def test_grades_reach_decisions_of_another_process_through_the_store(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'shared.db'}"
    ours, theirs = Router(make_registry(), "ucb", store), Router(make_registry(), "ucb", store)
    prompts = gradable_prompts(3, seed=1)
    traffic = Traffic([RoutedDoor(theirs, prompts, judge=ours)], Tally(ours.registry, 3))
    await traffic.run(prompts)
    assert traffic.grades == 3
    assert len(dict(ours.ledger.rows("ledger.feedback"))) == 3


async def test_grades_for_decisions_nobody_knows_are_counted_not_hidden() -> None:
    ours, theirs = Router(make_registry()), Router(make_registry())
    prompts = gradable_prompts(3, seed=1)
    traffic = Traffic([RoutedDoor(theirs, prompts, judge=ours)], Tally(ours.registry, 3), patience=0)
    await traffic.run(prompts)
    assert (traffic.grades, traffic.grades_not_taken) == (0, 3)


# -- the display


def test_the_display_fits_a_narrow_terminal_and_shows_every_model() -> None:
    registry = make_registry()
    tally = Tally(registry, 4)
    for model in ("low", "low", "high"):
        tally.answered("door", make_answer(model), score=1, seconds=0.25)
    tally.failed("door")
    console = Console(file=io.StringIO(), width=80)
    console.print(picture(Scene(tally, Router(registry)), ["0:01  something happened"], 61))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    low = next(line for line in text.splitlines() if line.strip().startswith("low"))
    assert low.split() == ["low", "not", "known", "━━━━━━╸", "67%", "100%", "$0.0040", "0.25", "s"]
    assert "4 of 4 requests" in text
    assert "1:01" in text
    assert "lost    1" in text
    assert "something happened" in text
    assert "…" not in text


def test_lines_are_printed_at_each_tenth() -> None:
    registry = make_registry()
    tally = Tally(registry, 20)
    console = Console(file=io.StringIO(), width=120)
    lines = Lines(console, Scene(tally, Router(registry)))
    for _ in range(20):
        tally.answered("door", make_answer("low"), score=1, seconds=0.5)
        lines.refresh()
    printed = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split("/")[0].strip() for line in printed] == [str(number) for number in range(2, 21, 2)]
    assert printed[-1].endswith("low 100%, high 0%, unpriced 0%; $0.0400; lost 0")


def test_a_throttled_model_is_called_rate_limited_not_sick() -> None:
    class RateLimitError(Exception):
        status_code = 429

    router = Router(make_registry())
    scene = Scene(Tally(router.registry, 1), router)
    assert scene.health("openai:low") == "not known"
    decision = router.decide(Request(messages="hello", model="low"))
    router.observe(decision, Outcome(seconds=0.1))
    assert scene.health("openai:low") == "healthy"
    router.observe(decision, Outcome(error=RateLimitError("slow down")))
    assert scene.health("openai:low") == "rate limited"


# -- the trouble


@pytest.mark.parametrize(("most_used", "limited"), [("fast", "dear-and-good"), ("dear-and-good", "flaky")])
def test_trouble_takes_the_model_that_serves_most_and_ends(most_used: str, limited: str) -> None:
    fleet = serve([ServedModel(name) for name in ("cheap-and-weak", "dear-and-good", "fast", "flaky")])
    trouble = Trouble(fleet)
    told = trouble.begin(most_used, ["flaky", "cheap-and-weak"])
    assert told == f"half way: {most_used}, which serves most, hangs; {limited} answers 429"
    assert trouble.end() == f"{most_used} and {limited} are well again"


# -- money, before it is spent


def test_the_cost_named_beforehand_is_a_bound_for_the_dearest_model() -> None:
    prompts = gradable_prompts(10, seed=1)
    router = Router(ModelRegistry([make_spec("low", **LOW), make_spec("high", **HIGH, max_output_tokens=100)]))
    bound = 10 * 1024 * 2 / 1e6 + sum(len(prompt.text) for prompt in prompts) / 1e6
    assert most_cost(router, prompts) == f"at most ${bound:.2f} if each is answered once"
    assert most_cost(Router(ModelRegistry([make_spec()])), prompts) == "at a cost that is not known"
    assert most_cost(Router(make_registry()), prompts).endswith("(1 models have no known price)")
