"""What eligibility is asked and answers in: the question, the form of a check, the reason for an exclusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from pointsman.catalog.parameters import OnUnsupported
from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.tokens import PromptSize
from pointsman.registry.snapshot import Snapshot
from pointsman.types import Request

OnUnknown = Literal["allow", "exclude"]
OnDeprecated = Literal["warn", "prefer_replacement", "refuse"]
AUTO = "auto"
NOTHING_LEARNT: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rules:
    """How strictly requests are matched.

    Attributes:
        on_unknown: what an unknown limit, price or latency means for a request that bounds it.
        on_unsupported: what a parameter means that the model does not take; `exclude` makes it ineligible.
        max_cost: USD per request, on top of the request's own.
        on_deprecated: `warn` (they stay behind the others), `prefer_replacement` (a request that names one gets its
            replacement), or `refuse`.
        relax: requirements that may be relaxed when nobody can serve a request that does not say so itself, first to
            go first.
    """

    on_unknown: OnUnknown = "allow"
    on_unsupported: OnUnsupported = "drop"
    max_cost: float | None = None
    on_deprecated: OnDeprecated = "warn"
    relax: tuple[str, ...] = ()


class Exclusion(NamedTuple):
    """Why a model was left out: the check it failed and the reason in words."""

    check: str
    reason: str

    def __str__(self) -> str:
        return f"{self.check}: {self.reason}"


class Question(NamedTuple):
    """All that a check may look at: `now` in seconds since the epoch, `factors` as `Calibration` learnt them."""

    snapshot: Snapshot
    request: Request
    needs: frozenset[str]
    size: PromptSize
    rules: Rules
    now: float = 0.0
    factors: Mapping[str, float] = NOTHING_LEARNT


class Check(NamedTuple):
    """One requirement: which models meet it, and what to say of those that do not."""

    name: str
    applies: Callable[[Question], bool]
    mask: Callable[[Question], int]
    reason: Callable[[ModelSpec, Question], str]


def at_least(question: Question, bound: str, value: float) -> int:
    """Models whose number is `value` or more, with those that do not state it where the rules allow."""
    known = question.snapshot.bound(bound)
    return or_unknown(question, known.at_least(value), question.snapshot.live & ~known.known)


def at_most(question: Question, bound: str, value: float) -> int:
    """Models whose number is `value` or less, with those that do not state it where the rules allow."""
    known = question.snapshot.bound(bound)
    return or_unknown(question, known.at_most(value), question.snapshot.live & ~known.known)


def or_unknown(question: Question, mask: int, unknown: int) -> int:
    """The mask, with the models that say nothing where the rules allow."""
    return mask | unknown if question.rules.on_unknown == "allow" else mask


def in_words(tokens: int | None) -> str:
    """A number of tokens for people.

    >>> in_words(16000), in_words(None)
    ('16,000', 'an unknown number')
    """
    return "an unknown number" if tokens is None else f"{tokens:,}"
