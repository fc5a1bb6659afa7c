"""Attempts that a model's own code makes: sync code from async calls and the other way round, each within its timeout.

Sync code runs in a thread that is left behind when it hangs. Async code that sync calls ask for runs in one event loop
beside them, which lasts, so that its clients' connections do.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from pointsman.catalog.spec import ModelSpec
from pointsman.custom import CustomCall, Implementation, Method, as_chunk, as_response, chunks_of, last_chunk
from pointsman.failover.steps import Attempt
from pointsman.failover.threads import pumped, watched
from pointsman.registry.snapshot import Snapshot

T = TypeVar("T")
_END: Any = object()
_FINISH = "finish_reason"
_LOOP_NAME = "pointsman-custom-loop"


class UnhealthyError(Exception):
    """A model's own health check said that it is not well."""


def implementation_of(attempt: Attempt) -> Implementation | None:
    """The code behind the model of an attempt; None for models that are reached otherwise."""
    return of_spec(attempt.spec, attempt.decision.question.snapshot)


def of_spec(spec: ModelSpec, snapshot: Snapshot) -> Implementation | None:
    """The code behind a model."""
    found = None if spec.implementation is None else snapshot.implementations.get(spec.implementation)
    return found if isinstance(found, Implementation) else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the code of a model is asked, and how long it may take."""

    spec: ModelSpec
    timeout: float | None
    call: CustomCall

    @property
    def model(self) -> str:
        """Key of the model."""
        return self.spec.key


def asked_of(attempt: Attempt) -> Asked:
    """What an attempt asks: standard parameters, tools and response format among them."""
    parameters = dict(attempt.parameters)
    if attempt.request.tools:
        parameters["tools"] = list(attempt.request.tools)
    if attempt.request.response_format is not None:
        parameters["response_format"] = attempt.request.response_format
    return Asked(attempt.spec, attempt.timeout, CustomCall(attempt.messages, parameters))


def complete(own: Implementation, asked: Asked) -> Any:
    """Make the attempt; an answer in OpenAI's form."""
    with own.lease(asked.spec) as model:
        method = model.generate
        if method.is_async:
            return as_response(_in_loop(method(asked.call), asked.timeout), asked.model)

        def generate(_: Asked) -> Any:
            value = method(asked.call)
            return _in_loop(value, asked.timeout) if inspect.isawaitable(value) else value

        return as_response(watched(generate, asked), asked.model)


async def acomplete(own: Implementation, asked: Asked) -> Any:
    """Make the attempt; an answer in OpenAI's form."""
    async with own.alease(asked.spec) as model:
        return as_response(await _awaited(model.generate, asked.call), asked.model)


def complete_stream(own: Implementation, asked: Asked) -> Iterator[Any]:
    """Make the attempt as a stream; one that the code cannot stream comes in one piece."""
    if not own.streams:
        yield from chunks_of(complete(own, asked), asked.model)
        return
    with own.lease(asked.spec) as model:
        method: Method = model.stream or model.generate
        source: Any = method(asked.call)
        if inspect.isawaitable(source):
            source = _in_loop(source, asked.timeout)
        items = _from_loop(source, asked.timeout) if hasattr(source, "__aiter__") else pumped(lambda: source, asked)
        says_why = False
        for item in items:
            chunk = as_chunk(item, asked.model)
            says_why = says_why or _says_why(chunk)
            yield chunk
        if not says_why:
            yield last_chunk(asked.model)


async def acomplete_stream(own: Implementation, asked: Asked) -> AsyncIterator[Any]:
    """Make the attempt as a stream; see `complete_stream`."""
    if not own.streams:
        for chunk in chunks_of(await acomplete(own, asked), asked.model):
            yield chunk
        return
    async with own.alease(asked.spec) as model:
        method: Method = model.stream or model.generate
        source: Any = method(asked.call)
        if inspect.isawaitable(source):
            source = await source
        says_why = False
        async for item in source if hasattr(source, "__aiter__") else _in_threads(iter(source)):
            chunk = as_chunk(item, asked.model)
            says_why = says_why or _says_why(chunk)
            yield chunk
        if not says_why:
            yield last_chunk(asked.model)


async def check(own: Implementation, spec: ModelSpec) -> None:
    """Ask the model's own health check; it raises, or says `False`, when the model is not well.

    Raises:
        UnhealthyError: it said `False`.
    """
    async with own.alease(spec) as model:
        if model.health_check is None:
            return
        function = model.health_check
        answer = function() if inspect.iscoroutinefunction(function) else await in_thread(function)
        if inspect.isawaitable(answer):
            answer = await answer
    if answer is False:
        raise UnhealthyError(f"{spec.key} says that it is not well")


# -- crossing between threads and tasks


async def in_thread(work: Callable[[], T]) -> T:
    """Run in a thread of its own, which neither a cancelled task nor the program's end waits for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            settle(value)

    def run() -> None:
        try:
            told = (future.set_result, work())
        except StopIteration as error:  # no future takes one
            told = (future.set_exception, RuntimeError(f"the code raised {error!r}"))  # type: ignore[assignment]
        except BaseException as error:  # noqa: BLE001  it is raised again in the task that waits
            told = (future.set_exception, error)  # type: ignore[assignment]
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, *told)

    threading.Thread(target=run, daemon=True, name="pointsman-custom").start()
    return await future


async def _awaited(method: Method, call: CustomCall) -> Any:
    value = method(call) if method.is_async else await in_thread(lambda: method(call))
    return await value if inspect.isawaitable(value) else value


async def _in_threads(items: Iterator[Any]) -> AsyncIterator[Any]:
    try:
        while (item := await in_thread(lambda: next(items, _END))) is not _END:
            yield item
    finally:
        close = getattr(items, "close", None)
        if callable(close):
            close()


@lru_cache(maxsize=1)
def _loop(process: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001  a fork needs one of its own
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name=_LOOP_NAME).start()
    return loop


def _in_loop(work: Awaitable[T], timeout: float | None) -> T:
    """Wait in this thread for what runs in the loop beside."""

    async def within() -> T:
        async with asyncio.timeout(timeout):
            return await work

    coroutine: Coroutine[Any, Any, T] = within()
    loop = _loop(os.getpid())
    if threading.current_thread().name == _LOOP_NAME:
        coroutine.close()
        raise RuntimeError("async code of a model calls another model's synchronously; await the async twin instead")
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


def _from_loop(source: Any, timeout: float | None) -> Iterator[Any]:
    items = aiter(source)

    async def following() -> Any:
        return await anext(items, _END)

    try:
        while (item := _in_loop(following(), timeout)) is not _END:
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if callable(close):
            _in_loop(close(), timeout)


def _says_why(chunk: Any) -> bool:
    choices = chunk.get("choices") if isinstance(chunk, dict) else getattr(chunk, "choices", None)
    first = choices[0] if choices else None
    return bool(first.get(_FINISH) if isinstance(first, dict) else getattr(first, _FINISH, None))
