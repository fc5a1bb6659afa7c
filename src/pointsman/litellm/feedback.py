"""A route of the proxy for scores: `POST /pointsman/feedback`, behind the proxy's own authentication."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, HTTPException
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from pydantic import BaseModel, ConfigDict, Field

from pointsman.errors import InvalidFeedbackError, UnknownDecisionError
from pointsman.litellm.planning import tenant_of
from pointsman.router import Router


class Handler(Protocol):
    """Who decides and learns for the proxy; nobody yet before the first request."""

    @property
    def router(self) -> Router | None:
        """The router."""
        ...


PATH = "/pointsman/feedback"

_LOOKS = 5
_BETWEEN_LOOKS = 0.2


class Score(BaseModel):
    """What a client says of an answer."""

    model_config = ConfigDict(extra="forbid")

    decision: Annotated[str, Field(max_length=64)]
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    source: Annotated[str, Field(max_length=64)] | None = None


def add_route(app: FastAPI, handler: Handler) -> None:
    """Add the route, once per app; it serves the handler that was built last."""
    app.state.pointsman = handler
    if any(getattr(route, "path", None) == PATH for route in app.routes):
        return

    async def feedback(score: Score, key: Annotated[Any, Depends(user_api_key_auth)]) -> dict[str, str]:
        """Score the answer of a decision, once."""
        await _known(app.state.pointsman, score.decision)
        _take(app.state.pointsman, score, key)
        return {"decision": score.decision}

    # FastAPI resolves annotations in the module's namespace, where these names are.
    app.add_api_route(PATH, feedback, methods=["POST"], tags=["pointsman"])


async def _known(handler: Handler, decision: str) -> None:
    """Give another worker a moment to write its decision down; a client may be quicker than its log."""
    for _ in range(_LOOKS):
        if handler.router is None or handler.router.ledger.find(decision) is not None:
            return
        await asyncio.sleep(_BETWEEN_LOOKS)


def _take(handler: Handler, score: Score, key: UserAPIKeyAuth) -> None:
    router = handler.router
    row = None if router is None else router.ledger.find(score.decision)
    is_admin = key.user_role == LitellmUserRoles.PROXY_ADMIN
    if router is None or row is None or not (is_admin or row.get("tenant") == tenant_of(key)):
        raise HTTPException(404, "no such decision")  # of others nothing is told, not even that it exists
    try:
        router.feedback(score.decision, score.score, source=score.source)
    except UnknownDecisionError:
        raise HTTPException(404, "no such decision") from None
    except InvalidFeedbackError as error:
        raise HTTPException(409, error.message) from None
