"""`Recall`: what a router has answered before, and what is being asked right now, so that nothing is asked twice.

An answer that comes from here was made by nobody just now: it teaches no policy and says nothing of a model's health.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from pointsman.cache.codec import can_decode, decode, encode
from pointsman.cache.flights import Landed
from pointsman.cache.keys import content_of, is_kept, version_of
from pointsman.cache.model_cache import ModelCache
from pointsman.failover.steps import CallRecord
from pointsman.registry.models import ModelRegistry
from pointsman.types import Clock, Request


class Place(NamedTuple):
    """Where an answer is kept: its key, and what it belongs to."""

    key: str
    tenant: str | None
    version: str


class Reply(NamedTuple):
    """An answer and who gave it.

    Attributes:
        value: what the call returned.
        model: key of the model that gave it.
        cached: whether it was given before; then nobody was asked, and there is no record.
        record: every attempt it took.
    """

    value: Any
    model: str
    cached: bool = False
    record: CallRecord | None = None


# Makes an answer, within so many seconds (None: as the call's own limits say).
Make = Callable[[float | None], Reply]
AsyncMake = Callable[[float | None], Awaitable[Reply]]


class Recall:
    """A router's answers by request.

    Args:
        cache: where they are kept.
        registry: whose content is a part of every key.
        scope: what else answers depend on that a request does not say, such as the policy.
        clock: where time comes from.
    """

    def __init__(self, cache: ModelCache, registry: ModelRegistry, scope: str, clock: Clock) -> None:
        self.cache = cache
        self._registry = registry
        self._scope = scope
        self._clock = clock

    def place(self, request: Request, form: str) -> Place | None:
        """Where a request's answer is kept; None if it is not to be.

        Args:
            request: what is asked.
            form: what is made of the answer, so that a text and a whole response are kept apart.
        """
        if not is_kept(request, self.cache.settings.when):
            self.cache.tally.add("passed_by")
            return None
        version = version_of(self._registry.snapshot, request.model)
        key = self.cache.key(form, self._scope, version, request.tenant, content_of(request))
        if key is None:  # messages that are objects of a host, say
            self.cache.tally.add("passed_by")
            return None
        return Place(key, request.tenant, version)

    def run(self, place: Place, make: Make, deadline: float | None) -> Reply:
        """The answer that is kept, or that somebody is making now, else one that is made now and kept."""
        found = self.find(place)
        if found is not None:
            return found
        patience = self._patience(deadline)
        own: list[Reply] = []

        def work() -> Landed:
            # Whoever led before may have kept it between our look and our turn.
            answer = self.find(place, again=True) or make(patience())
            own.append(answer)
            return _landed(answer if answer.cached else self.keep(place, answer))

        told = self.cache.flights.run(place.key, work, patience)
        return own[0] if own else _shared(told)

    async def arun(self, place: Place, make: AsyncMake, deadline: float | None) -> Reply:
        """Like `run`, for tasks."""
        found = await self.afind(place)
        if found is not None:
            return found
        patience = self._patience(deadline)
        own: list[Reply] = []

        async def work() -> Landed:
            answer = await self.afind(place, again=True) or await make(patience())
            own.append(answer)
            return _landed(answer if answer.cached else await self.akeep(place, answer))

        told = await self.cache.flights.arun(place.key, work, patience)
        return own[0] if own else _shared(told)

    def _patience(self, deadline: float | None) -> Callable[[], float | None]:
        """What is left of a deadline that runs from here on."""
        started = self._clock.monotonic()
        if deadline is None or math.isinf(deadline):  # no thread can wait for so long
            return lambda: None
        return lambda: max(deadline - (self._clock.monotonic() - started), 0.0)

    # -- looking and keeping

    def find(self, place: Place, *, again: bool = False) -> Reply | None:
        """The answer that is kept."""
        return self._answer(self.cache.get(place.key, again=again))

    async def afind(self, place: Place, *, again: bool = False) -> Reply | None:
        """Like `find`."""
        return self._answer(await self.cache.aget(place.key, again=again))

    def keep(self, place: Place, answer: Reply) -> Reply | None:
        """Keep an answer; None if it is of a type that is not kept."""
        kept = self._kept(answer)
        if kept is not None:
            self.cache.put(place.key, kept, model=answer.model, tenant=place.tenant, version=place.version)
        return None if kept is None else answer

    async def akeep(self, place: Place, answer: Reply) -> Reply | None:
        """Like `keep`."""
        kept = self._kept(answer)
        if kept is not None:
            await self.cache.aput(place.key, kept, model=answer.model, tenant=place.tenant, version=place.version)
        return None if kept is None else answer

    def _kept(self, answer: Reply) -> dict[str, Any] | None:
        kept = _plain(answer)
        if kept is None:
            self.cache.tally.add("not_kept")
        return kept

    @staticmethod
    def _answer(kept: Any) -> Reply | None:
        return Reply(decode(kept), kept["model"], cached=True) if can_decode(kept) else None


def named(call: Callable[..., Any]) -> str:
    """What tells one function that makes calls from another."""
    return f"{getattr(call, '__module__', '')}.{getattr(call, '__qualname__', type(call).__qualname__)}"


def _plain(answer: Reply) -> dict[str, Any] | None:
    kept = None if answer.value in (None, "") else encode(answer.value)
    return None if kept is None else {"model": answer.model, **kept}


def _landed(answer: Reply | None) -> Landed:
    # As text, so that those who wait get copies: nobody shall change somebody else's answer.
    plain = None if answer is None else _plain(answer)
    return Landed(then="each") if plain is None else Landed(json.dumps(plain), then="take")


def _shared(text: str) -> Reply:
    kept = json.loads(text)
    return Reply(decode(kept), kept["model"], cached=True)
