"""The thin drivers of failover: sync, async, and both as streams. They do what the steps say, and measure it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import queue
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from typing import Any, NoReturn

from pointsman.errors import EmptyAnswerError
from pointsman.gate import Gate
from pointsman.readings import Reader
from pointsman.steps import Attempt, CallRecord, Raised, Result, Returned, Step, Wait
from pointsman.types import Clock

Steps = Generator[Step, Result, CallRecord]
SyncCall = Callable[[Attempt], Any]
AsyncCall = Callable[[Attempt], Awaitable[Any]]
AsyncStreamCall = Callable[[Attempt], Awaitable[AsyncIterable[Any]] | AsyncIterable[Any]]

# A guarded call gets a little longer than its timeout, so that a caller which gives up by itself says why first.
_GRACE = 0.25


def run(steps: Steps, call: SyncCall, clock: Clock, read: Reader, *, guarded: bool) -> CallRecord:
    """Drive to an answer in this thread; `guarded` calls run in one of their own, which a hang cannot hold up."""
    perform = _guarded if guarded else _plain
    result: Result = None
    with contextlib.closing(steps):
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                return _record(stop)
            if isinstance(step, Wait):
                clock.sleep(step.seconds)
                result = None
                continue
            started = clock.monotonic()
            try:
                value = perform(call, step.attempt)
                result = _judged(value, read, clock.monotonic() - started, step.attempt)
            except Exception as error:  # noqa: BLE001  every failure is the classifier's to name
                result = Raised(error, clock.monotonic() - started)


async def arun(steps: Steps, call: AsyncCall, clock: Clock, read: Reader) -> CallRecord:
    """Drive to an answer in this task."""
    result: Result = None
    with contextlib.closing(steps):
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                return _record(stop)
            if isinstance(step, Wait):
                await clock.asleep(step.seconds)
                result = None
                continue
            started = clock.monotonic()
            try:
                async with asyncio.timeout(step.attempt.timeout):
                    value = await call(step.attempt)
                result = _judged(value, read, clock.monotonic() - started, step.attempt)
            except Exception as error:  # noqa: BLE001  every failure is the classifier's to name
                result = Raised(error, clock.monotonic() - started)


def stream(
    steps: Steps, call: SyncCall, clock: Clock, read: Reader, *, guarded: bool, on_done: Callable[[CallRecord], None]
) -> Iterator[Any]:
    """Drive to a stream: nothing is passed on before the first meaningful chunk, nothing is ever repeated."""
    result: Result = None
    with contextlib.closing(steps):
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                on_done(_record(stop))
                return
            if isinstance(step, Wait):
                clock.sleep(step.seconds)
                result = None
                continue
            gate = Gate(read, clock)
            source: Iterator[Any] | None = None
            try:
                try:
                    source = _opened(call, step.attempt, guarded=guarded)
                except Exception as error:  # noqa: BLE001  see above
                    result = gate.broke(error)
                    continue
                while True:
                    try:
                        chunk = next(source, _END)
                        ready = gate.finish() if chunk is _END else gate.feed(chunk)
                    except Exception as error:  # noqa: BLE001  see above
                        result = gate.broke(error)
                        break
                    yield from ready
                    if chunk is _END:
                        result = gate.done()
                        break
            finally:
                _close(source)


async def astream(
    steps: Steps, call: AsyncStreamCall, clock: Clock, read: Reader, *, on_done: Callable[[CallRecord], None]
) -> AsyncIterator[Any]:
    """Drive to an async stream; the same contract as `stream`."""
    result: Result = None
    with contextlib.closing(steps):
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                on_done(_record(stop))
                return
            if isinstance(step, Wait):
                await clock.asleep(step.seconds)
                result = None
                continue
            gate = Gate(read, clock)
            source: AsyncIterator[Any] | None = None
            try:
                try:
                    async with asyncio.timeout(step.attempt.timeout):
                        source = await _aopened(call, step.attempt)
                except Exception as error:  # noqa: BLE001  see above
                    result = gate.broke(error)
                    continue
                while True:
                    try:
                        async with asyncio.timeout(step.attempt.timeout):
                            chunk = await anext(source, _END)
                        ready = gate.finish() if chunk is _END else gate.feed(chunk)
                    except Exception as error:  # noqa: BLE001  see above
                        result = gate.broke(error)
                        break
                    for each in ready:
                        yield each
                    if chunk is _END:
                        result = gate.done()
                        break
            finally:
                await _aclose(source)


_END: Any = object()


def _record(stop: StopIteration) -> CallRecord:
    record = stop.value
    if not isinstance(record, CallRecord):
        raise TypeError("failover ended without a record")
    return record


def _judged(value: Any, read: Reader, seconds: float, attempt: Attempt) -> Result:
    reading = read(value)
    if reading.empty:
        return Raised(EmptyAnswerError(f"{attempt.model} answered with success and no content"), seconds)
    return Returned(value, reading, seconds)


def _plain(call: SyncCall, attempt: Attempt) -> Any:
    return call(attempt)


def _guarded(call: SyncCall, attempt: Attempt) -> Any:
    """Call in a thread of its own; when it does not come back in time, it is left behind."""
    if attempt.timeout is None:
        return call(attempt)
    return next(_pumped(lambda: [call(attempt)], attempt))


def _opened(call: SyncCall, attempt: Attempt, *, guarded: bool) -> Iterator[Any]:
    if guarded and attempt.timeout is not None:
        return _pumped(lambda: call(attempt), attempt)
    return iter(call(attempt))


class _Pump:
    """Runs an iterable in a thread of its own and hands its items over through a queue that holds one.

    A consumer that leaves stops the thread at its next item.
    """

    def __init__(self, produce: Callable[[], Iterable[Any]]) -> None:
        self._produce = produce
        self._left = threading.Event()
        self.items: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=1)

    def start(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), daemon=True, name="pointsman-call").start()

    def leave(self) -> None:
        self._left.set()

    def _run(self) -> None:
        try:
            source = self._produce()
            for item in source:
                if not self._put((True, item)):
                    _close(source)
                    return
            self._put((False, None))
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that asked
            self._put((False, error))

    def _put(self, item: tuple[bool, Any]) -> bool:
        while not self._left.is_set():
            try:
                self.items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


def _pumped(produce: Callable[[], Iterable[Any]], attempt: Attempt) -> Iterator[Any]:
    """Iterate in a thread of its own, waiting at most the attempt's timeout for each item."""
    pump = _Pump(produce)
    pump.start()
    timeout = None if attempt.timeout is None else attempt.timeout + _GRACE
    try:
        while True:
            try:
                is_item, value = pump.items.get(timeout=timeout)
            except queue.Empty:
                _timed_out(attempt)
            if not is_item:
                if value is not None:
                    raise value
                return
            yield value
    finally:
        pump.leave()


def _timed_out(attempt: Attempt) -> NoReturn:
    raise TimeoutError(f"{attempt.model} did not answer within {attempt.timeout:.3g} s") from None


async def _aopened(call: AsyncStreamCall, attempt: Attempt) -> AsyncIterator[Any]:
    source: Any = call(attempt)
    if inspect.isawaitable(source):
        source = await source
    return aiter(source)


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if callable(close):
        with contextlib.suppress(Exception):  # the stream is over; how its socket closes concerns nobody
            close()


async def _aclose(source: Any) -> None:
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    if callable(close):
        with contextlib.suppress(Exception):  # likewise
            closing = close()
            if inspect.isawaitable(closing):
                await closing
