"""`PointsmanMiddleware`: routes every model call of an agent made by LangChain's `create_agent`."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pointsman.arguments import expect
from pointsman.errors import (
    AllModelsFailedError,
    ConfigError,
    LimitReachedError,
    MissingDependencyError,
    NoEligibleModelsError,
)
from pointsman.langchain.chat import ChatPointsman
from pointsman.langchain.requirements import read_requirements

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest
except ImportError:
    raise MissingDependencyError("langchain", extra="langchain") from None

_TURNS_KEPT = 256

Requirements = Mapping[str, Any] | Callable[[ModelRequest], Mapping[str, Any]]


class PointsmanMiddleware(AgentMiddleware[Any, Any]):
    """Puts a routed chat model in the place of the agent's, call by call.

    What a call needs is read from the call: its tools, images, documents, response format. It works on either side of
    `ModelFallbackMiddleware`: a model that another middleware puts in after this one has failed is left alone.

    Args:
        model: the routed chat model; without one, it is made of the other arguments as `ChatPointsman` is.
        requirements: fields of `pointsman.Request` for every call, or a function that reads them from the request.
        **fields: as for `ChatPointsman`.
    """

    def __init__(
        self, model: ChatPointsman | None = None, *, requirements: Requirements | None = None, **fields: Any
    ) -> None:
        super().__init__()
        if model is not None and fields:
            raise ConfigError(f"a model and {', '.join(fields)} were given", hint="give these to the model itself")
        if model is not None:
            expect(model, ChatPointsman, "model", "a ChatPointsman")
        if requirements is not None and not callable(requirements):
            requirements = read_requirements(requirements)
        self.model = model or ChatPointsman(**fields)
        self._requirements = requirements
        # The turns that failed last, so that a fallback further out can be told from the agent's own model. (No context
        # variable: LangChain runs each middleware in a context of its own.)
        self._failed: deque[tuple[Any, Any]] = deque(maxlen=_TURNS_KEPT)

    def wrap_model_call(self, request: ModelRequest, handler: Callable[[ModelRequest], Any]) -> Any:
        """Route one model call."""
        if self._is_fallback(request):
            return handler(request)
        try:
            return handler(self._routed(request))
        except (AllModelsFailedError, LimitReachedError, NoEligibleModelsError):
            self._failed.append((_turn_of(request), request.model))
            raise

    async def awrap_model_call(self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[Any]]) -> Any:
        """Route one model call."""
        if self._is_fallback(request):
            return await handler(request)
        try:
            return await handler(self._routed(request))
        except (AllModelsFailedError, LimitReachedError, NoEligibleModelsError):
            self._failed.append((_turn_of(request), request.model))
            raise

    def _routed(self, request: ModelRequest) -> ModelRequest:
        wanted = self._requirements(request) if callable(self._requirements) else self._requirements
        return request.override(model=self.model.require(**wanted) if wanted else self.model)

    def _is_fallback(self, request: ModelRequest) -> bool:
        """Whether another middleware asks again, with a model of its own, for what has just failed here."""
        turn = _turn_of(request)
        return any(failed is turn and model is not request.model for failed, model in tuple(self._failed))


def _turn_of(request: ModelRequest) -> Any:
    """What stays the same object when a middleware changes a request and asks again."""
    runtime: Any = request.runtime  # None where a request was made by hand
    return request.state if runtime is None else runtime
