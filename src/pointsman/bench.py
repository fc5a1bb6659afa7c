"""Measures models by real calls: latency, speed and, on prompts with known answers, quality; as facts with evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from pointsman.catalog.bounds import short
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import CatalogError, ConfigError
from pointsman.faults import classify
from pointsman.learning.rewards import cost_of
from pointsman.router import Router
from pointsman.types import Messages, Request

GENERAL = "general"
_LONGEST_FILE = 64 * 1024 * 1024
_KEYS = {"prompt", "messages", "expected", "regex", "expertise"}


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt, and how its answer is judged.

    Attributes:
        messages: what is asked.
        expected: words that a right answer contains, whatever their case and spacing.
        regex: what a right answer matches somewhere.
        expertise: the field it is about, under which its score is kept.
    """

    messages: Messages | str
    expected: str | None = None
    regex: re.Pattern[str] | None = None
    expertise: str = GENERAL

    @property
    def scored(self) -> bool:
        """Whether its answer can be judged."""
        return self.expected is not None or self.regex is not None

    def score(self, answer: str) -> float:
        """1 for a right answer, else 0."""
        if self.regex is not None:
            return float(self.regex.search(answer) is not None)
        words, found = _plain(self.expected or ""), _plain(answer)
        return float(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", found) is not None)


@dataclass(slots=True)
class Measurement:
    """What a model's calls came to; empty lists where none was answered."""

    model: str
    seconds: list[float] = field(default_factory=list)
    ttft: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    cost: float = 0.0
    scores: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def quality(self) -> dict[str, float]:
        """Mean score per field."""
        return {name: sum(scores) / len(scores) for name, scores in self.scores.items()}

    def as_dict(self) -> dict[str, Any]:
        """Figures as JSON values."""
        return {
            "model": self.model,
            "answers": len(self.seconds),
            "faults": self.faults,
            "latency_p50": _rounded(quantile(self.seconds, 0.5)),
            "latency_p99": _rounded(quantile(self.seconds, 0.99)),
            "ttft_p50": _rounded(quantile(self.ttft, 0.5)),
            "tokens_per_second": _rounded(median(self.speeds) if self.speeds else None),
            "quality": {name: _rounded(value) for name, value in self.quality.items()},
            "cost_usd": self.cost,
        }

    def facts(self, spec: ModelSpec, day: date) -> dict[str, Any]:
        """What to lay over the model's facts, each with where it comes from; nothing if no call was answered."""
        figures = self.as_dict()
        measured = {
            name: figures[name]
            for name in ("latency_p50", "latency_p99", "tokens_per_second")
            if figures[name] is not None and (figures[name] > 0 or name != "tokens_per_second")
        }
        if self.scores:
            measured["quality"] = {**spec.quality, **figures["quality"]}
        if not measured:
            return {}
        source = {"source": f"pointsman bench, {len(self.seconds)} answers", "as_of": day.isoformat()}
        known = {name: each.model_dump(mode="json") for name, each in spec.evidence.items()}
        return {**measured, "evidence": {**known, **dict.fromkeys(measured, source)}}


def measure(
    router: Router,
    spec: ModelSpec,
    tasks: Sequence[Task],
    call: Callable[[Any], Any],
    text_of: Callable[[Any], str],
    *,
    on_answer: Callable[[], None] = lambda: None,
) -> Measurement:
    """Ask one model every task, one after the other, streaming.

    Args:
        router: carries the calls out; it learns from them, so it should not be the one that serves.
        spec: the model.
        tasks: what to ask.
        call: makes one attempt and returns chunks, such as `pointsman.caller.complete_stream`.
        text_of: the text of a chunk.
        on_answer: called after each task.
    """
    found = Measurement(spec.key)
    for task in tasks:
        try:
            decision = router.decide(Request(messages=task.messages, model=spec.key))
            stream = router.stream(decision, call, dialect="openai", honours_timeout=True, attempts=1, retries=0)
            answer = "".join(text_of(chunk) for chunk in stream)
        except Exception as error:  # noqa: BLE001  a model that fails is a finding
            found.faults.append(_name_of(error))
        else:
            if stream.record is not None:
                _take(found, stream.record.attempts[-1].outcome, spec)
            if task.scored:
                found.scores.setdefault(task.expertise, []).append(task.score(answer))
        on_answer()
    return found


def read_tasks(path: str) -> list[Task]:
    """Read prompts as JSON lines: `{"prompt": ..., "expected": ...}`, or `"regex"` in place of `"expected"`.

    Raises:
        ConfigError: E4006, located by line.
    """
    try:
        if Path(path).stat().st_size > _LONGEST_FILE:
            raise ConfigError("the file is larger than 64 MB", path=path)
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise CatalogError(f"cannot read the file: {reason.lower()}", path=path, hint="check the path") from None
    tasks = [_task(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if not tasks:
        raise ConfigError("the file has no prompts", path=path)
    return tasks


def quantile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least this share does not exceed.

    >>> quantile([3.0, 1.0, 2.0], 0.5), quantile([3.0, 1.0, 2.0], 0.99), quantile([], 0.5)
    (2.0, 3.0, None)
    """
    ordered = sorted(values)
    return ordered[max(-int(-share * len(ordered) // 1) - 1, 0)] if ordered else None


def _task(line: str, path: str, number: int) -> Task:
    def wrong(what: str, hint: str | None = None) -> ConfigError:
        return ConfigError(what, path=path, line=number, column=1, hint=hint)

    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise wrong("the line is no JSON") from None
    if not isinstance(row, dict):
        raise wrong(f"found {short(str(row))}; expected an object", 'such as {"prompt": "2 + 2?", "expected": "4"}')
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        raise wrong(f"there is no field {short(unknown[0])}", f"one of: {', '.join(sorted(_KEYS))}")
    messages = row.get("messages", row.get("prompt"))
    if not messages or not isinstance(messages, str | list) or ("messages" in row) == ("prompt" in row):
        raise wrong("expected either `prompt`, a text, or `messages`")
    for name in ("expected", "regex", "expertise"):
        if not isinstance(row.get(name), str | None):
            raise wrong(f"`{name}` is {short(str(row[name]))}; expected a text")
    try:
        regex = None if row.get("regex") is None else re.compile(row["regex"])
    except re.error as error:
        raise wrong(f"`regex` is no regular expression: {error}") from None
    return Task(messages, row.get("expected"), regex, row.get("expertise") or GENERAL)


def _take(found: Measurement, outcome: Any, spec: ModelSpec) -> None:
    if outcome.seconds is not None:
        found.seconds.append(outcome.seconds)
        if outcome.output_tokens and outcome.seconds > 0:
            found.speeds.append(outcome.output_tokens / outcome.seconds)
    if outcome.ttft is not None:
        found.ttft.append(outcome.ttft)
    found.cost += cost_of(spec, outcome) or 0.0


def _name_of(error: Exception) -> str:
    """Of a call that had one attempt: what that failed of; else the type of what stopped it."""
    causes = list(_leaves(error))
    kind = classify(causes[0]).kind.value if causes else "unknown"
    return kind if kind not in ("unknown", "local") else type(error).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error.__cause__ or error


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
