"""Prompts that a program can grade, and how well served models answer them."""

from __future__ import annotations

from collections import Counter

import pytest

from pointsman.testing import GradablePrompt, ServedModel, gradable_prompts, grade
from pointsman.testing.answers import answer_text
from pointsman.testing.prompts import recognise, right_probability, wrong_answer

PROMPTS = gradable_prompts(300, seed=1)


def test_prompts_are_distinct_balanced_of_many_kinds_and_the_same_for_a_seed() -> None:
    assert len({prompt.text for prompt in PROMPTS}) == 300
    assert Counter(prompt.difficulty for prompt in PROMPTS) == {"easy": 150, "hard": 150}
    assert {prompt.kind for prompt in PROMPTS} == {"arithmetic", "units", "text", "capitals", "code", "json", "days"}
    assert gradable_prompts(300, seed=1) == PROMPTS
    assert gradable_prompts(300, seed=2) != PROMPTS


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What is 17 + 25?", "42"),
        ("What is 12 - 19?", "-7"),
        ("Compute 347 * 89 - 1204. Give only the number.", "29679"),
        ("How many minutes are 7 hours?", "420"),
        ("How many seconds are in 3 hours, 25 minutes and 7 seconds?", "12307"),
        ("Convert -4 degrees Fahrenheit to degrees Celsius.", "-20"),
        ("Write the word 'signal' in capital letters.", "SIGNAL"),
        ("Write the word 'signal' backwards.", "langis"),
        ("Which letter is the third one of the word 'harbour'?", "r"),
        ("How often does the letter 'e' occur in 'lever engine'?", "4"),
        ("What is the capital of Bhutan?", "Thimphu"),
        ('What does `len("lever") + 8` evaluate to in Python?', "13"),
        ("What does `sum(n * n for n in range(3, 9) if n % 2)` evaluate to in Python?", "83"),
        ("What does `sorted([300, 100, 200])[1]` evaluate to in Python?", "200"),
        ('Answer with a JSON object that has the one key "lever" with the number 3.', '{"lever": 3}'),
        ('Which number stands at a.b[1] in the JSON document {"a": {"b": [4, 9]}}?', "9"),
        ("Which day of the week comes 3 days after Saturday?", "Tuesday"),
        ("Which day of the week comes 45 days after Tuesday?", "Friday"),
    ],
)
def test_the_solver_is_right(prompt: str, expected: str) -> None:
    known = recognise(prompt)
    assert known is not None
    assert known.expected == expected


def test_what_is_expected_is_graded_right_in_prose_and_every_wrong_answer_wrong() -> None:
    for prompt in PROMPTS:
        assert grade(prompt, prompt.expected) == 1.0
        assert grade(prompt.text, f"Well, I think the answer is {prompt.expected}.") == 1.0
        assert grade(prompt, "I do not know.") == 0.0
        for step in range(20):
            wrong = wrong_answer(prompt, step / 20)
            assert grade(prompt, wrong) == 0.0, (prompt, wrong)


def test_a_prompt_is_recognised_as_a_line_among_others_and_nothing_else_is() -> None:
    assert recognise("Be brief.\n  What is 12 + 3?  \nThanks.") == recognise("What is 12 + 3?")
    for other in ("What is love?", "Which day of the week comes 3 days after Doomsday?", "", "What is 12 + 3? Why?"):
        assert recognise(other) is None
    with pytest.raises(ValueError, match="not gradable"):
        grade("What is love?", "Baby")


def test_more_prompts_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="distinct"):
        gradable_prompts(1_000_000)


def share_right(model: ServedModel, prompts: list[GradablePrompt], seed: int = 7) -> float:
    return sum(grade(prompt, answer_text(prompt.text, model, seed)) for prompt in prompts) / len(prompts)


@pytest.mark.parametrize("quality", [0.3, 0.6, 0.8, 0.95])
def test_the_share_of_right_answers_is_near_the_quality(quality: float) -> None:
    assert share_right(ServedModel("m", quality=quality), PROMPTS) == pytest.approx(quality, abs=0.07)


def test_a_better_model_is_better_and_easy_prompts_are_easier() -> None:
    cheap, good = ServedModel("cheap", quality=0.6), ServedModel("good", quality=0.95)
    assert share_right(cheap, PROMPTS) + 0.2 < share_right(good, PROMPTS)
    easy = [prompt for prompt in PROMPTS if prompt.difficulty == "easy"]
    hard = [prompt for prompt in PROMPTS if prompt.difficulty == "hard"]
    assert share_right(cheap, easy) > share_right(cheap, hard) + 0.4
    assert right_probability(1.0, "hard") == 1.0
    assert right_probability(0.0, "easy") == 0.0


def test_a_skill_overrides_the_quality_for_its_kind() -> None:
    coder = ServedModel("coder", quality=0.1, skills={"code": 1.0})
    code = [prompt for prompt in PROMPTS if prompt.kind == "code"]
    assert share_right(coder, code) == 1.0
    assert share_right(coder, [prompt for prompt in PROMPTS if prompt.kind != "code"]) < 0.25


def test_answers_depend_on_seed_and_model_and_on_nothing_else() -> None:
    model = ServedModel("m", quality=0.5)
    answers = [answer_text(prompt.text, model, 7) for prompt in PROMPTS]
    assert answers == [answer_text(prompt.text, model, 7) for prompt in PROMPTS]
    assert answers != [answer_text(prompt.text, model, 8) for prompt in PROMPTS]
    assert answers != [answer_text(prompt.text, ServedModel("n", quality=0.5), 7) for prompt in PROMPTS]
