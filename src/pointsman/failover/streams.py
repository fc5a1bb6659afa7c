"""What `Router.stream` returns: the chunks to iterate, and beside them the decision and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

from pointsman.decision import RoutingDecision
from pointsman.failover.steps import CallRecord

OnDone = Callable[[CallRecord], None]


class RoutedStream(Iterator[Any]):
    """Chunks as they come.

    Attributes:
        decision: who was chosen.
        record: every attempt; None until the stream has ended.
    """

    def __init__(self, decision: RoutingDecision, start: Callable[[OnDone], Iterator[Any]]) -> None:
        self.decision = decision
        self.record: CallRecord | None = None
        self._chunks = start(self._finished)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._chunks)

    def close(self) -> None:
        """Stop early: the model's stream is closed, nothing is learnt from it, and limits count what it has sent."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()

    def _finished(self, record: CallRecord) -> None:
        self.record = record


class AsyncRoutedStream(AsyncIterator[Any]):
    """Chunks as they come; the async twin of `RoutedStream`."""

    def __init__(self, decision: RoutingDecision, start: Callable[[OnDone], AsyncIterator[Any]]) -> None:
        self.decision = decision
        self.record: CallRecord | None = None
        self._chunks = start(self._finished)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Stop early: the model's stream is closed, nothing is learnt from it, and limits count what it has sent."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()

    def _finished(self, record: CallRecord) -> None:
        self.record = record
