"""A ledger as replay reads it: one row per decision with its first attempt, its score, and who else could have served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import StoreError
from pointsman.faults import TABLE, FaultKind
from pointsman.features import KeptFeatures
from pointsman.learning.ledger import ATTEMPTS, DECISIONS, FEEDBACK
from pointsman.learning.rewards import scalar_reward
from pointsman.registry.history import models_at
from pointsman.registry.models import ModelRegistry
from pointsman.stores.base import Store
from pointsman.stores.urls import open_store
from pointsman.types import Request

Measure = Literal["score", "success", "reward", "cost"]
_WHOLE = 1.0 - 1e-6
_CHECKS = "checks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One decision.

    Attributes:
        id: of the decision.
        at: when it was made, seconds since the epoch.
        keys: the models that could be chosen.
        probabilities: with which each was drawn.
        drawn: position of the one that was.
        request: what is known of the request, which is not its prompt.
        input_tokens: size of the prompt as the decision knew it; likewise `output_tokens`, the room for the answer.
        attempts: rows of its attempts, in order.
        feedback: the row of its score.
        left_out: why it cannot be used for estimates: `sticky`, `one candidate`, `too many candidates`,
            `no probability`; None if it can.
    """

    id: str
    at: float
    keys: tuple[str, ...]
    probabilities: tuple[float, ...]
    drawn: int
    request: Request
    input_tokens: int
    output_tokens: int
    attempts: Sequence[Mapping[str, Any]]
    feedback: Mapping[str, Any] | None
    left_out: str | None

    @property
    def first(self) -> Mapping[str, Any] | None:
        """The attempt of the model that was drawn."""
        return next((each for each in self.attempts if each["model"] == self.keys[self.drawn]), None)

    @property
    def answered_by(self) -> str | None:
        """Key of the model that answered; it is the one that was drawn if nobody told of an attempt."""
        if not self.attempts:
            return self.keys[self.drawn]
        return next((str(each["model"]) for each in self.attempts if each["fault"] is None), None)

    def measured(self, measure: Measure) -> float | None:
        """What came of the first attempt; None if that is not known.

        A failure counts whoever is to blame for it: were some left out, models that fail so would be left out with them.
        """
        first = self.first
        if first is None and self.attempts:
            return None
        if first is not None and first.get("cached"):
            return None
        return _MEASURES[measure](first, self.feedback)


@dataclass(frozen=True)
class Log:
    """Rows in the order they were made, and the models they name.

    Attributes:
        rows: every decision that can be read.
        specs: every model that could be chosen, by key.
        strangers: keys of which the registry knows nothing any more.
        unreadable: rows that are not as a ledger writes them.
    """

    rows: Sequence[Row]
    specs: Mapping[str, ModelSpec]
    strangers: frozenset[str] = frozenset()
    unreadable: int = 0


def read_log(source: Any, registry: ModelRegistry | None = None) -> Log:
    """Read a log.

    Args:
        source: a router, a store, a store's URL, or the path of a store's file.
        registry: the models; else the router's own, else those that the store keeps.

    Raises:
        StoreError: E4301, if there is no such file or it is no store.
    """
    if isinstance(source, Log):
        return source
    if hasattr(source, "ledger") and hasattr(source, "registry"):
        source.ledger.flush()
        return _read(source.store, registry or source.registry)
    if not isinstance(source, str | Path):
        return _read(source, registry)
    store = open_existing(source)
    try:
        return _read(store, registry)
    finally:
        store.close()


def open_existing(source: str | Path) -> Store:
    """Open the store of a URL or of a file, which must exist.

    Raises:
        StoreError: E4301.
    """
    text = str(source)
    if "://" not in text and not text.startswith("env:"):
        text = f"{'jsonl' if text.endswith('.jsonl') else 'sqlite'}:///{text}"
    scheme, _, path = text.partition(":///")
    if scheme in ("sqlite", "jsonl") and not Path(path).is_file():
        raise StoreError(f"{path}: there is no such file", hint="name the `store:` of the router whose log it is")
    return open_store(text)


