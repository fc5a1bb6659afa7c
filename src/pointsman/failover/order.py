"""The order in which a call asks the models of its decision, each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.failover.calls import RetryScope
from pointsman.health.states import Health


def in_order(decision: RoutingDecision, scope: RetryScope, health: Health) -> Iterator[tuple[ModelSpec, bool, bool]]:
    """The plan, models whose one probe is taken postponed to its end; each with whether it is the last, and postponed."""
    postponed: list[ModelSpec] = []
    plan: Iterable[ModelSpec] = _plan(decision)
    left = len(decision.arms.keys)
    if decision.behind:
        left += sum(len(tier.keys) for tier in decision.behind)
    if scope != "any":
        plan = [spec for spec in plan if _in_scope(spec, decision.spec, scope)]
        left = len(plan)
    for spec in plan:
        left -= 1
        if health.admit(spec):
            yield spec, left == 0 and not postponed, False
        else:
            postponed.append(spec)
    for at, spec in enumerate(postponed, start=1):
        yield spec, at == len(postponed), True


def _plan(decision: RoutingDecision) -> Iterator[ModelSpec]:
    # Fallbacks are worked out only when the first choice has failed.
    yield decision.spec
    yield from decision.fallback_specs


def _in_scope(spec: ModelSpec, first: ModelSpec, scope: RetryScope) -> bool:
    """Whether this model may be asked after the first choice has failed."""
    return spec.arm == first.arm if scope == "model" else spec.provider == first.provider
