"""Full-information traces: prompts, and for each of them every model's score, cost and tokens.

A trace is a CSV file or JSON lines (either may end in `.gz`) with a row per prompt and model:

| column | what it is |
|---|---|
| `prompt_id` | names the prompt; needed unless `prompt` is there |
| `model` | names the model |
| `score` | 0 to 1 |
| `cost_usd` (or `cost`) | USD of this answer; unknown counts as 0 |
| `prompt` | its text, once per prompt is enough; contextual policies look at it |
| `input_tokens`, `output_tokens` | where they are known |

Files beside it are read too: of `NAME.scores.csv` they are `NAME.models.csv` (`model`, `price_in` and `price_out` in USD per
million tokens, `quality_prior`) and `NAME.prompts.csv` (`prompt_id`, `prompt`, `input_tokens`). Without prices, each model
is given one price per token that makes its costs come out.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidTraceError
from pointsman.replay.estimators import Vector

_LONGEST_FIELD = 8 * 1024 * 1024
_UNKNOWN_PRIOR = 0.5
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Trace:
    """What every model answered to every prompt.

    Attributes:
        name: of the trace.
        prompts: texts; empty where they are not known.
        prompt_tokens: their sizes.
        models: names.
        prices: USD per million tokens, input and output, per model.
        priors: quality beforehand, by something that is not this trace; None where it is not known.
        scores: 0 to 1, prompts by models, as `costs` in USD and `output_tokens`.
    """

    name: str
    prompts: Sequence[str]
    prompt_tokens: Sequence[int]
    models: Sequence[str]
    prices: Sequence[tuple[float, float]]
    priors: Sequence[float | None]
    scores: Vector
    costs: Vector
    output_tokens: Vector

    def __repr__(self) -> str:
        return f"Trace({self.name!r}, {len(self.prompts)} prompts, {len(self.models)} models)"


def specs_of(trace: Trace) -> Iterator[ModelSpec]:
    """Describe the models of a trace, in its order."""
    for name, (price_in, price_out), prior in zip(trace.models, trace.prices, trace.priors, strict=True):
        yield ModelSpec(
            name=name,
            provider="trace",
            capabilities=("generation.text.chat",),
            cost_per_1m_input_tokens=price_in,
            cost_per_1m_output_tokens=price_out,
            quality={} if prior is None else {"general": prior},
        )


def read_trace(path: str | Path) -> Trace:
    """Read a trace from its file.

    Raises:
        InvalidTraceError: E4305, with the line.
    """
    path = Path(path)
    name, kind = _split(path)
    rows = _Rows(path)
    models: dict[str, int] = {}
    prompts: dict[str, int] = {}
    texts: dict[int, str] = {}
    sizes: dict[int, int] = {}
    found: dict[tuple[int, int], tuple[float, float, float]] = {}
    for row in rows:
        prompt_id = row.text("prompt_id") or row.text("prompt")
        model = row.text("model")
        if not prompt_id or not model:
            raise row.wrong("a row needs a model and a prompt_id (or a prompt)")
        at = prompts.setdefault(prompt_id, len(prompts)), models.setdefault(model, len(models))
        if at in found:
            raise row.wrong(f"model {model[:64]!r} has a row for this prompt already")
        found[at] = row.score(), row.amount("cost_usd", "cost") or 0.0, row.amount("output_tokens") or math.nan
        if text := row.text("prompt"):
            texts[at[0]] = text
        if (size := row.amount("input_tokens")) is not None:
            sizes[at[0]] = int(size)
    if not found:
        raise InvalidTraceError("there are no rows", path=str(path), hint="expected prompt_id, model, score, cost_usd")
    missing = len(prompts) * len(models) - len(found)
    if missing:
        first = next(key for key, at in prompts.items() if any((at, model) not in found for model in models.values()))
        raise InvalidTraceError(
            f"{missing} answers are missing: not every model answered prompt {first[:64]!r}",
            path=str(path),
            hint="a trace needs a row for every prompt and model",
        )
    for row in _Rows(path.with_name(f"{name}.prompts{kind}"), optional=True):
        position = prompts.get(row.text("prompt_id"))
        if position is not None:
            texts[position] = row.text("prompt")
            sizes.setdefault(position, int(row.amount("input_tokens") or 0))
    table = np.array([[found[prompt, model] for model in range(len(models))] for prompt in range(len(prompts))])
    known = [texts.get(at, "") for at in range(len(prompts))]
    tokens = [sizes.get(at) or len(known[at].encode()) // _BYTES_PER_TOKEN for at in range(len(prompts))]
    output = np.where(np.isnan(table[:, :, 2]), 0.0, table[:, :, 2])
    prices, priors = _facts(path, name, kind, models)
    return Trace(
        name=name,
        prompts=known,
        prompt_tokens=tokens,
        models=list(models),
        prices=prices or _prices_from(table[:, :, 1], np.array(tokens, dtype=float), output),
        priors=priors,
        scores=table[:, :, 0],
        costs=table[:, :, 1],
        output_tokens=output,
    )


def is_trace(path: str | Path) -> bool:
    """Whether a file is named, and begins, like a trace rather than a store."""
    path = Path(path)
    if not any(path.name.endswith(f"{suffix}{gz}") for suffix in (".csv", ".jsonl") for gz in ("", ".gz")):
        return False
    if not path.name.endswith(".jsonl") or not path.is_file():
        return True
    with path.open("rb") as file:
        return not file.read(64).startswith(b'{"pointsman":')


def _split(path: Path) -> tuple[str, str]:
    """The trace's name, and the suffix that the files beside it have: `x.scores.csv.gz` is (`x`, `.csv.gz`)."""
    name = path.name
    for suffix in (".csv.gz", ".jsonl.gz", ".csv", ".jsonl"):
        if name.endswith(suffix):
            return name.removesuffix(suffix).removesuffix(".scores"), suffix
    return name, ""


