"""The response headers of the Proxy door."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_letters, digits, punctuation
from typing import Any
from urllib.parse import quote

from pointsman.decision import RoutingDecision
from pointsman.litellm.groups import Groups
from pointsman.litellm.outcomes import OpenCall

# What stands in a header as it is; the rest, and the sign itself, are percent-encoded UTF-8.
_AS_IT_IS = (ascii_letters + digits + punctuation + " ").replace("%", "")


def response_headers(call: OpenCall, groups: Groups, response: Any) -> dict[str, str]:
    """What a client is told of a decision: its id, the model, how many attempts were made, and why it was chosen."""
    hidden = getattr(response, "_hidden_params", None)
    ident = hidden.get("model_id") if isinstance(hidden, Mapping) else None
    key = groups.key_of(ident) if ident is not None else None
    if key is None:
        key = next(reversed(call.started), call.decision.model)
    told = {
        "x-pointsman-decision": call.decision.id,
        "x-pointsman-model": groups.name_of.get(key, key),
        "x-pointsman-attempts": str(max(len(call.started), 1)),
        "x-pointsman-reason": _reason(call.decision),
    }
    return {name: header_value(text) for name, text in told.items()}


def header_value(text: str) -> str:
    r"""A text as a header may hold it, whatever a model is called; `urllib.parse.unquote` reads it back.

    >>> header_value("gpt-4o"), header_value("modèle 100%"), header_value("a\r\nset-cookie: b")
    ('gpt-4o', 'mod%C3%A8le 100%25', 'a%0D%0Aset-cookie: b')
    """
    return quote(text, safe=_AS_IT_IS, errors="surrogatepass")


def _reason(decision: RoutingDecision) -> str:
    able = len(decision.arms) + sum(map(len, decision.behind))
    known = decision.question.snapshot.live.bit_count()
    return f"{decision.policy}, probability {decision.probability:.3f}, {able} of {known} models can serve"
