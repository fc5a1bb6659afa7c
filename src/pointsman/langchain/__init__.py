"""The LangChain door: a chat model, Runnables, middleware, embeddings and callbacks in front of a router."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pointsman.errors import MissingDependencyError

try:
    import langchain_core  # noqa: F401  everything here needs it, and nothing more until a model is built
except ImportError:
    raise MissingDependencyError("langchain-core") from None

from pointsman.langchain.chat import ChatPointsman
from pointsman.langchain.embeddings import PointsmanEmbeddings
from pointsman.langchain.feedback import PointsmanFeedback
from pointsman.langchain.runnable import RouteRunnable, RunnableRouter

if TYPE_CHECKING:
    from pointsman.langchain.cache import PointsmanCache as PointsmanCache
    from pointsman.langchain.decisions import PointsmanDecisionModel as PointsmanDecisionModel
    from pointsman.langchain.evaluation import PointsmanEvaluator as PointsmanEvaluator
    from pointsman.langchain.middleware import PointsmanMiddleware as PointsmanMiddleware

__all__ = [
    "ChatPointsman",
    "PointsmanCache",
    "PointsmanDecisionModel",
    "PointsmanEmbeddings",
    "PointsmanEvaluator",
    "PointsmanFeedback",
    "PointsmanMiddleware",
    "RouteRunnable",
    "RunnableRouter",
]


# The middleware needs the package `langchain`, the decision model a langchain-core since 1.8, the evaluator much of
# `langsmith`: imported when they are asked for.
_LATER = {
    "PointsmanCache": "pointsman.langchain.cache",
    "PointsmanDecisionModel": "pointsman.langchain.decisions",
    "PointsmanEvaluator": "pointsman.langchain.evaluation",
    "PointsmanMiddleware": "pointsman.langchain.middleware",
}


def __getattr__(name: str) -> Any:
    """Load what is rarely needed."""
    home = _LATER.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
