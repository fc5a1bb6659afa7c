"""The response headers of the Proxy door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.decision import RoutingDecision
from pointsman.litellm.groups import Groups
from pointsman.litellm.outcomes import OpenCall


def response_headers(call: OpenCall, groups: Groups, response: Any) -> dict[str, str]:
    """What a client is told of a decision: its id, the model, how many attempts were made, and why it was chosen."""
    hidden = getattr(response, "_hidden_params", None)
    ident = hidden.get("model_id") if isinstance(hidden, Mapping) else None
    key = groups.key_of(ident) if ident is not None else None
    if key is None:
        key = next(reversed(call.started), call.decision.model)
    return {
        "x-pointsman-decision": call.decision.id,
        "x-pointsman-model": groups.name_of.get(key, key),
        "x-pointsman-attempts": str(max(len(call.started), 1)),
        "x-pointsman-reason": _reason(call.decision),
    }


def _reason(decision: RoutingDecision) -> str:
    able = len(decision.arms) + sum(map(len, decision.behind))
    known = decision.question.snapshot.live.bit_count()
    return f"{decision.policy}, probability {decision.probability:.3f}, {able} of {known} models can serve"
