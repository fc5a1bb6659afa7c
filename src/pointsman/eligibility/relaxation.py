"""The relaxation ladder: when nobody can serve a request, its soft requirements give way, in order and no further.

Rungs go up one at a time until somebody can serve. Then what turned out not to be in the way is asked for again, and
numbers give way by doubling rather than altogether, so that what is left of the wish still counts. Hard requirements
are on no rung.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pointsman.eligibility.masks import eligible
from pointsman.eligibility.question import Question

# What bounds from above is doubled, what bounds from below is halved, at most so often; then it is given up.
_UPPER = frozenset({"max_latency", "max_cost", "max_size"})
_LOWER = frozenset({"min_speed", "min_size"})
_DOUBLINGS = 6
_UNSET: dict[str, Any] = {"expertise": ()}
# Preferences order and never exclude: they give way without a ladder.
_ALWAYS_SOFT = frozenset({"prefer", "prefer_providers"})


class Relaxed(NamedTuple):
    """One requirement that gave way: its name, what was asked, and what is asked instead; None for nothing."""

    name: str
    asked: Any
    instead: Any

    def __str__(self) -> str:
        instead = "anything" if self.instead is None else _in_words(self.instead)
        return f"{self.name} from {_in_words(self.asked)} to {instead}"

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        asked = list(self.asked) if isinstance(self.asked, tuple) else self.asked
        return {"name": self.name, "asked": asked, "instead": self.instead}


def rungs(question: Question) -> list[str]:
    """The requirements of a request that may give way, first to go first."""
    soft = question.request.soft
    names: Sequence[str] = question.rules.relax if soft is None else tuple(soft)
    return [name for name in names if name not in _ALWAYS_SOFT and getattr(question.request, name) not in (None, ())]


def relax(question: Question, serves: Callable[[int], bool] = bool) -> tuple[Question, tuple[Relaxed, ...]] | None:
    """The question with as little given up as lets somebody serve; None if nobody can, whatever gives way.

    Args:
        question: what nobody can serve as it is.
        serves: whether a mask of eligible models holds one that may be used.
    """
    names = rungs(question)
    given_up: dict[str, Any] = {}
    for name in names:
        given_up[name] = _UNSET.get(name)
        if serves(eligible(_without(question, given_up))):
            break
    else:
        return None
    for name in reversed(names):  # what would go last is asked for again first
        if name not in given_up:
            continue
        for value in (getattr(question.request, name), *_milder(name, getattr(question.request, name))):
            tried = {**given_up, name: value}
            if serves(eligible(_without(question, tried))):
                given_up = tried
                break
    asked = question.request
    relaxed = tuple(
        Relaxed(name, getattr(asked, name), given_up[name] or None)
        for name in names
        if name in given_up and given_up[name] != getattr(asked, name)
    )
    return _without(question, given_up), relaxed


def _without(question: Question, changes: dict[str, Any]) -> Question:
    return question._replace(request=question.request.replace(**changes))


def _milder(name: str, value: Any) -> Iterator[float]:
    """The value in ever milder forms, where it is a number."""
    factor = 2.0 if name in _UPPER else 0.5 if name in _LOWER else None
    for _ in range(_DOUBLINGS if factor is not None and value else 0):
        value *= factor
        yield value


def _in_words(value: Any) -> str:
    return " or ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
