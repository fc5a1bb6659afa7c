"""What estimates on a log come to: per policy, and side by side, for people, notebooks and programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from pointsman.errors import NoSupportError
from pointsman.html import table
from pointsman.replay.estimators import Estimate

COLUMNS = ("policy", "DR", "SNIPS", "IPS", "gain", "cost", "effective rows", "largest weight", "support")


class Bin(NamedTuple):
    """Rows that an outcome model expected about the same of: the mean it expected, the mean measured, how many."""

    expected: float
    measured: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a policy would have done on a log's requests; estimates are per request and have 95 % intervals.

    Attributes:
        policy: its name.
        dr: doubly robust estimate, the one to read first.
        snips: self-normalised estimate, which needs no outcome model.
        ips: inverse propensity score.
        direct: what the outcome model alone says.
        gain: doubly robust estimate of what it gets more than the log did, on the same rows.
        cost: USD of a first attempt that answered, self-normalised; None where too few bills are known.
        rows: that the estimates are made from.
        effective_rows: how many rows of its own would say as much.
        max_weight: how much the heaviest row counts; 1 is what it would count in a log of its own.
        mean_weight: about 1, if the log's probabilities are right.
        support: share of its choices that the log has rows of.
    """

    policy: str
    dr: Estimate
    snips: Estimate
    ips: Estimate
    direct: float
    gain: Estimate
    cost: Estimate | None
    rows: int
    effective_rows: float
    max_weight: float
    mean_weight: float
    support: float

    @property
    def cells(self) -> tuple[str, ...]:
        """A line of a table, as `COLUMNS` names them."""
        return (
            self.policy,
            _interval(self.dr),
            _interval(self.snips),
            _interval(self.ips),
            f"{self.gain.mean:+.3f} [{self.gain.low:+.3f}, {self.gain.high:+.3f}]",
            _usd(self.cost),
            f"{self.effective_rows:.0f}",
            f"{self.max_weight:.1f}",
            f"{self.support:.1%}",
        )

    def __str__(self) -> str:
        return "\n".join(f"{name:<16}{cell}" for name, cell in zip(COLUMNS, self.cells, strict=True))

    def _repr_html_(self) -> str:
        """One line as a table, for notebooks."""
        return table(f"{self.policy} on a log", COLUMNS, [self.cells], f"{self.rows} rows; 95 % intervals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Policies side by side on the same rows of one log.

    Attributes:
        measure: what was estimated.
        rows: decisions in the log.
        used: rows that estimates are made from.
        warm_up: rows that were only learnt from.
        left_out: how many rows were not used, by the reason.
        strangers: models of the log that no registry knows any more, so without price or quality.
        logged: what the log's own policy got; likewise `logged_cost` in USD.
        evaluations: of the policies that the log can say something of.
        refusals: of the others.
        calibration: of the outcome model.
    """

    measure: str
    rows: int
    used: int
    warm_up: int
    left_out: Mapping[str, int]
    strangers: Sequence[str]
    logged: Estimate | None
    logged_cost: Estimate | None
    evaluations: tuple[Evaluation, ...]
    refusals: tuple[NoSupportError, ...]
    calibration: tuple[Bin, ...]

    def __getitem__(self, policy: str) -> Evaluation:
        """A policy's evaluation by its name."""
        for each in self.evaluations:
            if each.policy == policy:
                return each
        raise KeyError(policy)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The lines of a table, the log's own policy first."""
        lines: list[tuple[str, ...]] = []
        if self.logged is not None:
            own = _interval(self.logged)
            lines.append(("as logged", own, own, own, "", _usd(self.logged_cost), str(self.used), "1.0", "100.0%"))
        return lines + [each.cells for each in self.evaluations]

    @property
    def note(self) -> str:
        """What the figures are made from, in a sentence."""
        parts = [f"{self.used} of {self.rows} decisions used"]
        if self.warm_up:
            parts.append(f"{self.warm_up} only learnt from")
        parts += [f"{count} left out: {reason}" for reason, count in sorted(self.left_out.items())]
        if self.strangers:
            parts.append(f"no price or quality is known of {', '.join(self.strangers[:3])}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "measure": self.measure,
            "rows": self.rows,
            "used": self.used,
            "warm_up": self.warm_up,
            "left_out": dict(self.left_out),
            "strangers": list(self.strangers),
            "logged": None if self.logged is None else asdict(self.logged),
            "logged_cost": None if self.logged_cost is None else asdict(self.logged_cost),
            "evaluations": [asdict(each) for each in self.evaluations],
            "refusals": [
                {"policy": each.policy, "reason": each.reason, "message": each.message, "figures": each.figures}
                for each in self.refusals
            ],
            "calibration": [each._asdict() for each in self.calibration],
        }

    @property
    def text(self) -> str:
        """The table, without what was refused."""
        title = f"{self.measure} per request, 95 % intervals: {self.note}"
        return "\n".join([title, *text_table(COLUMNS, self.cells)])

    def __repr__(self) -> str:
        """Short: print it, or show it in a notebook, for the table."""
        named = [each.policy for each in self.evaluations]
        refused = [each.policy for each in self.refusals]
        return f"Comparison({self.measure!r}, used={self.used}, evaluations={named}, refusals={refused})"

    def __str__(self) -> str:
        return "\n".join([self.text, *(f"refused: {each.message}" for each in self.refusals)])

    def _repr_html_(self) -> str:
        """The table, for notebooks."""
        refused = "".join(f"; refused: {each.message}" for each in self.refusals)
        return table(f"{self.measure} per request, 95 % intervals", COLUMNS, self.cells, self.note + refused)


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with columns as wide as they need to be; the first column stands to the left.

    >>> text_table(["a", "b"], [["x", "10"]])
    ['a   b', 'x  10']
    """
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _interval(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _usd(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"${estimate.mean:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
