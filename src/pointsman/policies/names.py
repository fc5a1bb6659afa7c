"""From what users write to a policy: a name, a mapping with options, or an object of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from pointsman.catalog.bounds import short
from pointsman.catalog.spec import nearest
from pointsman.errors import ConfigError
from pointsman.policies.base import Policy

# Each in the module of its name, which is loaded when it is asked for: learners load numpy.
_POLICIES = {
    "adaptive": "AdaptivePolicy",
    "best": "BestPolicy",
    "cheapest": "CheapestPolicy",
    "fastest": "FastestPolicy",
    "priority": "PriorityPolicy",
    "round_robin": "RoundRobinPolicy",
    "thompson": "ThompsonPolicy",
    "ucb": "UCBPolicy",
    "weighted": "WeightedPolicy",
}


def policy_names() -> list[str]:
    """The policies that ship."""
    return sorted(_POLICIES)


def make_policy(given: str | Mapping[str, Any] | Policy) -> Policy:
    """Build a policy from a name, from `{"name": ..., option: ...}`, or take an object as it is.

    Raises:
        ConfigError: E4006, naming the policies or the options there are.
    """
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping):
        if isinstance(given, Policy):
            return given
        raise ConfigError(
            f"{type(given).__name__} is no policy", hint="a policy has the methods `probabilities` and `learn`"
        )
    options = dict(given)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in _POLICIES:
        found = short(name) if isinstance(name, str) else f"named by a {type(name).__name__}"
        near = nearest(name, _POLICIES) if isinstance(name, str) else None
        there_are = f"one of: {', '.join(policy_names())}"
        raise ConfigError(f"there is no policy {found}", hint=f"{near} {there_are}" if near else there_are)
    build: Callable[..., Policy] = getattr(import_module(f"pointsman.policies.{name}"), _POLICIES[name])
    known = {each: it.default for each, it in inspect.signature(build).parameters.items() if each != "self"}
    for option, value in options.items():
        if option not in known:
            hint = f"one of: {', '.join(known)}" if known else "it has no options"
            if near := nearest(str(option), known):
                hint = f"{near} {hint}"
            raise ConfigError(f"policy {name!r} has no option {option!r}", hint=hint)
        if type(known[option]) in {int, float} and not isinstance(value, int | float):
            found = short(value) if isinstance(value, str) else f"a {type(value).__name__}"
            raise ConfigError(f"policy {name!r}: {option} is {found}; expected a number")
    try:
        return build(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"policy {name!r}: {error}") from None
