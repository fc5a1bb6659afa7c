"""`Flights`: identical work under way is done once; whoever asks meanwhile waits for it, in threads and in tasks alike.

What becomes of those who wait depends on the first: its answer is theirs, and so is a failure that says something of
the request or of the models. If it was cancelled, or ran into limits of its own, the next of them does the work. If its
answer cannot be shared, each does its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

from pointsman.cache.statistics import Tally
from pointsman.errors import AllModelsFailedError, DeadlineExceededError
from pointsman.faults import FaultKind, classify
from pointsman.forks import renew_after_fork


class Landed(NamedTuple):
    """What the first one's work came to, and what those who wait do: take it, send the next one, or each do their own."""

    value: Any = None
    then: Literal["take", "next", "each"] = "next"


class _Flight:
    """Work under way."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.future: Future[Landed] = Future()
        self.future.set_running_or_notify_cancel()  # so that nobody who waits can cancel it


# Work that this thread or task is in the middle of; waiting for it would be waiting for oneself.
_leading: ContextVar[frozenset[tuple[int, str]]] = ContextVar("pointsman_leading", default=frozenset())

_ITSELF = (FaultKind.BAD_REQUEST, FaultKind.CONTENT_POLICY, FaultKind.CONTEXT_OVERFLOW)

# What a caller's own limits bring about.
_OF_LIMITS = (FaultKind.TIMEOUT, FaultKind.LOCAL)


class Flights:
    """Work under way, by key."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        renew_after_fork(self)

    def forked(self) -> None:
        """Whoever leads, leads in the parent; nobody here will ever hear of it."""
        self._lock = threading.Lock()
        self._flights = {}

    def run(self, key: str, work: Callable[[], Landed], patience: Callable[[], float | None]) -> Any:
        """Do the work, or wait for whoever does it already.

        Args:
            key: the same for identical work.
            work: what is done; its value is handed to those who wait, if it may be shared.
            patience: seconds this caller may still wait; asked before each wait.

        Raises:
            DeadlineExceededError: E4202, if the work of another did not end in time.
        """
        while True:
            flight, leads = self._join(key)
            if flight is None:
                return work().value
            if leads:
                token = _leading.set(_leading.get() | {(id(self), key)})
                landed = Landed()
                try:
                    landed = work()
                except Exception as error:
                    self._land(key, flight, error)
                    raise
                finally:
                    _leading.reset(token)
                    self._land(key, flight, landed)
                return landed.value
            if flight.thread == threading.get_ident():
                return work().value  # a task of this very thread leads, and could never end while we wait
            self._tally.add("joined")
            if not wait([flight.future], patience()).done:
                raise _too_late()
            landed = flight.future.result()
            if landed.then == "take":
                return landed.value
            if landed.then == "each":
                return work().value

    async def arun(self, key: str, work: Callable[[], Awaitable[Landed]], patience: Callable[[], float | None]) -> Any:
        """Like `run`, for tasks."""
        while True:
            flight, leads = self._join(key)
            if flight is None:
                return (await work()).value
            if leads:
                token = _leading.set(_leading.get() | {(id(self), key)})
                landed = Landed()
                try:
                    landed = await work()
                except Exception as error:
                    self._land(key, flight, error)
                    raise
                finally:
                    _leading.reset(token)
                    self._land(key, flight, landed)
                return landed.value
            self._tally.add("joined")
            waiting = asyncio.wrap_future(flight.future)
            try:
                done, _ = await asyncio.wait({waiting}, timeout=patience())
            finally:
                if not waiting.done():
                    waiting.cancel()  # the work goes on; only its end is not this loop's business any more
            if not done:
                raise _too_late()
            landed = waiting.result()
            if landed.then == "take":
                return landed.value
            if landed.then == "each":
                return (await work()).value

    def _join(self, key: str) -> tuple[_Flight | None, bool]:
        """The flight of a key and whether the caller leads it; none for work within this very work."""
        if (id(self), key) in _leading.get():
            return None, False
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = _Flight()
            return flight, True

    def _land(self, key: str, flight: _Flight, result: Landed | Exception) -> None:
        """Tell those who wait, once; whoever asks from here on starts anew."""
        with self._lock:
            if self._flights.get(key) is not flight:
                return
            del self._flights[key]
        if not isinstance(result, Exception):
            flight.future.set_result(result)
        elif _concerns_others(result):
            flight.future.set_exception(result)
        else:
            flight.future.set_result(Landed())


def _concerns_others(error: Exception) -> bool:
    """Whether a failure would have been everybody's: it is not one of the caller's own deadline, cost or attempts."""
    if isinstance(error, AllModelsFailedError):
        kinds = {classify(cause).kind for cause in error.exceptions}
        return error.stopped_by in ("plan", "fault") and not kinds & set(_OF_LIMITS)
    return classify(error).kind in _ITSELF


def _too_late() -> DeadlineExceededError:
    return DeadlineExceededError("the same request was under way already, and did not end before this one's deadline")
