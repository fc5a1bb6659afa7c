"""What overflow errors teach: a window that proved smaller than the catalogue says puts its model behind, for an hour.

Only order follows from it. An error may be wrong or about something else; requirements alone exclude.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.question import Question
from pointsman.eligibility.sizing import counted_for, reserve_for
from pointsman.eligibility.tokens import PromptSize

REMEMBERED_SECONDS = 3_600.0
_TEXT_LIMIT = 4_000
_SMALLEST, _LARGEST = 64, 100_000_000
_NUMBER = r"(\d{1,3}(?:,\d{3})+|\d{2,9})"
# How providers and servers name the limit in an error, each from its own words.
_CLAIMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"tokens? > {_NUMBER} maximum",  # Anthropic
        rf"maximum (?:context length|number of tokens|input length|sequence length)[^\d]{{0,40}}{_NUMBER}",  # OpenAI, Gemini
        rf"{_NUMBER} maximum context length",  # Mistral
        rf"(?:context (?:size|window|length))[^\d]{{0,30}}{_NUMBER}",  # llama.cpp, vLLM
        rf"cannot exceed {_NUMBER}",  # Cohere
        rf"(?:limit|maximum) (?:of|is) {_NUMBER} tokens",
    )
)


def claimed_window(error: BaseException) -> int | None:
    """The limit in tokens that an overflow error names, if it names one.

    >>> claimed_window(Exception("This model's maximum context length is 8192 tokens. You requested 9,000 tokens"))
    8192
    >>> claimed_window(Exception("prompt is too long: 212345 tokens > 200000 maximum"))
    200000
    >>> claimed_window(Exception("Input is too long for requested model."))
    """
    try:
        text = str(error)[:_TEXT_LIMIT]
    except Exception:  # noqa: BLE001  a hostile __str__ names no limit
        return None
    for claim in _CLAIMS:
        if (found := claim.search(text)) is not None:
            limit = int(found[1].replace(",", ""))
            return limit if _SMALLEST <= limit <= _LARGEST else None
    return None


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A limit in tokens, or the size of a prompt that was too large: in bytes, or in tokens where it was known."""

    until: float
    limit: int | None
    size: int
    known: bool

    def too_large(self, spec: ModelSpec, question: Question) -> bool:
        size, reserve = question.size, reserve_for(spec, question.request)
        if self.limit is None:
            return size.known == self.known and size.upper >= self.size
        if size.upper + reserve <= self.limit:
            return False
        return counted_for(spec, size, question.factors) + reserve > self.limit


class LearntWindows:
    """The newest lesson per model."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._lessons: dict[str, _Lesson] = {}

    def __bool__(self) -> bool:
        return bool(self._lessons)

    def overflowed(self, spec: ModelSpec, size: PromptSize, error: BaseException, now: float) -> None:
        """Take in an overflow; a limit that the catalogue knew of teaches only that this prompt was too large."""
        claimed = claimed_window(error)
        if claimed is not None and spec.context_window is not None and claimed >= spec.context_window:
            claimed = None
        with self._lock:
            before = self._lessons.get(spec.key)
            smallest = size.upper
            if before is not None and before.limit is None and before.known == size.known:
                smallest = min(smallest, before.size)
            self._lessons[spec.key] = _Lesson(now + REMEMBERED_SECONDS, claimed, smallest, size.known)

    def served(self, spec: ModelSpec, size: PromptSize) -> None:
        """A prompt that was answered corrects what a smaller one taught."""
        lesson = self._lessons.get(spec.key)
        if lesson is not None and lesson.limit is None and lesson.known == size.known and size.upper >= lesson.size:
            with self._lock:
                self._lessons.pop(spec.key, None)

    def too_small(self, question: Question, mask: int, now: float) -> int:
        """Those models of a mask whose window proved too small for this request."""
        found = 0
        with self._lock:
            for key in [key for key, lesson in self._lessons.items() if now >= lesson.until]:
                del self._lessons[key]
            lessons = list(self._lessons.items())
        for key, lesson in lessons:
            bit = question.snapshot.bits.get(key)
            spec = question.snapshot.get(key)
            if bit is not None and spec is not None and mask >> bit & 1 and lesson.too_large(spec, question):
                found |= 1 << bit
        return found
