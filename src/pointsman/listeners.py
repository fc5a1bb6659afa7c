"""The one listener interface: who is told of decisions, calls, attempts, health, the registry and scores."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from pointsman.decision import RoutingDecision
from pointsman.errors import PointsmanError
from pointsman.events import RegistryEvent
from pointsman.failover.steps import Attempt, AttemptRecord, CallRecord
from pointsman.health.states import HealthState
from pointsman.types import Request

_log = logging.getLogger("pointsman")

EVENTS = (
    *("decided", "refused", "call_began", "call_ended", "attempt_began", "attempt_ended", "attempt_abandoned"),
    *("health_changed", "registry_changed", "feedback"),
)


class Listener:
    """What `Router.listen` takes: any object with some of these methods; a subclass overrides those it wants.

    They are called in the thread of the call itself, so they must be quick. What they raise is counted
    (`Router.statistics()["failed_listeners"]`), logged once per listener and method, and never fails a call.
    """

    def decided(self, decision: RoutingDecision, seconds: float) -> None:
        """A decision was made, in so many seconds."""

    def refused(self, request: Request, error: PointsmanError) -> None:
        """No decision could be made."""

    def call_began(self, decision: RoutingDecision) -> None:
        """A call is carried out; hosts that make the calls themselves have attempts alone."""

    def call_ended(self, record: CallRecord, error: BaseException | None, seconds: float) -> None:
        """It came to an end; `GeneratorExit` and cancellations mean that the caller left."""

    def attempt_began(self, attempt: Attempt) -> None:
        """A model is asked."""

    def attempt_ended(self, record: AttemptRecord, cost: float | None) -> None:
        """It answered or failed; the cost in USD, where it is known."""

    def attempt_abandoned(self, attempt: Attempt) -> None:
        """The caller left before it answered."""

    def health_changed(self, model: str, old: HealthState, new: HealthState) -> None:
        """A model is well or ill now."""

    def registry_changed(self, event: RegistryEvent) -> None:
        """Models were registered, changed, removed, reloaded, or could not be."""

    def feedback(self, decision_id: str, score: float, model: str) -> None:
        """An answer of this model was scored."""


class Audience:
    """Everybody who listens; per event a tuple of callbacks, which is empty when nobody wants it.

    Attributes:
        failures: how often a listener has raised.
    """

    __slots__ = ("_broken", "_listeners", "_lock", "failures", *EVENTS)

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._listeners: list[tuple[object, object]] = []
        self._broken: set[tuple[int, str]] = set()
        self.failures = 0
        for event in EVENTS:
            setattr(self, event, ())

    decided: tuple[Callable[..., object], ...]
    refused: tuple[Callable[..., object], ...]
    call_began: tuple[Callable[..., object], ...]
    call_ended: tuple[Callable[..., object], ...]
    attempt_began: tuple[Callable[..., object], ...]
    attempt_ended: tuple[Callable[..., object], ...]
    attempt_abandoned: tuple[Callable[..., object], ...]
    health_changed: tuple[Callable[..., object], ...]
    registry_changed: tuple[Callable[..., object], ...]
    feedback: tuple[Callable[..., object], ...]

    def add(self, listener: object) -> Callable[[], None]:
        """Tell this one too; returns what ends that.

        Raises:
            TypeError: it has none of the methods.
        """
        if not any(_method(listener, event) for event in EVENTS):
            raise TypeError(f"{type(listener).__name__} listens to nothing; expected one of: {', '.join(EVENTS)}")
        entry = (object(), listener)
        with self._lock:
            self._listeners.append(entry)
            self._arrange()

        def leave() -> None:
            with self._lock:
                self._listeners = [each for each in self._listeners if each is not entry]
                self._arrange()

        return leave

    def tell(self, event: str, *facts: Any) -> None:
        """Tell all who want this event."""
        for callback in getattr(self, event):
            try:
                callback(*facts)
            except Exception as error:  # noqa: BLE001  what watches a call must never fail it
                self._failed(callback, event, error)

    def _arrange(self) -> None:
        for event in EVENTS:
            found = (_method(listener, event) for _, listener in self._listeners)
            setattr(self, event, tuple(method for method in found if method is not None))

    def _failed(self, callback: Callable[..., object], event: str, error: Exception) -> None:
        owner = getattr(callback, "__self__", callback)
        with self._lock:
            self.failures += 1
            if (id(owner), event) in self._broken:
                return
            self._broken.add((id(owner), event))
        # Of the error its type alone: its words may quote the prompt.
        _log.warning(
            "listener %s.%s failed (%s); it is not logged again", type(owner).__name__, event, type(error).__name__
        )


def _method(listener: object, event: str) -> Callable[..., object] | None:
    """The method, unless there is none or it is the one that does nothing."""
    if getattr(type(listener), event, None) is getattr(Listener, event):
        return None
    method = getattr(listener, event, None)
    return method if callable(method) else None
