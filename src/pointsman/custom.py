"""Models that are code: a callable, or something with `generate` or `generate_response`, registered like any other.

What a model's code gets: its first parameter is the list of messages if it is called `messages`, else the prompt as
text; then the call's parameters by their standard names, as far as it names them or takes `**parameters`. What it may
return: text, or an answer in OpenAI's form.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidModelError
from pointsman.failover.readings import field
from pointsman.loading import LoadedModels
from pointsman.types import Messages

_GENERATE = ("generate", "generate_response")
_RELEASE = ("unload", "close")


class Implementation:
    """A model's code, whatever its form; of a class the object is made when it is first used.

    Args:
        given: a callable, an object or a class.
        loaded: what holds the objects of classes.

    Attributes:
        given: as it was given.

    Raises:
        InvalidModelError: E4003, for what can generate nothing.
    """

    def __init__(self, given: Any, loaded: LoadedModels) -> None:
        has_method = any(callable(getattr(given, name, None)) for name in _GENERATE)
        if hasattr(given, "agenerate_prompt"):
            raise InvalidModelError(
                "the implementation is a LangChain chat model",
                hint="pass it to ChatPointsman(models={name: ...}), or wrap it in a function",
            )
        if not has_method and (isinstance(given, type) or not callable(given)):
            raise InvalidModelError(
                f"the implementation is a {given.__name__ if isinstance(given, type) else type(given).__name__}, which "
                "can generate nothing",
                hint="give a callable, or something with a method `generate` or `generate_response`",
            )
        self.given = given
        self._loaded = loaded
        # What is there already needs no loading, and is not let go of.
        self._model = None if isinstance(given, type) else CustomModel(given, made_here=False)

    def __repr__(self) -> str:
        return f"Implementation({getattr(self.given, '__qualname__', type(self.given).__qualname__)})"

    @property
    def streams(self) -> bool:
        """Whether it has a `stream` of its own."""
        return callable(getattr(self.given, "stream", None))

    @property
    def checks_health(self) -> bool:
        """Whether it has a `health_check`."""
        return callable(getattr(self.given, "health_check", None))

    def lease(self, spec: ModelSpec) -> AbstractContextManager[CustomModel]:
        """Its methods, for as long as the block lasts; a class's object is not let go of meanwhile."""
        if self._model is not None:
            return nullcontext(self._model)
        return self._loaded.lease(("custom", spec.key, id(self)), spec, self._made, _released)

    def alease(self, spec: ModelSpec) -> AbstractAsyncContextManager[CustomModel]:
        """Like `lease`."""
        if self._model is not None:
            return nullcontext(self._model)
        return self._loaded.alease(("custom", spec.key, id(self)), spec, self._made, _released)

    def _made(self) -> CustomModel:
        return CustomModel(self.given(), made_here=True)


class CustomModel:
    """An object that generates."""

    def __init__(self, target: Any, *, made_here: bool) -> None:
        method = next((found for name in _GENERATE if callable(found := getattr(target, name, None))), target)
        stream = getattr(target, "stream", None)
        self.target = target
        self.made_here = made_here
        self.generate = Method(method)
        self.stream = Method(stream) if callable(stream) else None
        self.health_check: Callable[[], Any] | None = getattr(target, "health_check", None)


class Method:
    """A function of a model's, and what of a call it wants to know."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        named = inspect.signature(function).parameters.values()
        first = next(iter(named), None)
        self._wants_messages = first is not None and first.name == "messages"
        self._takes = None if any(each.kind is each.VAR_KEYWORD for each in named) else {each.name for each in named}
        call = function if inspect.isroutine(function) else type(function).__call__
        self.is_async = inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)

    def __call__(self, call: CustomCall) -> Any:
        """Call it, with what it wants to know."""
        parameters = call.parameters
        if self._takes is not None:
            parameters = {name: value for name, value in parameters.items() if name in self._takes}
        return self.function(call.messages if self._wants_messages else text_of(call.messages), **parameters)


class CustomCall(NamedTuple):
    """What a model's code is asked."""

    messages: Messages
    parameters: Mapping[str, Any]


def _released(model: CustomModel) -> None:
    """Tell an object that was made here that it is let go of."""
    if model.made_here:
        for name in _RELEASE:
            release = getattr(model.target, name, None)
            if callable(release):
                release()
                return


def text_of(messages: Messages) -> str:
    """Messages as one text: of a single message its words, of more what each role said.

    >>> text_of([{"role": "user", "content": "Hello"}])
    'Hello'
    """
    if len(messages) == 1:
        return _words(messages[0])
    return "\n".join(f"{message.get('role', 'user')}: {_words(message)}" for message in messages)


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping) and "text" in part)
    return content if isinstance(content, str) else ""


# -- OpenAI's form


class Shape(dict[str, Any]):
    """A JSON object whose fields can be read as attributes too, as those of clients' answers can."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def as_response(value: Any, model: str) -> Any:
    """What a model's code returned, as an answer in OpenAI's form; text becomes one, the rest is such a one already."""
    if isinstance(value, str):
        message = {"role": "assistant", "content": value}
        value = {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return shaped({"model": model, **value}) if isinstance(value, Mapping) else value


def as_chunk(value: Any, model: str) -> Any:
    """What a model's code streamed, as a chunk in OpenAI's form."""
    if isinstance(value, str):
        delta = {"role": "assistant", "content": value}
        value = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    return shaped({"model": model, **value}) if isinstance(value, Mapping) else value


def last_chunk(model: str) -> Any:
    """The chunk that says that a stream of texts is complete."""
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return shaped({"object": "chat.completion.chunk", "model": model, "choices": [choice]})


def chunks_of(response: Any, model: str) -> Iterator[Any]:
    """A whole answer as a stream."""
    choices = field(response, "choices") or [{}]
    message = field(choices[0], "message")
    calls = field(message, "tool_calls")
    delta: dict[str, Any] = {"role": "assistant", "content": field(message, "content")}
    if calls:
        delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
    reason = field(choices[0], "finish_reason") or "stop"
    yield as_chunk({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, model)
    last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    usage = field(response, "usage")
    yield as_chunk(last if usage is None else {**last, "usage": usage}, model)


def shaped(value: Any) -> Any:
    """JSON whose objects can be read by attribute."""
    if isinstance(value, Mapping):
        return Shape({str(key): shaped(each) for key, each in value.items()})
    return [shaped(each) for each in value] if isinstance(value, list) else value


def unshaped(value: Any) -> Any:
    """The same as plain JSON."""
    if isinstance(value, Mapping):
        return {key: unshaped(each) for key, each in value.items()}
    return [unshaped(each) for each in value] if isinstance(value, list) else value
