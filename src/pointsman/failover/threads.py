"""Calls in threads of their own, so that a hang cannot hold up who asked; threads are used again while they answer."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NoReturn, Protocol, TypeVar

from pointsman.forks import renew_after_fork


class Limited(Protocol):
    """What is watched over: an attempt, or anything else that a model may take only so long for."""

    @property
    def model(self) -> str:
        """Key of the model."""

    @property
    def timeout(self) -> float | None:
        """Seconds it may take."""


LimitedT = TypeVar("LimitedT", bound=Limited)

# A guarded call gets a little longer than its timeout, so that a caller which gives up by itself says why first.
_GRACE = 0.25
_IDLE_SECONDS = 30.0
# Items a stream may be ahead of who reads it.
_AHEAD = 1

# What is left to do when the thread is free again, such as handing over a result.
Rest = Callable[[], None]
Job = Callable[[], Rest | None]


class _Worker:
    """A daemon thread that does one job after the other, and ends when none came for a while."""

    __slots__ = ("_idle", "inbox")

    def __init__(self, idle: deque[_Worker]) -> None:
        self._idle = idle
        self.inbox: SimpleQueue[Job] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="pointsman-call").start()

    def _run(self) -> None:
        while True:
            try:
                job = self.inbox.get(timeout=_IDLE_SECONDS)
            except Empty:
                try:
                    self._idle.remove(self)
                except ValueError:  # somebody has just taken it out, to give it a job
                    job = self.inbox.get()
                else:
                    return
            rest = job()
            # Free before the result is handed over: who gets it may have the next job at once.
            self._idle.append(self)
            if rest is not None:
                rest()
            del job, rest


class Crew:
    """Threads for jobs that may hang; one that hangs is left behind, and another takes its place."""

    def __init__(self) -> None:
        self._idle: deque[_Worker] = deque()

    def do(self, job: Job) -> None:
        """Do a job, which must not raise, in an idle thread, or in a new one where none is."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._idle)
        worker.inbox.put(job)

    def forked(self) -> None:
        """Start anew: after a fork no thread is left."""
        self._idle = deque()


_CREW = Crew()
renew_after_fork(_CREW)


def watched(call: Callable[[LimitedT], Any], attempt: LimitedT) -> Any:
    """Call in a thread of its own; when it does not come back in time, it is left behind."""
    if attempt.timeout is None:
        return call(attempt)
    box: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    context = contextvars.copy_context()

    def job() -> Rest:
        try:
            result: tuple[Any, BaseException | None] = context.run(call, attempt), None
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that asked
            result = None, error
        return lambda: box.put(result)

    _CREW.do(job)
    try:
        value, error = box.get(timeout=attempt.timeout + _GRACE)
    except Empty:
        _timed_out(attempt, attempt.timeout)
    if error is not None:
        try:
            raise error
        finally:
            del error  # its traceback holds this frame
    return value


class _Pump:
    """Runs an iterable in a thread of its own, at most a few items ahead of who reads them.

    Each item needs a permit; a reader that leaves hands in a refusal, at which the source is closed.
    """

    def __init__(self, produce: Callable[[], Iterable[Any]]) -> None:
        self._produce = produce
        self._left = False
        self._permits: SimpleQueue[None] = SimpleQueue()
        self.items: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        for _ in range(_AHEAD):
            self._permits.put(None)
        context = contextvars.copy_context()
        _CREW.do(lambda: context.run(self._run))

    def permit(self) -> None:
        """An item was read."""
        self._permits.put(None)

    def leave(self) -> None:
        """Nobody reads on."""
        self._left = True
        self._permits.put(None)

    def _run(self) -> None:
        source: Iterable[Any] | None = None
        try:
            source = self._produce()
            for item in source:
                self._permits.get()
                if self._left:
                    break
                self.items.put((True, item))
            self.items.put((False, None))
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that asked
            self.items.put((False, error))
        if self._left:
            close(source)


def pumped(
    produce: Callable[[], Iterable[Any]], attempt: Limited, patience: Callable[[], float | None] | None = None
) -> Iterator[Any]:
    """Iterate in a thread of its own.

    Args:
        produce: makes the iterable.
        attempt: whose timeout each item may take.
        patience: tells how long the next item may take, where that is not so.
    """
    pump = _Pump(produce)
    timeout = attempt.timeout
    try:
        while True:
            if patience is not None:
                timeout = patience()
            try:
                is_item, value = pump.items.get(timeout=None if timeout is None else timeout + _GRACE)
            except Empty:
                _timed_out(attempt, timeout)
            if not is_item:
                if value is not None:
                    raise value
                return
            pump.permit()
            yield value
    finally:
        pump.leave()


def close(source: Any) -> None:
    """Close what can be closed; the stream is over, and how its socket closes concerns nobody."""
    closing = getattr(source, "close", None)
    if callable(closing):
        with suppress(Exception):
            closing()


def _timed_out(attempt: Limited, seconds: float | None) -> NoReturn:
    raise TimeoutError(f"{attempt.model} did not answer within {seconds or 0:.3g} s") from None
