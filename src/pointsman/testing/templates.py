"""The kinds of prompt that can be graded: how each is drawn, recognised, solved and got wrong.

Prompts are recognised by their text alone, so a server needs no list of the prompts that a client drew.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["TEMPLATES", "AnswerForm", "Difficulty", "Template"]

Difficulty = Literal["easy", "hard"]
AnswerForm = Literal["number", "letter", "word", "exact", "json"]

_WORDS = re.findall(
    r"[a-z]+",
    "harbour lantern meadow signal junction copper violet thunder orchard saddle marble pigeon candle gravel timber "
    "velvet anchor bridge walnut parcel ticket station whistle carriage platform engine boiler piston tunnel viaduct "
    "freight buffer lever semaphore gauge sleeper coupling throttle ballast turntable",
)
_EASY_CAPITALS: dict[str, str] = dict(
    re.findall(
        r"(\w+)=([\w-]+)",
        "France=Paris Japan=Tokyo Italy=Rome Spain=Madrid Egypt=Cairo Germany=Berlin Greece=Athens Portugal=Lisbon "
        "Austria=Vienna Poland=Warsaw Ireland=Dublin Norway=Oslo Sweden=Stockholm Finland=Helsinki Denmark=Copenhagen "
        "Cuba=Havana Peru=Lima Kenya=Nairobi Canada=Ottawa Hungary=Budapest Belgium=Brussels China=Beijing",
    )
)
_HARD_CAPITALS: dict[str, str] = dict(
    re.findall(
        r"(\w+)=([\w-]+)",
        "Kyrgyzstan=Bishkek Bhutan=Thimphu Burundi=Gitega Palau=Ngerulmud Eritrea=Asmara Suriname=Paramaribo "
        "Lesotho=Maseru Malawi=Lilongwe Turkmenistan=Ashgabat Vanuatu=Port-Vila Tuvalu=Funafuti Togo=Lome "
        "Mauritania=Nouakchott Moldova=Chisinau Tajikistan=Dushanbe Namibia=Windhoek Gabon=Libreville "
        "Tonga=Nukualofa Myanmar=Naypyidaw Botswana=Gaborone Rwanda=Kigali",
    )
)
_EASY_UNITS = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("kilograms", "grams", 1000),
    ("weeks", "days", 7),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Template:
    """One form of prompt; `solve` takes what the groups of `pattern` matched."""

    kind: str
    difficulty: Difficulty
    form: AnswerForm
    pattern: re.Pattern[str]
    draw: Callable[[random.Random], str]
    solve: Callable[..., str]


def _arithmetic(left: str, operator: str, right: str) -> str:
    a, b = int(left), int(right)
    return str({"+": a + b, "-": a - b, "*": a * b}[operator])


def _product_less(left: str, right: str, less: str) -> str:
    return str(int(left) * int(right) - int(less))


def _unit(amount: str, source: str, target: str) -> str:
    factors = {(a, b): factor for a, b, factor in _EASY_UNITS}
    return str(int(amount) * factors[source, target])


def _path_value(path: str, document: str) -> str:
    value = json.loads(document)
    for step in re.findall(r"\w+", path):
        value = value[int(step)] if step.isdigit() else value[step]
    return str(value)


def _draw_document(rng: random.Random) -> str:
    outer, inner = rng.sample(_WORDS, 2)
    document = {outer: {inner: [rng.randint(10, 99) for _ in range(3)]}}
    return f"Which number stands at {outer}.{inner}[{rng.randrange(3)}] in the JSON document {json.dumps(document)}?"


def _days_after(count: str, day: str) -> str:
    return _DAYS[(_DAYS.index(day) + int(count)) % 7]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(", ")]


TEMPLATES: tuple[Template, ...] = (
    Template(
        "arithmetic",
        "easy",
        "number",
        re.compile(r"What is (\d+) ([+*-]) (\d+)\?"),
        lambda rng: f"What is {rng.randint(11, 99)} {rng.choice('+-')} {rng.randint(2, 11)}?",
        _arithmetic,
    ),
    Template(
        "arithmetic",
        "hard",
        "number",
        re.compile(r"Compute (\d+) \* (\d+) - (\d+)\. Give only the number\."),
        lambda rng: (
            f"Compute {rng.randint(112, 989)} * {rng.randint(23, 98)} - {rng.randint(100, 2000)}. Give only the number."
        ),
        _product_less,
    ),
    Template(
        "units",
        "easy",
        "number",
        re.compile(r"How many (\w+) are (\d+) (\w+)\?"),
        lambda rng: "How many {1} are {2} {0}?".format(*rng.choice(_EASY_UNITS)[:2], rng.randint(2, 60)),
        lambda target, amount, source: _unit(amount, source, target),
    ),
    Template(
        "units",
        "hard",
        "number",
        re.compile(r"How many seconds are in (\d+) hours, (\d+) minutes and (\d+) seconds\?"),
        lambda rng: (
            f"How many seconds are in {rng.randint(3, 47)} hours, {rng.randint(7, 59)} minutes and {rng.randint(2, 59)} seconds?"
        ),
        lambda hours, minutes, seconds: str(int(hours) * 3600 + int(minutes) * 60 + int(seconds)),
    ),
    Template(
        "units",
        "hard",
        "number",
        re.compile(r"Convert (-?\d+) degrees Fahrenheit to degrees Celsius\."),
        lambda rng: f"Convert {rng.randint(-8, 40) * 9 + 32} degrees Fahrenheit to degrees Celsius.",
        lambda degrees: str((int(degrees) - 32) * 5 // 9),
    ),
    Template(
        "text",
        "easy",
        "exact",
        re.compile(r"Write the word '([a-z]+)' in capital letters\."),
        lambda rng: f"Write the word '{rng.choice(_WORDS)}' in capital letters.",
        str.upper,
    ),
    Template(
        "text",
        "easy",
        "letter",
        re.compile(r"Which letter is the (\w+) one of the word '([a-z]+)'\?"),
        lambda rng: f"Which letter is the {rng.choice(_ORDINALS)} one of the word '{rng.choice(_WORDS)}'?",
        lambda ordinal, word: word[_ORDINALS.index(ordinal)],
    ),
    Template(
        "text",
        "hard",
        "exact",
        re.compile(r"Write the word '([a-z]+)' backwards\."),
        lambda rng: f"Write the word '{rng.choice(_WORDS)}' backwards.",
        lambda word: word[::-1],
    ),
    Template(
        "text",
        "hard",
        "number",
        re.compile(r"How often does the letter '([a-z])' occur in '([a-z ]+)'\?"),
        lambda rng: (
            f"How often does the letter '{rng.choice('aeiourtnl')}' occur in '{' '.join(rng.sample(_WORDS, 4))}'?"
        ),
        lambda letter, words: str(words.count(letter)),
    ),
    Template(
        "capitals",
        "easy",
        "word",
        re.compile(rf"What is the capital of ({'|'.join(_EASY_CAPITALS)})\?"),
        lambda rng: f"What is the capital of {rng.choice(list(_EASY_CAPITALS))}?",
        _EASY_CAPITALS.__getitem__,
    ),
    Template(
        "capitals",
        "hard",
        "word",
        re.compile(rf"What is the capital of ({'|'.join(_HARD_CAPITALS)})\?"),
        lambda rng: f"What is the capital of {rng.choice(list(_HARD_CAPITALS))}?",
        _HARD_CAPITALS.__getitem__,
    ),
    Template(
        "code",
        "easy",
        "number",
        re.compile(r"What does `len\(\"([a-z]+)\"\) \+ (\d+)` evaluate to in Python\?"),
        lambda rng: f'What does `len("{rng.choice(_WORDS)}") + {rng.randint(0, 30)}` evaluate to in Python?',
        lambda word, more: str(len(word) + int(more)),
    ),
    Template(
        "code",
        "hard",
        "number",
        re.compile(r"What does `sum\(n \* n for n in range\((\d+), (\d+)\) if n % (\d+)\)` evaluate to in Python\?"),
        lambda rng: (
            f"What does `sum(n * n for n in range({rng.randint(1, 6)}, {rng.randint(8, 15)}) if n % {rng.randint(2, 4)})` "
            "evaluate to in Python?"
        ),
        lambda low, high, modulus: str(sum(n * n for n in range(int(low), int(high)) if n % int(modulus))),
    ),
    Template(
        "code",
        "hard",
        "number",
        re.compile(r"What does `sorted\(\[([\d, ]+)\]\)\[(\d)\]` evaluate to in Python\?"),
        lambda rng: f"What does `sorted({rng.sample(range(100, 999), 7)})[{rng.randrange(7)}]` evaluate to in Python?",
        lambda numbers, index: str(sorted(_numbers(numbers))[int(index)]),
    ),
    Template(
        "json",
        "easy",
        "json",
        re.compile(r"Answer with a JSON object that has the one key \"(\w+)\" with the number (\d+)\."),
        lambda rng: (
            f'Answer with a JSON object that has the one key "{rng.choice(_WORDS)}" with the number {rng.randint(1, 99)}.'
        ),
        lambda key, number: json.dumps({key: int(number)}),
    ),
    Template(
        "json",
        "hard",
        "number",
        re.compile(r"Which number stands at ([\w.]+\[\d\]) in the JSON document (\{.*\})\?"),
        _draw_document,
        _path_value,
    ),
    Template(
        "days",
        "easy",
        "word",
        re.compile(r"Which day of the week comes (\d) days after (\w+)\?"),
        lambda rng: f"Which day of the week comes {rng.randint(2, 5)} days after {rng.choice(_DAYS)}?",
        _days_after,
    ),
    Template(
        "days",
        "hard",
        "word",
        re.compile(r"Which day of the week comes (\d\d+) days after (\w+)\?"),
        lambda rng: (
            f"Which day of the week comes {rng.choice([n for n in range(30, 400) if n % 7])} days after {rng.choice(_DAYS)}?"
        ),
        _days_after,
    ),
)
