"""Features: cheap, bounded, of the clipped prompt alone, and the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from math import isfinite, sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Request
from pointsman.features import EMBEDDED, HEAD, SURFACE, TAIL, features_of, prompt_text, surface


@given(st.text(max_size=1200))
def test_every_text_has_sixteen_numbers_from_minus_one_to_one(text: str) -> None:
    features = surface(text)
    assert len(features) == SURFACE
    assert all(-1 <= value <= 1 for value in features)


@pytest.mark.parametrize("text", ["", "\x00" * 500, "\ud800", "😀" * 9000, "\u0430" * 400, "?" * 1_000_000, "\n" * 700])
def test_hostile_texts_have_features_too(text: str) -> None:
    features = features_of(Request(messages=text))
    assert features[0] == 1.0
    assert all(isfinite(value) for value in features)


def test_only_head_tail_and_length_of_a_prompt_count() -> None:
    head, tail = "Explain this code. ".ljust(HEAD, "a"), "b" * TAIL
    assert surface(head + "x1{" * 1000 + tail) == surface(head + "\n ?" * 1000 + tail)
    assert surface(head + tail) != surface(head + "x" * 9000 + tail)


@pytest.mark.parametrize(
    ("feature", "with_it", "without"),
    [
        (1, "12345 apples", "many apples"),
        (2, "NASA AND ESA", "nasa and esa"),
        (4, "def f(x): return {x}", "a function of x that returns it"),
        (5, "3*x + 4 = y / 2", "three times x and four is half of y"),
        (6, "a\nb\nc\nd", "a b c d"),
        (8, "Ск\u043eльк\u043e будет дв\u0430 плюс дв\u0430", "How much is two plus two"),
        (10, "what is it and why", "rain falls"),
        (11, "write and describe", "a story of old"),
        (12, "def class import", "cat dog bird"),
        (13, "solve the equation", "tell the story"),
        (15, "Is it?", "It is."),
    ],
)
def test_a_feature_rises_with_what_it_is_about(feature: int, with_it: str, without: str) -> None:
    assert surface(with_it)[feature] > surface(without)[feature]


def test_the_last_user_message_is_read_whatever_its_form() -> None:
    class Message:
        type = "human"
        content = "the question"

    parts = [{"type": "text", "text": "the"}, {"type": "image_url", "image_url": {"url": "x"}}, "question"]
    system: dict[str, Any] = {"role": "system", "content": "be brief"}
    answer: dict[str, Any] = {"role": "assistant", "content": "hm"}
    assert (
        prompt_text(Request(messages=[system, {"role": "user", "content": "the question"}, answer])) == "the question"
    )
    assert prompt_text(Request(messages=[system, Message()])) == "the question"  # type: ignore[list-item]
    assert prompt_text(Request(messages=[{"role": "user", "content": parts}])) == "the\nquestion"
    assert prompt_text(Request(messages=[system])) == "be brief"
    assert prompt_text(Request(input_tokens=5)) == ""


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=2000))
def test_an_embedding_of_any_size_takes_the_place_of_the_surface(values: list[float]) -> None:
    features = features_of(Request(messages="text", features=values))
    assert len(features) == 1 + SURFACE + EMBEDDED
    assert features[: 1 + SURFACE] == [1.0] + [0.0] * SURFACE
    assert sqrt(sum(value * value for value in features[1:])) == pytest.approx(2, abs=1e-6) or not any(features[1:])


def test_folding_an_embedding_keeps_what_is_alike_alike() -> None:
    one = [float(number % 7) for number in range(768)]
    like = [value + 0.1 * (number % 3) for number, value in enumerate(one)]
    other = [float(number % 11 - 5) for number in range(768)]

    def alike(left: list[float], right: list[float]) -> float:
        a, b = (features_of(Request(features=each))[1:] for each in (left, right))
        return sum(x * y for x, y in zip(a, b, strict=True)) / 4

    assert alike(one, one) == pytest.approx(1)
    assert alike(one, like) > 0.95
    assert abs(alike(one, other)) < 0.6


def test_features_are_the_same_in_every_process() -> None:
    code = (
        "from pointsman import Request; from pointsman.features import features_of; "
        "print(features_of(Request(messages='What is 2 + 2?')), features_of(Request(features=[0.5] * 100 + [1.0])))"
    )
    told = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(told) == 1
