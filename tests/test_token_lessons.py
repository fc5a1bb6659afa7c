"""What usage and overflows teach: a factor per tokenizer that is not known, and windows smaller than the catalogue says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import StatusError, make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.eligibility.calibration import HIGHEST, LOWEST, Calibration, factor_for
from pointsman.eligibility.tokens import FOREIGN_FACTOR, PromptSize
from pointsman.eligibility.windows import claimed_window
from pointsman.testing import FakeClock

Make = Callable[..., Router]
TEXT = "hello " * 7_000  # about 7,000 tokens, 42,000 bytes


def counted(text: str = TEXT) -> PromptSize:
    size = PromptSize(Request(messages=text))
    size.count()
    return size


def fleet(room: int, **fields: Any) -> ModelRegistry:
    """A model of unknown tokenizer with so much room beyond our count of the text, and one with room for anything."""
    window = counted().count() + 1_024 + room
    return ModelRegistry(
        [
            make_spec("foreign", provider="anthropic", context_window=window, **fields),
            make_spec("large", provider="anthropic", context_window=1_000_000),
        ]
    )


def use(router: Router, ratio: float, times: int = 6) -> None:
    for _ in range(times):
        decision = router.decide(Request(messages=TEXT))
        tokens = int(decision.question.size.count() * ratio)
        router.observe(decision, Outcome(input_tokens=tokens, output_tokens=5), model="foreign")


def test_usage_tells_what_our_count_is_to_a_model(make_router: Make) -> None:
    router = make_router("cheapest", registry=fleet(room=100))
    assert router.decide(Request(messages=TEXT)).eligible == ("anthropic:large",), "a tenth on top does not fit"
    use(router, ratio=0.9)
    assert "anthropic:foreign" in router.decide(Request(messages=TEXT)).eligible


def test_a_model_that_makes_more_of_a_text_is_excluded_sooner(make_router: Make) -> None:
    registry = fleet(room=1_500)
    router = make_router("cheapest", registry=registry)
    assert "anthropic:foreign" in router.decide(Request(messages=TEXT)).eligible
    use(router, ratio=1.4)
    decision = router.decide(Request(messages=TEXT))
    assert decision.eligible == ("anthropic:large",)
    assert decision.excluded["anthropic:foreign"].check == "context window"


def test_where_bytes_settle_it_the_factor_is_not_asked(make_router: Make) -> None:
    router = make_router("cheapest", registry=fleet(room=0))
    use(router, ratio=2.0)
    assert "anthropic:foreign" in router.decide(Request(messages="hello " * 900)).eligible


def test_tokenizers_share_what_they_learnt_through_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    first = Router(fleet(room=100), "cheapest", url)
    use(first, ratio=0.9)
    first.close()
    second = Router(fleet(room=100), "cheapest", url)
    assert "anthropic:foreign" in second.decide(Request(messages=TEXT)).eligible
    second.close()


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(-5, 10**9)), max_size=60))
def test_the_factor_stays_within_its_bounds_whatever_is_observed(observed: list[tuple[str, int]]) -> None:
    calibration, size = Calibration(), counted("hello world " * 300)
    for name, tokens in observed:
        calibration.learn(make_spec(name, provider="x"), size, tokens)
    assert all(LOWEST <= factor <= HIGHEST for factor in calibration.factors.values())


@given(st.permutations(range(4)))
def test_merging_does_not_depend_on_order_or_repetition(order: list[int]) -> None:
    spec, size = make_spec("a", provider="x"), counted("hello world " * 300)
    rows = []
    for number in range(4):
        replica = Calibration()
        for at in range(3):
            replica.learn(spec, size, int(size.count() * (0.8 + 0.1 * number + 0.01 * at)))
        rows.append((f"r{number}", replica.state()))
    straight, mixed = Calibration(), Calibration()
    for replica_id, state in rows:
        straight.merge(replica_id, state)
    for number in [*order, *order]:
        mixed.merge(*rows[number])
    assert factor_for(spec, mixed.factors) == pytest.approx(factor_for(spec, straight.factors))


def test_what_is_no_evidence_teaches_nothing() -> None:
    calibration, spec = Calibration(), make_spec("a", provider="x")
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}] * 9}
    media = PromptSize(Request(messages=[picture, {"role": "user", "content": TEXT}]))
    media.count()
    for size in (counted("hi"), PromptSize(Request(input_tokens=5_000)), PromptSize(Request(messages=TEXT)), media):
        for _ in range(9):
            assert not calibration.learn(spec, size, 5_000)
    calibration.merge("r", {"x:a": {"n": 9, "ratios": 900.0, "squares": 1, "changes": 1}, "x:b": {}})
    assert factor_for(spec, calibration.factors) == FOREIGN_FACTOR


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens", 8192),
        ("prompt is too long: 212345 tokens > 200000 maximum", 200_000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32_768),
        ("the request exceeds the available context size (4096 tokens)", 4_096),
        ("too many tokens: total number of tokens in the prompt cannot exceed 4,081 - received 5000", 4_081),
        ("Input is too long for requested model.", None),
        ("maximum context length is 7 tokens", None),
        ("maximum context length is " + "9" * 400, None),
    ],
)
def test_the_limit_is_read_from_the_errors_of_many_servers(words: str, limit: int | None) -> None:
    assert claimed_window(Exception(words)) == limit


class PromptOverflowError(StatusError):
    """A 400 that says so."""

    def __init__(self, words: str = "context_length_exceeded") -> None:
        super().__init__(400)
        self.code = "context_length_exceeded"
        self.words = words

    def __str__(self) -> str:
        return self.words


def overflow(router: Router, error: Exception, **request: Any) -> None:
    def call(attempt: Any) -> str:
        if attempt.spec.name == "small":
            raise error
        return "answer"

    router.run(Request(prefer={"small"}, **request), call)


@pytest.fixture
def liar(make_router: Make) -> Router:
    """A router over a model whose window is not what the catalogue says, and one that keeps its word."""
    registry = ModelRegistry([make_spec("small", context_window=128_000), make_spec("large", context_window=256_000)])
    return make_router("priority", registry=registry)


def served_by(router: Router, **request: Any) -> str:
    return router.decide(Request(prefer={"small"}, **request)).spec.name


def test_a_claimed_limit_puts_the_model_behind_for_prompts_above_it(liar: Router) -> None:
    overflow(liar, PromptOverflowError("maximum context length is 4096 tokens"), messages=TEXT)
    assert served_by(liar, messages=TEXT) == "large"
    assert served_by(liar, messages="hello " * 4_000) == "large"
    assert served_by(liar, messages="hi") == "small"
    assert liar.decide(Request(messages=TEXT)).fallbacks == ("openai:small",), "it is behind, not excluded"


def test_without_a_limit_the_prompt_itself_is_the_measure_until_a_larger_one_is_answered(liar: Router) -> None:
    overflow(liar, PromptOverflowError(), messages=TEXT)
    assert served_by(liar, messages=TEXT) == "large"
    assert served_by(liar, messages=TEXT[:-600]) == "small"
    decision = liar.decide(Request(messages=TEXT + TEXT))
    liar.observe(decision, Outcome(seconds=1.0), model="small")
    assert served_by(liar, messages=TEXT) == "small"


def test_sizes_that_were_told_and_sizes_in_bytes_are_not_compared(liar: Router) -> None:
    overflow(liar, PromptOverflowError(), input_tokens=50_000)
    assert served_by(liar, input_tokens=60_000) == "large"
    assert served_by(liar, messages="hello " * 20_000) == "small"


def test_an_overflow_is_forgotten_after_an_hour(liar: Router, clock: FakeClock) -> None:
    overflow(liar, PromptOverflowError("maximum context length is 4096 tokens"), messages=TEXT)
    clock.advance(3_601)
    assert served_by(liar, messages=TEXT) == "small"


def test_an_error_that_cannot_be_read_still_teaches_the_size(liar: Router) -> None:
    class HostileError(PromptOverflowError):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    overflow(liar, HostileError(), messages=TEXT)
    assert served_by(liar, messages=TEXT) == "large"
