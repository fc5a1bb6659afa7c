"""The gate of a stream: holds back until the first meaningful chunk, then knows what the caller already has."""

from __future__ import annotations

from typing import Any

from pointsman.errors import EmptyAnswerError, TruncatedStreamError
from pointsman.failover.readings import Reader, Reading, reported
from pointsman.failover.steps import Attempt, Left, Raised, Returned
from pointsman.types import Clock


class Gate:
    """One attempt's stream. Before it opens, another model may take over unseen; after, nothing is repeated."""

    __slots__ = (
        "_chunks",
        "_clock",
        "_finish",
        "_first",
        "_held",
        "_open",
        "_read",
        "_started",
        "_tool_call",
        "_ttft",
        "_usage",
        "_why",
    )

    def __init__(self, read: Reader, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._started = clock.monotonic()
        self._held: list[Any] = []
        self._open = False
        self._chunks = 0
        self._tool_call = False
        self._finish: str | None = None
        self._why = False
        self._ttft: float | None = None
        self._usage = Reading()
        self._first: Any = None

    def feed(self, chunk: Any) -> list[Any]:
        """Take a chunk in; the answer is what may be passed on now.

        Raises:
            ReportedError: E4209, if the chunk is an error event.
        """
        if self._first is None:
            self._first = chunk
        reading = self._read(chunk)
        if reading.error is not None:
            raise reported(reading.error)
        self._tool_call |= reading.tool_call
        self._why |= reading.says_why_it_ends
        self._finish = reading.finish_reason or self._finish
        if reading.input_tokens is not None or reading.output_tokens is not None or reading.cached:
            self._usage = reading
        if self._open:
            self._chunks += 1
            return [chunk]
        self._held.append(chunk)
        if reading.content or reading.tool_call or not reading.judged:
            return self._release()
        return []

    def patience(self, attempt: Attempt) -> float | None:
        """Seconds the next chunk may take; until the first content they are counted from the start.

        Raises:
            TimeoutError: if the time for the first content is over, however many empty chunks came.
        """
        if self._open:
            return attempt.idle_timeout
        if attempt.timeout is None:
            return None
        left = attempt.timeout - self._seconds()
        if left <= 0:
            raise TimeoutError(f"{attempt.model} sent no content within {attempt.timeout:.3g} s")
        return left

    def finish(self) -> list[Any]:
        """The source has ended by itself; the answer is what was held back.

        Raises:
            TruncatedStreamError: E4206, if such a stream names why it ends and this one did not.
            EmptyAnswerError: E4205, if it ended well without anything meaningful.
        """
        if self._why and self._finish is None:
            raise TruncatedStreamError("the stream ended without a finish reason")
        if not self._open and self._finish in (None, "stop", "end_turn", "tool_calls"):
            raise EmptyAnswerError("the stream ended without content")
        return [] if self._open else self._release()

    def done(self) -> Returned:
        """The attempt delivered."""
        usage = Reading(
            content=True,
            tool_call=self._tool_call,
            finish_reason=self._finish,
            input_tokens=self._usage.input_tokens,
            output_tokens=self._usage.output_tokens,
            cost=self._usage.cost,
            cached=self._usage.cached,
        )
        return Returned(None, usage, self._seconds(), self._ttft, self._first)

    def broke(self, error: Exception) -> Raised | Returned:
        """The attempt failed; what the caller already has is in the result. After the finish reason it is complete."""
        if self._open and self._finish is not None:
            return self.done()
        partial = None
        if self._open:
            partial = "partial_tool_call" if self._tool_call else "partial_text"
        return Raised(error, self._seconds(), partial, self._chunks)

    def left(self) -> Returned | Left | None:
        """The caller went away: after the finish reason it has everything; None if it has nothing yet."""
        if not self._open:
            return None
        if self._finish is not None:
            return self.done()
        return Left(self._chunks, self._usage.input_tokens, self._usage.output_tokens)

    def _release(self) -> list[Any]:
        self._open = True
        self._ttft = self._seconds()
        held, self._held = self._held, []
        self._chunks += len(held)
        return held

    def _seconds(self) -> float:
        return self._clock.monotonic() - self._started
