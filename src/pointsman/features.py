"""What contextual policies see of a prompt: sixteen cheap surface features of its clipped text, and a one.

Only the last user message is read, and of it only the first 160 and the last 340 characters (where tasks are stated
and questions asked), so a prompt of a megabyte costs what a short one costs. The features say what kind of text this
is; they cannot be turned back into the text, so they may be kept in ledgers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite, log, sqrt
from random import Random
from typing import Any

from pointsman.types import Request

HEAD, TAIL = 160, 340
SURFACE = 16
EMBEDDED = 32

_WORD, _UPPER, _DIGIT, _SPACE, _LINE, _STOP, _CODE, _MATH, _QUOTE, _OTHER = b"wudslpcmqo"


def _classes() -> bytes:
    """The class of every Latin-1 character."""
    table = bytearray([_OTHER] * 256)
    for code in range(128):
        if chr(code).isalpha():
            table[code] = _UPPER if chr(code).isupper() else _WORD
    for class_, characters in (
        (_DIGIT, "0123456789"),
        (_SPACE, " \t\r"),
        (_LINE, "\n"),
        (_STOP, ".,;:!?"),
        (_CODE, "{}[]()_#@&|~`"),
        (_MATH, "+-*/=<>^\\%$"),
        (_QUOTE, "\"'"),
    ):
        for character in characters:
            table[ord(character)] = class_
    return bytes(table)


_CLASSES = _classes()
_TO_WORDS = bytes(ord(chr(code).lower()) if chr(code).isalpha() and code < 128 else 32 for code in range(256))

_QUESTION = frozenset(b"what which who whom whose when where why how many much is are does do can".split())
_INSTRUCTION = frozenset(
    b"write explain summarize summarise translate list create generate give describe compare rewrite classify extract "
    b"implement design draft edit improve find show tell make compute output return answer complete".split()
)
_CODING = frozenset(
    b"def class import function code python java javascript sql html string print array null none self var const int "
    b"for while elif lambda api bug error algorithm regex json assert".split()
)
_MATHEMATICS = frozenset(
    b"prove equation integer integers triangle probability solve calculate sum product number numbers function matrix "
    b"angle polynomial real positive frac sqrt theorem derivative integral percent total per each times".split()
)
_TELLING = _QUESTION | _INSTRUCTION | _CODING | _MATHEMATICS


class KeptFeatures(tuple[float, ...]):
    """Features as `features_of` gave them once, such as a ledger keeps them; as a request's `features` they are taken as they are."""

    __slots__ = ()


def features_of(request: Request) -> list[float]:
    """The features of a request: a one, then the surface of its text, or zeros and the caller's embedding.

    >>> len(features_of(Request(messages="What is 2 + 2?")))
    17
    """
    if request.features is not None:
        if isinstance(request.features, KeptFeatures):
            return list(request.features)
        return [1.0, *(0.0,) * SURFACE, *embedded(request.features)]
    return [1.0, *surface(prompt_text(request))]


def surface(text: str) -> list[float]:
    """Sixteen numbers about the look of a text: 0 where a thing is absent, 1 where it abounds.

    In order: length (from -1 to 1); shares of digits, capitals, punctuation, code signs, mathematical signs, line ends, quotation
    marks, and what is not ASCII; length of words; shares of words that ask, instruct, belong to code, to mathematics;
    short lines; whether a question mark comes near the end.
    """
    length = len(text)
    if length > HEAD + TAIL:
        text = f"{text[:HEAD]} {text[-TAIL:]}"
    is_ascii = text.isascii()
    raw = text.encode() if is_ascii else text.encode("latin-1", "replace")
    kinds = raw.translate(_CLASSES)
    # `replace` writes question marks, so what Latin-1 does not hold is counted on the text.
    foreign = 0 if is_ascii else sum(character > "\x7f" for character in text)
    size = len(kinds) or 1
    words = raw.translate(_TO_WORDS).split()
    count = len(words) or 1
    capitals, lines = kinds.count(_UPPER), kinds.count(_LINE)
    letters = kinds.count(_WORD) + capitals
    asks = instructs = codes = reckons = 0
    for word in filter(_TELLING.__contains__, words):
        asks += word in _QUESTION
        instructs += word in _INSTRUCTION
        codes += word in _CODING
        reckons += word in _MATHEMATICS
    return [
        _clip((log(length + 1.0) - 5.5) / 2.0),
        _share(kinds.count(_DIGIT), size, 0.2),
        _share(capitals, size, 0.2),
        _share(kinds.count(_STOP), size, 0.13),
        _share(kinds.count(_CODE), size, 0.13),
        _share(kinds.count(_MATH), size, 0.13),
        _share(lines, size, 0.07),
        _share(kinds.count(_QUOTE), size, 0.07),
        _share(foreign, size, 0.6),
        _clip(letters / count - 4.5) if words else 0.0,
        _share(asks, count, 0.25),
        _share(instructs, count, 0.13),
        _share(codes, count, 0.2),
        _share(reckons, count, 0.2),
        max(0.0, 1.0 - size / (lines + 1.0) / 80.0),
        1.0 if b"?" in raw[-40:] else 0.0,
    ]


def prompt_text(request: Request) -> str:
    """The text of the last user message, else of the last message that has one."""
    messages: Any = request.messages
    if type(messages) is not list and not isinstance(messages, Sequence):
        return ""
    fallback = ""
    for message in reversed(messages):
        is_mapping = type(message) is dict or isinstance(message, Mapping)
        role = message.get("role") if is_mapping else _role(message)
        text = _text(message.get("content") if is_mapping else getattr(message, "content", None))
        if text and role in ("user", "human"):
            return text
        fallback = fallback or text
    return fallback


def _role(message: Any) -> Any:
    """LangChain's messages say it as their type, and take long to say that they have no role."""
    kind = getattr(message, "type", None)
    return kind if kind == "human" else getattr(message, "role", None) or kind


def embedded(values: Sequence[float]) -> list[float]:
    """A caller's embedding as 32 numbers of length 2; longer ones are folded by signs drawn once (a count sketch).

    Folding keeps inner products in expectation (Charikar, Chen and Farach-Colton 2002).
    """
    folded = [0.0] * EMBEDDED
    if len(values) <= EMBEDDED:
        for position, value in enumerate(values):
            folded[position] = _finite(value)
    else:
        for value, (position, sign) in zip(values, _folds(len(values)), strict=True):
            folded[position] += sign * _finite(value)
    length = sqrt(sum(value * value for value in folded))
    return [2.0 * value / length for value in folded] if 0.0 < length < float("inf") else [0.0] * EMBEDDED


@lru_cache(maxsize=8)
def _folds(size: int) -> list[tuple[int, float]]:
    """Where each position of an embedding goes, and with which sign; the same in every process."""
    chance = Random(0)
    return [(chance.randrange(EMBEDDED), chance.choice((-1.0, 1.0))) for _ in range(size)]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str) and text:
            parts.append(text)
    return "\n".join(parts)


def _share(count: int, of: int, abundant: float) -> float:
    """A share as a number from 0 to 1, which it reaches where it is `abundant`."""
    return min(count / of / abundant, 1.0) if count else 0.0  # most things are absent from most texts


def _clip(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if isfinite(number) else 0.0
