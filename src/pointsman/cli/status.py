"""A line on a terminal that says what is happening, and is gone before the answer comes."""

from __future__ import annotations

from typing import TextIO

from pointsman.failover.steps import Attempt, AttemptRecord
from pointsman.listeners import Listener
from pointsman.types import Clock

_ERASE = "\r\x1b[2K"


class StatusLine(Listener):
    """Listens to one call; where nobody looks (a pipe, a file) it says nothing.

    Args:
        stream: the terminal.
        clock: what the call's time is measured by.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._seen = stream.isatty()
        self._shown = False
        self._failed: list[str] = []
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Since the first model was asked."""
        return 0.0 if self._started is None else self._clock.monotonic() - self._started

    def attempt_began(self, attempt: Attempt) -> None:
        """Say who is asked."""
        if self._started is None:
            self._started = self._clock.monotonic()
        failed = f" ({', '.join(self._failed)})" if self._failed else ""
        self.show(f"asking {attempt.model}{failed}")

    def attempt_ended(self, record: AttemptRecord, cost: float | None) -> None:
        """Note who has failed."""
        del cost
        if record.fault is not None:
            self._failed.append(f"{record.attempt.model}: {record.fault.kind.value.replace('_', ' ')}")

    def show(self, text: str) -> None:
        """Put a line in the place of the one before."""
        if self._seen:
            self._stream.write(f"{_ERASE}{text[:200]} ...")
            self._stream.flush()
            self._shown = True

    def clear(self) -> None:
        """Take it away."""
        if self._shown:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._shown = False
