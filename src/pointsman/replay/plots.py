"""Pictures of replays, with matplotlib: regret over prompts, cost against quality, expected against measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pointsman.errors import MissingDependencyError
from pointsman.replay.fronts import front

if TYPE_CHECKING:
    from pointsman.replay.results import Comparison
    from pointsman.replay.running import Runs


def plot_regret(runs: Runs, axes: Any = None) -> Any:
    """Draw how far each policy is behind the best single model, prompt by prompt; returns the axes.

    Raises:
        MissingDependencyError: E4401, without matplotlib.
    """
    axes = _axes(axes)
    for each in runs.runs:
        axes.plot(range(1, len(each.regret) + 1), each.regret, label=each.policy)
    axes.axhline(0.0, color="black", linewidth=0.8, linestyle="--", label=runs.best_model)
    axes.set(xlabel="prompts", ylabel="regret against the best single model", title=runs.trace)
    axes.legend()
    return axes


def plot_front(runs: Runs, axes: Any = None) -> Any:
    """Draw cost against score: single models, what mixing them reaches, and the policies; returns the axes.

    Raises:
        MissingDependencyError: E4401, without matplotlib.
    """
    axes = _axes(axes)
    for name, (cost, score) in runs.singles.items():
        axes.plot(cost, score, "o", color="grey", markersize=4)
        axes.annotate(name, (cost, score), fontsize=7, color="grey", xytext=(4, -8), textcoords="offset points")
    axes.plot(*zip(*front(runs.singles.values()), strict=True), color="grey", linewidth=0.8, label="single models")
    for each in runs.runs:
        if each.points:
            axes.plot(*zip(*front(each.points), strict=True), marker=".", label=f"{each.policy}, by cost weight")
        axes.plot(each.cost, each.score, "D", label=each.policy)
    axes.set(
        xlabel="USD per prompt", ylabel="mean score", title=runs.trace, xscale="log" if _is_positive(runs) else "linear"
    )
    axes.legend()
    return axes


def plot_calibration(comparison: Comparison, axes: Any = None) -> Any:
    """Draw what the outcome model expected against what was measured, in ten bins; returns the axes.

    Raises:
        MissingDependencyError: E4401, without matplotlib.
        ValueError: if the comparison has too few rows for bins.
    """
    if not comparison.calibration:
        raise ValueError("there are too few rows for a calibration curve")
    axes = _axes(axes)
    expected = [each.expected for each in comparison.calibration]
    measured = [each.measured for each in comparison.calibration]
    ends = min(*expected, *measured), max(*expected, *measured)
    axes.plot(ends, ends, color="black", linewidth=0.8, linestyle="--", label="as expected")
    axes.plot(expected, measured, "o-", label="outcome model")
    axes.set(xlabel=f"expected {comparison.measure}", ylabel=f"measured {comparison.measure}", title="calibration")
    axes.legend()
    return axes


def plot_estimates(comparison: Comparison, axes: Any = None) -> Any:
    """Draw every policy's doubly robust estimate with its interval beside what the log got; returns the axes.

    Raises:
        MissingDependencyError: E4401, without matplotlib.
    """
    axes = _axes(axes)
    named = [(each.policy, each.dr) for each in comparison.evaluations]
    if comparison.logged is not None:
        named.insert(0, ("as logged", comparison.logged))
        axes.axvline(comparison.logged.mean, color="black", linewidth=0.8, linestyle="--")
    for at, (_, estimate) in enumerate(named):
        reach = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
        axes.errorbar(estimate.mean, at, xerr=[[max(side[0], 0.0)] for side in reach], fmt="o", capsize=3)
    axes.set(xlabel=f"{comparison.measure} per request, 95 % intervals", yticks=range(len(named)))
    axes.set_yticklabels([name for name, _ in named])
    axes.invert_yaxis()
    return axes


def _axes(given: Any) -> Any:
    """The axes given, else those of a new figure."""
    if given is not None:
        return given
    try:
        from matplotlib import pyplot as plt  # noqa: PLC0415  an extra
    except ImportError:
        raise MissingDependencyError("matplotlib", extra="plots") from None
    return plt.subplots(figsize=(7, 4.5), layout="constrained")[1]


def _is_positive(runs: Runs) -> bool:
    return all(cost > 0.0 for cost, _ in runs.singles.values())
