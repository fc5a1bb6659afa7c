"""Ways to drive a call to its end: sync and async, whole and as a stream, which are to say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from calls.upstreams import ASK, StreamingUpstream, Upstream, texts

from pointsman import Request, Router, StreamInterruptedError


@pytest.fixture(params=["sync", "async"])
def drive(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def sync(router: Router, upstream: Upstream, ask: Request = ASK, **limits: Any) -> Any:
        return router.run(ask, upstream, honours_timeout=True, **limits)

    def asynchronous(router: Router, upstream: Upstream, ask: Request = ASK, **limits: Any) -> Any:
        async def main() -> Any:
            return await router.arun(ask, upstream.later, **limits)

        with asyncio.Runner() as runner:
            return runner.run(main())

    return sync if request.param == "sync" else asynchronous


@pytest.fixture(params=["sync", "async"])
def collect(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Drive a stream to its end; what arrived before an error is kept on the error."""

    def sync(router: Router, upstream: StreamingUpstream) -> list[Any]:
        got: list[Any] = []
        try:
            for each in router.stream(ASK, upstream, honours_timeout=True):
                got.append(each)  # noqa: PERF402  what came before an error counts
        except StreamInterruptedError as error:
            error.add_note(texts(got))
            raise
        return got

    def asynchronous(router: Router, upstream: StreamingUpstream) -> list[Any]:
        async def main() -> list[Any]:
            got: list[Any] = []
            try:
                async for each in router.astream(ASK, upstream.later):
                    got.append(each)  # noqa: PERF401  likewise
            except StreamInterruptedError as error:
                error.add_note(texts(got))
                raise
            return got

        with asyncio.Runner() as runner:
            return runner.run(main())

    return sync if request.param == "sync" else asynchronous
