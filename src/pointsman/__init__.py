"""pointsman chooses which LLM serves a call and keeps the call alive.

Names are loaded when they are first used, so that `import pointsman` costs next to nothing. The doors are imported by
their own names: `pointsman.langchain`, `pointsman.litellm`, `pointsman.testing`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pointsman._version import __version__

if TYPE_CHECKING:
    from pointsman.catalog.pools import Pool
    from pointsman.catalog.prices import Cost
    from pointsman.catalog.spec import ModelSpec
    from pointsman.decision import RoutingDecision
    from pointsman.defaults import default_registry
    from pointsman.errors import (
        AllModelsFailedError,
        AmbiguousModelError,
        CatalogError,
        ConfigError,
        DuplicateModelError,
        InvalidFeedbackError,
        InvalidModelError,
        InvalidParametersError,
        InvalidRequestError,
        ModelNotFoundError,
        NoEligibleModelsError,
        PointsmanError,
        PromptTooLongError,
        StoreError,
        StreamInterruptedError,
        UnknownDecisionError,
    )
    from pointsman.failover.steps import Attempt
    from pointsman.health.states import HealthReport, HealthSettings
    from pointsman.policies.base import Context, LearningPolicy, Lesson, Policy
    from pointsman.registry.models import ModelRegistry
    from pointsman.router import Router
    from pointsman.types import Outcome, Request

_HOMES = {
    "pointsman.catalog.pools": ("Pool",),
    "pointsman.catalog.prices": ("Cost",),
    "pointsman.catalog.spec": ("ModelSpec",),
    "pointsman.decision": ("RoutingDecision",),
    "pointsman.defaults": ("default_registry",),
    "pointsman.errors": (
        "AllModelsFailedError",
        "AmbiguousModelError",
        "CatalogError",
        "ConfigError",
        "DuplicateModelError",
        "InvalidFeedbackError",
        "InvalidModelError",
        "InvalidParametersError",
        "InvalidRequestError",
        "ModelNotFoundError",
        "NoEligibleModelsError",
        "PointsmanError",
        "PromptTooLongError",
        "StoreError",
        "StreamInterruptedError",
        "UnknownDecisionError",
    ),
    "pointsman.failover.steps": ("Attempt",),
    "pointsman.health.states": ("HealthReport", "HealthSettings"),
    "pointsman.policies.base": ("Context", "LearningPolicy", "Lesson", "Policy"),
    "pointsman.registry.models": ("ModelRegistry",),
    "pointsman.router": ("Router",),
    "pointsman.types": ("Outcome", "Request"),
}
# What is reached as an attribute too, without an import of its own.
_PACKAGES = ("replay",)
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AllModelsFailedError",
    "AmbiguousModelError",
    "Attempt",
    "CatalogError",
    "ConfigError",
    "Context",
    "Cost",
    "DuplicateModelError",
    "HealthReport",
    "HealthSettings",
    "InvalidFeedbackError",
    "InvalidModelError",
    "InvalidParametersError",
    "InvalidRequestError",
    "LearningPolicy",
    "Lesson",
    "ModelNotFoundError",
    "ModelRegistry",
    "ModelSpec",
    "NoEligibleModelsError",
    "Outcome",
    "PointsmanError",
    "Policy",
    "Pool",
    "PromptTooLongError",
    "Request",
    "Router",
    "RoutingDecision",
    "StoreError",
    "StreamInterruptedError",
    "UnknownDecisionError",
    "__version__",
    "default_registry",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home when it is first used."""
    home = _HOME_OF.get(name)
    if name in _PACKAGES:
        return import_module(f"pointsman.{name}")
    if home is None:
        raise AttributeError(f"module 'pointsman' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
