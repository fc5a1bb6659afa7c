"""Prompts with a checkable answer: draw them, solve them, grade an answer.

Most questions that routers are compared on can only be judged by another model. These can be
judged by a program, so tests, demo and benchmarks can say which answers were right.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass

from .templates import TEMPLATES, AnswerForm, Difficulty

__all__ = ["GradablePrompt", "gradable_prompts", "grade", "recognise", "right_probability", "unit_draw", "wrong_answer"]

_MISSES_BEFORE_A_TEMPLATE_IS_EXHAUSTED = 50


@dataclass(frozen=True, slots=True)
class GradablePrompt:
    """A prompt, what is expected for an answer, and what makes it hard."""

    text: str
    kind: str
    difficulty: Difficulty
    form: AnswerForm
    expected: str

    def __str__(self) -> str:
        return self.text


def recognise(text: str) -> GradablePrompt | None:
    r"""Find the gradable prompt in a text: the whole of it, or else its last line that is one.

    >>> recognise("Think first.\nWhat is 12 + 3?").expected
    '15'
    """
    for line in (text, *reversed(text.splitlines())):
        for template in TEMPLATES:
            if match := template.pattern.fullmatch(line.strip()):
                try:
                    expected = template.solve(*match.groups())
                except (KeyError, IndexError, ValueError, ZeroDivisionError, TypeError):
                    continue  # right in form, but about words or numbers that no template draws
                return GradablePrompt(match[0], template.kind, template.difficulty, template.form, expected)
    return None


def gradable_prompts(n: int = 300, seed: int = 0) -> list[GradablePrompt]:
    """Draw distinct prompts, half of them easy, in shuffled order; the same seed draws the same.

    Raises:
        ValueError: There are not so many distinct prompts.
    """
    rng = random.Random(f"gradable prompts {seed}")
    prompts = [*_drawn("easy", (n + 1) // 2, rng), *_drawn("hard", n // 2, rng)]
    rng.shuffle(prompts)
    return prompts


def _drawn(difficulty: Difficulty, n: int, rng: random.Random) -> list[GradablePrompt]:
    drawn: dict[str, GradablePrompt] = {}
    misses = {template.pattern: 0 for template in TEMPLATES if template.difficulty == difficulty}
    while len(drawn) < n:
        for template in [template for template in TEMPLATES if template.pattern in misses][: n - len(drawn)]:
            text = template.draw(rng)
            prompt = recognise(text)
            if prompt is not None and text not in drawn:
                drawn[text] = prompt
                continue
            misses[template.pattern] += 1
            if misses[template.pattern] > _MISSES_BEFORE_A_TEMPLATE_IS_EXHAUSTED:
                del misses[template.pattern]
        if not misses and len(drawn) < n:
            raise ValueError(f"only {len(drawn)} distinct {difficulty} prompts could be drawn, {n} were asked for")
    return list(drawn.values())


def grade(prompt: GradablePrompt | str, answer: str) -> float:
    """Grade an answer: 1.0 if it gives what is expected, else 0.0; prose around it does no harm.

    >>> grade("What is 12 + 3?", "The answer is 15.")
    1.0

    Raises:
        ValueError: The prompt is not gradable.
    """
    known = recognise(prompt) if isinstance(prompt, str) else prompt
    if known is None:
        raise ValueError("this prompt is not gradable; draw prompts with gradable_prompts()")
    return float(_is_right(known.form, known.expected, answer))


def _is_right(form: AnswerForm, expected: str, answer: str) -> bool:
    if form == "number":
        plain = re.sub(r"(?<=\d)[,\u202f](?=\d{3}\b)", "", answer.replace("\u2212", "-"))
        numbers = re.findall(r"-?\d+(?:\.\d+)?", plain)
        return bool(numbers) and float(numbers[-1]) == float(expected)
    if form == "letter":
        # In prose a lone capital I or A is a word, not the letter that was asked for.
        letters: list[str] = re.findall(r"(?<![\w'])[a-zB-HJ-Z](?![\w'])", answer) or [answer.strip()]
        return letters[-1].lower() == expected
    if form == "json":
        found = re.search(r"\{.*\}", answer, re.DOTALL)
        try:
            return found is not None and bool(json.loads(found[0]) == json.loads(expected))
        except ValueError:
            return False
    flags = re.IGNORECASE if form == "word" else 0
    return re.search(rf"(?<![\w-]){re.escape(expected)}(?![\w-])", answer, flags) is not None


def unit_draw(*parts: object) -> float:
    """Draw from [0, 1) by hash: the same parts give the same number on every machine."""
    digest = hashlib.sha256("\x00".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def right_probability(quality: float, difficulty: Difficulty) -> float:
    """Say how likely a model of this quality answers right: quality on average, more on easy and less on hard prompts.

    >>> right_probability(0.6, "easy"), right_probability(0.6, "hard")
    (0.9, 0.3)
    """
    spread = 0.75 * min(quality, 1.0 - quality)
    return round(quality + spread if difficulty == "easy" else quality - spread, 12)


def wrong_answer(prompt: GradablePrompt, draw: float) -> str:
    """Make a plausible answer that `grade` does not accept."""
    if prompt.form == "number":
        return str(int(prompt.expected) + (1 + int(draw * 9)) * (1 if draw < 0.5 else -1))
    if prompt.form == "letter":
        return chr((ord(prompt.expected) - ord("a") + 1 + int(draw * 25)) % 26 + ord("a"))
    if prompt.form == "json":
        return json.dumps(dict.fromkeys(json.loads(prompt.expected), None))
    if prompt.form == "exact":
        swap = int(draw * (len(prompt.expected) - 1))
        letters = list(prompt.expected)
        letters[swap : swap + 2] = reversed(letters[swap : swap + 2])
        swapped = "".join(letters)
        return swapped if swapped != prompt.expected else prompt.expected[:-1]
    same_kind = [t for t in TEMPLATES if t.kind == prompt.kind and t.difficulty == prompt.difficulty]
    rng = random.Random(f"wrong {prompt.text} {draw}")
    while True:
        other = recognise(same_kind[0].draw(rng))
        if other is not None and other.expected != prompt.expected:
            return other.expected
