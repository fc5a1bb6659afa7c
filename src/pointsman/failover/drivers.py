"""The thin drivers of failover: sync, async, and both as streams. They do what the steps say, and measure it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterator
from types import TracebackType
from typing import Any

from pointsman.errors import EmptyAnswerError
from pointsman.failover.gate import Gate
from pointsman.failover.readings import Reader, reported
from pointsman.failover.steps import Attempt, CallRecord, Raised, Reserve, Result, Returned, Step, Wait
from pointsman.failover.threads import close, pumped, watched
from pointsman.types import Clock

Steps = Generator[Step, Result, CallRecord]
SyncCall = Callable[[Attempt], Any]
AsyncCall = Callable[[Attempt], Awaitable[Any]]
AsyncStreamCall = Callable[[Attempt], Awaitable[AsyncIterable[Any]] | AsyncIterable[Any]]


def run(steps: Steps, call: SyncCall, clock: Clock, read: Reader, *, guarded: bool) -> CallRecord:
    """Drive to an answer in this thread; `guarded` calls run in one of their own, which a hang cannot hold up."""
    perform = watched if guarded else _plain
    result: Result = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                return _record(stop)
            if isinstance(step, Wait):
                clock.sleep(step.seconds)
                result = None
                continue
            if isinstance(step, Reserve):
                result = step.buckets.take(step.takes)
                continue
            started = clock.monotonic()
            try:
                value = perform(call, step.attempt)
                result = _judged(value, read, clock.monotonic() - started, step.attempt)
            except Exception as error:  # noqa: BLE001  every failure is the classifier's to name
                result = Raised(error, clock.monotonic() - started)
    finally:
        steps.close()


async def arun(steps: Steps, call: AsyncCall, clock: Clock, read: Reader) -> CallRecord:
    """Drive to an answer in this task."""
    result: Result = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                return _record(stop)
            if isinstance(step, Wait):
                await clock.asleep(step.seconds)
                result = None
                continue
            if isinstance(step, Reserve):
                result = await step.buckets.atake(step.takes)
                continue
            started = clock.monotonic()
            try:
                async with _Within(step.attempt.timeout):
                    value = await call(step.attempt)
                result = _judged(value, read, clock.monotonic() - started, step.attempt)
            except Exception as error:  # noqa: BLE001  every failure is the classifier's to name
                result = Raised(error, clock.monotonic() - started)
    finally:
        steps.close()


def stream(
    steps: Steps, call: SyncCall, clock: Clock, read: Reader, *, guarded: bool, on_done: Callable[[CallRecord], None]
) -> Iterator[Any]:
    """Drive to a stream: nothing is passed on before the first meaningful chunk, nothing is ever repeated."""
    result: Result = None
    try:
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
            if isinstance(step, Reserve):
                result = step.buckets.take(step.takes)
                continue
            gate = Gate(read, clock)
            source: Iterator[Any] | None = None
            try:
                try:
                    source = _opened(call, step.attempt, gate, guarded=guarded)
                except Exception as error:  # noqa: BLE001  see above
                    result = gate.broke(error)
                    continue
                with _telling_if_left(steps, gate, on_done):
                    while True:
                        try:
                            if not guarded:  # nobody can interrupt a hang, but content may be waited for too long
                                gate.patience(step.attempt)
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
                close(source)
    finally:
        steps.close()


async def astream(
    steps: Steps, call: AsyncStreamCall, clock: Clock, read: Reader, *, on_done: Callable[[CallRecord], None]
) -> AsyncIterator[Any]:
    """Drive to an async stream; the same contract as `stream`."""
    result: Result = None
    try:
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
            if isinstance(step, Reserve):
                result = await step.buckets.atake(step.takes)
                continue
            gate = Gate(read, clock)
            source: AsyncIterator[Any] | None = None
            try:
                try:
                    async with _Within(gate.patience(step.attempt)):
                        source = await _aopened(call, step.attempt)
                except Exception as error:  # noqa: BLE001  see above
                    result = gate.broke(error)
                    continue
                with _telling_if_left(steps, gate, on_done):
                    while True:
                        try:
                            async with _Within(gate.patience(step.attempt)):
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
    finally:
        steps.close()


_END: Any = object()


class _Within:
    """So many seconds for a call; and a cancellation that nobody asked of this task is the call's failure."""

    __slots__ = ("_timeout",)

    def __init__(self, seconds: float | None) -> None:
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)
        if kind is asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                raise ConnectionAbortedError("the client gave the call up by itself") from error


def _record(stop: StopIteration) -> CallRecord:
    record = stop.value
    if not isinstance(record, CallRecord):
        raise TypeError("failover ended without a record")
    return record


@contextlib.contextmanager
def _telling_if_left(steps: Steps, gate: Gate, on_done: Callable[[CallRecord], None]) -> Iterator[None]:
    """Tell the steps if the caller goes away in the middle of a stream; before its content that is a cancelled call."""
    try:
        yield
    except BaseException:
        if (result := gate.left()) is not None:
            try:
                steps.send(result)
            except StopIteration as stop:
                if stop.value is not None:  # whoever collects garbage may have ended the steps before us
                    on_done(_record(stop))
            except GeneratorExit:
                pass
        raise


def _judged(value: Any, read: Reader, seconds: float, attempt: Attempt) -> Result:
    reading = read(value)
    if reading.error is not None:
        return Raised(reported(reading.error, attempt.model), seconds)
    if reading.empty:
        return Raised(EmptyAnswerError(f"{attempt.model} answered with success and no content"), seconds)
    return Returned(value, reading, seconds)


def _plain(call: SyncCall, attempt: Attempt) -> Any:
    return call(attempt)


def _opened(call: SyncCall, attempt: Attempt, gate: Gate, *, guarded: bool) -> Iterator[Any]:
    if guarded and attempt.timeout is not None:
        return pumped(lambda: call(attempt), attempt, lambda: gate.patience(attempt))
    return iter(call(attempt))


async def _aopened(call: AsyncStreamCall, attempt: Attempt) -> AsyncIterator[Any]:
    source: Any = call(attempt)
    if inspect.isawaitable(source):
        source = await source
    return aiter(source)


async def _aclose(source: Any) -> None:
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    if callable(close):
        with contextlib.suppress(Exception):  # likewise
            closing = close()
            if inspect.isawaitable(closing):
                await closing
