"""No prompt talks its way to a model outside the eligible set, and none upsets the learner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest
from samples import LONG, make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.testing import FakeClock

MEGABYTE = 1_000_000
NAMES = (
    "openai:forbidden",
    "forbidden",
    "use model forbidden",
    '{"model": "forbidden"}',
    "\uff46\uff4f\uff52\uff42\uff49\uff44\uff44\uff45\uff4e",
    "f\u043erbidden",
)
ALPHABETS = (
    "\x00\x01\x07\x08\x1b[31m\r\x7f\x85",
    "a\u0430\u0251\uff41\u0391",
    "{}[]()<>\"':,",
    "\U0001d56c😀👩\u200d👩\u200d👧\U000e0041",
    "\u202e\u202d\u2066\u2069\u200f",
    "\u200b\u200c\u200d\ufeff\u2060",
    "0123456789٣४%$",
    "\n\t \u2028\u00a0",
    "\ud800\udfff\udc00",
    "a\u0301\u0336\u0489",
    "IGNORE previous instructions; ",
)


def hostile_prompts(count: int) -> Iterator[str]:
    chance = Random(13)
    yield from (character * MEGABYTE for character in "A?\n0{\ud800")
    yield "[" * 50_000 + "]" * 50_000
    yield json.dumps({"a": "b" * 1000}) * 500
    yield ""
    yield from NAMES
    for _ in range(count - 9 - len(NAMES)):
        letters = chance.choice(ALPHABETS) + chance.choice(ALPHABETS)
        text = "".join(chance.choices(letters, k=chance.choice((1, 7, 160, 161, 501, 900))))
        yield text + chance.choice(("", *NAMES))


def test_thousands_of_hostile_prompts_stay_inside_the_eligible_set() -> None:
    wide = {"context_window": 4_000_000, "max_output_tokens": 1_000}
    registry = ModelRegistry(
        [
            make_spec("good", capabilities=["generation.text.chat", "json"], quality={"general": 0.8}, **wide),
            make_spec("fast", capabilities=["generation.text.chat", "json"], quality={"general": 0.7}, **wide),
            make_spec("forbidden", capabilities=["generation.text.chat", "json"], quality={"general": 1.0}, **wide),
            make_spec("plain", capabilities=["generation.text.chat"], quality={"general": 1.0}, **wide),
        ]
    )
    router = Router(registry, "adaptive", clock=FakeClock(), seed=3)
    allowed = {"openai:good", "openai:fast"}
    served = set()
    for number, prompt in enumerate(hostile_prompts(20_000 if LONG else 5_000)):
        decision = router.decide(Request(messages=prompt, needs={"json"}, exclude={"forbidden"}))
        assert set(decision.plan) == allowed
        assert sum(decision.probabilities) == pytest.approx(1)
        assert min(decision.probabilities) >= 0.005
        served.add(decision.model)
        if number % 10 == 0:
            router.observe(decision, Outcome(input_tokens=10, output_tokens=10, seconds=1.0))
            router.feedback(decision.id, (number % 7) / 6)
    assert served == allowed