def _read(store: Store, registry: ModelRegistry | None) -> Log:
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    for _, row in store.items(ATTEMPTS):
        attempts.setdefault(str(row.get("decision")), []).append(row)
    feedback = dict(store.items(FEEDBACK))
    rows, unreadable, version = [], 0, ""
    for name, row in store.items(DECISIONS):
        tried = sorted(attempts.get(name, ()), key=lambda each: each["number"])
        try:
            rows.append(_row(name, row, tried, feedback.get(name)))
        except (KeyError, TypeError, ValueError, AttributeError):
            unreadable += 1
        else:
            version = str(row.get("registry", ""))
    rows.sort(key=lambda each: each.at)
    keys = {key for row in rows for key in row.keys}
    specs, strangers = _specs(keys, store, registry, version)
    return Log(rows, specs, strangers, unreadable)


def _row(
    name: str, row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]], feedback: Mapping[str, Any] | None
) -> Row:
    given: Mapping[str, float] = row["probabilities"]
    keys = tuple(given)
    total = sum(given.values())
    probabilities = tuple(float(value) / total for value in given.values()) if total > 0 else (0.0,) * len(keys)
    model = row["model"]
    drawn = keys.index(model) if model in given else -1
    left_out = None
    count = row.get("candidate_count", len(keys) + (total < _WHOLE))
    if row["override"] == "sticky":
        left_out = "sticky"
    elif count > len(keys):
        left_out = "too many candidates"
    elif len(keys) == 1:
        left_out = "one candidate"
    elif drawn < 0 or probabilities[drawn] <= 0.0:
        left_out = "no probability"
    if drawn < 0:
        keys, probabilities, drawn = (*keys, model), (*probabilities, 0.0), len(keys)
    return Row(
        id=name,
        at=float(row["at"]),
        keys=keys,
        probabilities=probabilities,
        drawn=drawn,
        request=_request(row),
        input_tokens=int(row.get("input_tokens", row["input_bound"])),
        output_tokens=int(row["max_output_tokens"] or 1024),
        attempts=attempts,
        feedback=feedback,
        left_out=left_out,
    )


def _request(row: Mapping[str, Any]) -> Request:
    """What is known of the request: never its prompt, but what a contextual policy sees of one."""
    seen = row.get("features") or row.get("memo")
    if not isinstance(seen, list) or not all(isinstance(value, int | float) for value in seen):
        seen = [1.0]
    return Request(
        features=KeptFeatures(map(float, seen)),
        max_output_tokens=row["max_output_tokens"],
        expertise=tuple(row.get("expertise") or ()),
        weights=row.get("weights") or {},
    )


def _specs(
    keys: Iterable[str], store: Store, registry: ModelRegistry | None, version: str
) -> tuple[dict[str, ModelSpec], frozenset[str]]:
    """Every model's facts; of those that nobody knows any more, just the name."""
    known: dict[str, ModelSpec] = {}
    if registry is None:
        stored = (models_at(store, version) if version else None) or models_at(store) or []
        known = {spec.key: spec for spec, _ in stored}
    else:
        known = {key: spec for key in keys if (spec := registry.find_model(key)) is not None}
    strangers = frozenset(keys) - known.keys()
    for key in strangers:
        provider, _, name = key.partition(":")
        known[key] = ModelSpec(name=name or key, provider=provider)
    return known, strangers


# -- what is measured


def _score(first: Mapping[str, Any] | None, feedback: Mapping[str, Any] | None) -> float | None:
    """The score; it belongs to who answered, so a first attempt that failed has 0 where the call was scored at all.

    What checks found wrong with an answer's form is no score of its worth.
    """
    if feedback is None or feedback.get("source") == _CHECKS:
        return None
    if first is not None and first["fault"] is not None:
        return 0.0
    return float(feedback["score"])


def _success(first: Mapping[str, Any] | None, _: Mapping[str, Any] | None) -> float | None:
    return None if first is None else float(first["fault"] is None)


def _reward(first: Mapping[str, Any] | None, _: Mapping[str, Any] | None) -> float | None:
    return None if first is None else (reward_of(first) or 0.0)


def _cost(first: Mapping[str, Any] | None, _: Mapping[str, Any] | None) -> float | None:
    return None if first is None or first["cost"] is None else float(first["cost"])


_MEASURES: Mapping[str, Callable[..., float | None]] = {
    "score": _score,
    "success": _success,
    "reward": _reward,
    "cost": _cost,
}


def reward_of(attempt: Mapping[str, Any]) -> float | None:
    """The scalar reward of an attempt, as learners get it; None for a fault that teaches nothing."""
    if attempt["fault"] is not None:
        return TABLE[FaultKind(attempt["fault"])].reward
    return scalar_reward(seconds=attempt["seconds"], cost=attempt["cost"])
