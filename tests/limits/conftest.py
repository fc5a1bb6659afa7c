"""Routers over models with limits, and both ways to ask them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from limits.upstreams import ASK, Make, Upstream, fleet

from pointsman import Request, Router


@pytest.fixture
def make(make_router: Make) -> Make:
    def build(*specs: dict[str, Any], **options: Any) -> Router:
        return make_router(registry=fleet(*specs), **options)

    return build


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def sync(router: Router, upstream: Upstream, asked: Request = ASK, **limits: Any) -> Any:
        return router.run(asked, upstream, honours_timeout=True, **limits)

    def asynchronous(router: Router, upstream: Upstream, asked: Request = ASK, **limits: Any) -> Any:
        async def main() -> Any:
            return await router.arun(asked, upstream.later, **limits)

        with asyncio.Runner() as runner:
            return runner.run(main())

    return sync if request.param == "sync" else asynchronous
