"""One call's ledger of time, money and attempts, and the budget that retries of all calls share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.json_schema import SkipJsonSchema

from pointsman.catalog.spec import nearest
from pointsman.errors import InvalidRequestError
from pointsman.types import Clock

if TYPE_CHECKING:
    from random import Random

RetryScope = Literal["any", "provider", "model"]

# Without a limit of one's own, an attempt may take this many times what the slowest recent one took ...
_GENEROUS = 4.0
# ... and never less than this: seconds for a whole answer, and for a stream's first content.
_LEAST_FOR_ANSWER, _LEAST_FOR_FIRST = 10.0, 5.0
_IDLE = 60.0
# No thread and no socket can wait for longer than some weeks; `inf` is a way to say so.
_LONGEST = 1e6
_CHANGES_KEPT = 64


class CallSettings(BaseModel):
    """The `calls:` section: limits of a call, all attempts together, unless the call names its own.

    Attributes:
        deadline: seconds for the whole call, until a stream's first content.
        timeout: seconds per attempt; for streams, where the next two do not say otherwise.
        ttft_timeout: seconds until a stream's first content.
        idle_timeout: seconds between two chunks after that; a minute where nothing is said.
        adaptive_timeout: where no timeout is set and other models are left, whether a model gets four times what its
            slowest of the last hundred answers took (at least 10 s, a stream's first content 5 s) once ten are known.
            A function that cannot give up by itself is held to it where a deadline or a timeout is set, or this is.
        max_cost: USD for the whole call.
        attempts: calls to providers; None means every eligible model once, and retries.
        retries: further tries of one model, when its fault allows and nothing else is left.
        backoff: seconds before the first retry, doubling, with equal jitter.
        longest_backoff: seconds no retry waits longer than.
        retry_scope: who may be asked after a failure: `any` model, those of the same `provider`, or only other
            deployments of the same `model`.
        on_content_policy: whether a refusal by a content filter may go to another model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    deadline: float | None = Field(default=60.0, gt=0)
    timeout: float | None = Field(default=None, gt=0)
    ttft_timeout: float | None = Field(default=None, gt=0)
    idle_timeout: float | None = Field(default=None, gt=0)
    adaptive_timeout: bool = True
    max_cost: float | None = Field(default=None, ge=0)
    attempts: int | None = Field(default=None, ge=1)
    retries: int = Field(default=1, ge=0)
    backoff: float = Field(default=0.5, ge=0)
    longest_backoff: float = Field(default=8.0, ge=0)
    retry_scope: RetryScope = "any"
    on_content_policy: bool = False
    # Tenacity's strategies, or any functions of its `RetryCallState`; objects, so Python alone can give them.
    retry_wait: SkipJsonSchema[Callable[[Any], float] | None] = Field(default=None, exclude=True, repr=False)
    retry_stop: SkipJsonSchema[Callable[[Any], bool] | None] = Field(default=None, exclude=True, repr=False)

    @field_validator("deadline", "timeout", "ttft_timeout", "idle_timeout")
    @classmethod
    def _can_be_waited(cls, seconds: float | None) -> float | None:
        return None if seconds is None else min(seconds, _LONGEST)

    @property
    def limits_time(self) -> bool:
        """Whether somebody has said that a call may not take for ever, so that one that may hang has to be watched.

        A thread that watches costs more than all else, too much for a limit that nobody has asked for.
        """
        limits = (self.deadline, self.timeout, self.ttft_timeout, self.idle_timeout)
        return limits != (None,) * 4 or (self.adaptive_timeout and "adaptive_timeout" in self.model_fields_set)

    def with_changes(self, **changes: Any) -> CallSettings:
        """A copy in which what is not None is changed.

        Raises:
            InvalidRequestError: E4103, if there is no such limit or it could never be meant.
        """
        if not changes:
            return self
        given = {name: value for name, value in changes.items() if value is not None}
        if not given:
            return self
        # A deadline may be over: whoever has waited already gives what is left.
        over = given.pop("deadline") if _is_over(given.get("deadline")) else None
        try:
            read = CallSettings.model_validate(given)
        except ValidationError as error:
            raise _wrong_limit(error) from None
        update = {name: getattr(read, name) for name in given}
        return self.model_copy(update=update if over is None else {**update, "deadline": over})


class ChangedSettings:
    """Settings with a call's own limits in them; they are kept, since a program names the same few again and again."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, Any], ...], tuple[CallSettings, CallSettings]] = {}

    def of(self, settings: CallSettings, limits: Mapping[str, Any]) -> CallSettings:
        """What `settings.with_changes(**limits)` gives.

        Raises:
            InvalidRequestError: E4103, likewise.
        """
        if not limits:
            return settings
        key = tuple(limits.items())
        try:
            known = self._known.get(key)
        except TypeError:  # a function that cannot be hashed
            return settings.with_changes(**limits)
        if known is not None and known[0] is settings:
            return known[1]
        changed = settings.with_changes(**limits)
        if len(self._known) >= _CHANGES_KEPT:
            self._known.clear()
        self._known[key] = settings, changed
        return changed


def _is_over(deadline: object) -> bool:
    return isinstance(deadline, int | float) and deadline <= 0


def _wrong_limit(error: ValidationError) -> InvalidRequestError:
    wrong = error.errors(include_url=False, include_input=False)[0]
    name = str(wrong["loc"][0])
    if wrong["type"] == "extra_forbidden":
        hint = nearest(name, CallSettings.model_fields) or f"one of: {', '.join(CallSettings.model_fields)}"
        return InvalidRequestError(f"there is no limit {name!r} of a call", field=name, hint=hint)
    return InvalidRequestError(f"{name}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}", field=name)


class CallLedger:
    """What one call may still spend; everything it does draws on this."""

    __slots__ = ("_clock", "attempts", "settings", "spent", "started", "streamed")

    def __init__(self, settings: CallSettings, clock: Clock, *, streamed: bool = False) -> None:
        self.settings = settings
        self.streamed = streamed
        self._clock = clock
        self.started = clock.monotonic()
        self.spent = 0.0
        self.attempts = 0

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        if self.settings.deadline is None:
            return None
        return self.started + self.settings.deadline - self._clock.monotonic()

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        deadline = self.settings.deadline
        return deadline is not None and self.started + deadline <= self._clock.monotonic()

    def timeout(self, *, others_left: bool, slowest: float | None = None) -> float | None:
        """Seconds for the next attempt: half of what is left while others could still follow, else all of it.

        Args:
            others_left: whether other models could still be asked.
            slowest: what the slowest of the model's recent attempts took, if enough are known.
        """
        remaining = self.remaining
        settings = self.settings
        limit = settings.timeout
        if self.streamed and settings.ttft_timeout is not None:
            limit = settings.ttft_timeout
        if limit is None and slowest is not None and others_left and settings.adaptive_timeout:
            limit = max(_LEAST_FOR_FIRST if self.streamed else _LEAST_FOR_ANSWER, _GENEROUS * slowest)
        if remaining is None:
            return limit
        share = remaining / 2 if others_left else remaining
        return share if limit is None else min(limit, share)

    @property
    def idle_timeout(self) -> float | None:
        """Seconds between two chunks of a stream; None for calls that are none."""
        settings = self.settings
        return (settings.idle_timeout or settings.timeout or _IDLE) if self.streamed else None

    def affords(self, cost: float | None) -> bool:
        """Whether a call that may cost this much (unknown: yes) fits into what is left."""
        limit = self.settings.max_cost
        return limit is None or cost is None or self.spent + cost <= limit

    @property
    def exhausted(self) -> bool:
        """Whether the number of attempts is used up."""
        limit = self.settings.attempts
        return limit is not None and self.attempts >= limit


class RetryBudget:
    """A share of traffic that may go to retries and to models that are known to fail (after Finagle's RetryBudget).

    Every request deposits `share`; every such call withdraws 1. A few are in it from the start, which the first
    requests deposit nothing for, so that over any traffic no more than the share is spent, or those few.
    """

    def __init__(self, share: float = 0.2, start: float = 10.0, most: float = 100.0) -> None:
        self._share = share
        self._most = most
        self._balance = start
        self._advanced = start
        self._lock = threading.RLock()

    def deposit(self) -> None:
        """A request came in."""
        with self._lock:
            if self._advanced > 0:
                self._advanced -= self._share
            else:
                self._balance = min(self._balance + self._share, self._most)

    def withdraw(self) -> bool:
        """Ask to spend one call; False when the budget is empty."""
        with self._lock:
            if self._balance < 1:
                return False
            self._balance -= 1
            return True


def backoff(settings: CallSettings, retry: int, rng: Random) -> float:
    """Seconds before the retry: exponential with equal jitter (half fixed, half drawn)."""
    span = min(settings.backoff * 2.0 ** (retry - 1), settings.longest_backoff)
    return float(span / 2 + rng.random() * span / 2)