def _facts(
    path: Path, name: str, kind: str, models: Mapping[str, int]
) -> tuple[list[tuple[float, float]] | None, list[float | None]]:
    """Prices and priors from the file of models, if there is one."""
    prices: dict[int, tuple[float, float]] = {}
    priors: list[float | None] = [None] * len(models)
    for suffix in dict.fromkeys((kind, kind.removesuffix(".gz"))):
        for row in _Rows(path.with_name(f"{name}.models{suffix}"), optional=True):
            at = models.get(row.text("model"))
            if at is not None:
                price_in, price_out = row.amount("price_in"), row.amount("price_out")
                if price_in is not None and price_out is not None:
                    prices[at] = price_in, price_out
                prior = row.amount("quality_prior", "quality")
                priors[at] = None if prior is None else min(prior, 1.0)
    return ([prices[at] for at in range(len(models))] if len(prices) == len(models) else None), priors


def _prices_from(costs: Vector, prompt_tokens: Vector, output_tokens: Vector) -> list[tuple[float, float]]:
    """One price per token and model, by which its costs come out."""
    tokens = np.maximum(prompt_tokens.sum() + output_tokens.sum(axis=0), 1.0)
    return [(price, price) for price in (costs.sum(axis=0) / tokens * 1e6).tolist()]


class _Line:
    """One row with its place."""

    def __init__(self, values: Mapping[str, Any], path: Path, number: int) -> None:
        self._values = values
        self._path = path
        self._number = number

    def text(self, name: str) -> str:
        value = self._values.get(name)
        return "" if value is None else str(value)

    def amount(self, *names: str) -> float | None:
        """A number that is not negative, under the first of these names that is there."""
        given = next((value for name in names if (value := self._values.get(name)) not in (None, "")), None)
        if given is None:
            return None
        try:
            number = float(given)
        except (TypeError, ValueError):
            number = math.nan
        if not 0.0 <= number < math.inf:
            raise self.wrong(f"{names[0]} is {str(given)[:32]!r}; expected a number that is not negative")
        return number

    def score(self) -> float:
        score = self.amount("score")
        if score is None or score > 1.0:
            raise self.wrong(f"score is {self.text('score')[:32]!r}; expected a number from 0 to 1")
        return score

    def wrong(self, message: str) -> InvalidTraceError:
        return InvalidTraceError(message, path=str(self._path), line=self._number)


class _Rows:
    """Rows of a CSV file or of JSON lines."""

    def __init__(self, path: Path, *, optional: bool = False) -> None:
        self._path = path
        self._optional = optional

    def __iter__(self) -> Iterator[_Line]:
        if self._optional and not self._path.is_file():
            return
        try:
            with self._open() as file:
                yield from self._csv(file) if ".csv" in self._path.name else self._json(file)
        except OSError as error:
            reason = (error.strerror or str(error) or type(error).__name__).lower()
            raise InvalidTraceError(reason, path=str(self._path)) from None
        except (UnicodeDecodeError, EOFError, csv.Error) as error:
            raise InvalidTraceError(f"it cannot be read: {error}", path=str(self._path)) from None

    def _open(self) -> IO[str]:
        if self._path.name.endswith(".gz"):
            return gzip.open(self._path, "rt", encoding="utf-8", newline="")
        return self._path.open(encoding="utf-8", newline="")

    def _csv(self, file: IO[str]) -> Iterator[_Line]:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            reader = csv.DictReader(file)
            for values in reader:
                yield _Line(values, self._path, reader.line_num)
        finally:
            csv.field_size_limit(before)

    def _json(self, file: IO[str]) -> Iterator[_Line]:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except ValueError:
                values = None
            if not isinstance(values, dict):
                raise InvalidTraceError("expected a JSON object", path=str(self._path), line=number)
            yield _Line(values, self._path, number)
