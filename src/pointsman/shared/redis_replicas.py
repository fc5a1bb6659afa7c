"""The health that processes share through Redis: who is behind, who probes, and how many processes there are.

What opens or closes here is published at once by a thread; what others published is read about each second. Calls ask
the server only when they want a probe. While it is away each process goes on alone, and afterwards says what still holds.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pointsman.errors import StoreError
from pointsman.forks import renew_after_fork
from pointsman.health.breaker import Window
from pointsman.health.states import Health
from pointsman.shared.scripts import EXCHANGE, TAKE_PROBE
from pointsman.stores.redis_link import RedisLink
from pointsman.types import Clock

_log = logging.getLogger("pointsman")

# A process that was not heard of for so long counts no more; one that was killed gives up its probe as soon.
_FORGOTTEN_AFTER = 5.0
_NEVER = 1e9


class RedisReplicas:
    """The processes on one Redis, as `Replicas` of a `Health`.

    Args:
        link: the way to the server.
        health: whose findings are shared.
        clock: monotonic time; nothing else of it is used.
        wake: makes `exchange` run soon.

    Attributes:
        count: how many processes there are, as far as was last known.
    """

    def __init__(self, link: RedisLink, health: Health, clock: Clock, wake: Callable[[], None]) -> None:
        self._health = health
        self._clock = clock
        self._link = link
        self._wake = wake
        self._take = link.script(TAKE_PROBE)
        self._exchange = link.script(EXCHANGE)
        self._keys = [link.key("health", name) for name in ("windows", "leases", "facts", "replicas")]
        self._flush_listeners: list[Callable[[], None]] = []
        self._start()
        renew_after_fork(self)

    def _start(self) -> None:
        self._id = os.urandom(6).hex()
        self._lock = threading.RLock()
        self._changed: set[str] = set()
        self._leases: dict[str, tuple[str, float]] = {}
        self._given_back: list[tuple[str, str]] = []
        self._seen = ("", "")
        self._complaint = ""
        self.count = 1

    def on_flush(self, callback: Callable[[], None]) -> None:
        """Call back when the server has lost what it held, so that it can be written again."""
        self._flush_listeners.append(callback)

    # -- of Replicas

    def take_probe(self, subject: str, seconds: float) -> bool:
        """Ask for the one probe of all processes, for so long at most; without an answer this process goes alone."""
        token = os.urandom(6).hex()
        try:
            reply = self._take(self._keys[:2], [subject, token, _milliseconds(_FORGOTTEN_AFTER)])
        except StoreError:
            return True
        if not reply[0]:
            self._adopt(reply[1:], self._clock.monotonic())
            return False
        with self._lock:
            self._leases[subject] = (token, self._clock.monotonic() + seconds)
        return True

    def give_back(self, subject: str) -> None:
        """A probe ended without a finding: somebody else may try."""
        if subject in self._leases:
            with self._lock:
                self._end(subject)
            self._wake()

    def changed(self, subject: str) -> None:
        """Publish what is known here of a subject, and with it that its probe is over."""
        with self._lock:
            self._changed.add(subject)
        self._wake()

    # -- beside the calls

    def exchange(self) -> None:
        """Publish what changed here and take over what changed elsewhere; a server that is away is asked next time."""
        with self._lock:
            changed, self._changed = self._changed, set()
            for subject in changed:
                self._end(subject)
            ended, self._given_back = self._given_back, []
        try:
            flushed = self._round(changed, ended, stay=True)
        except StoreError as error:
            with self._lock:
                self._changed |= changed
                self._given_back = [*ended, *self._given_back]
            if self._link.is_up and str(error) != self._complaint:
                # It answers, and refuses: without a word nobody would know that nothing is shared.
                self._complaint = str(error)
                _log.warning("%s: health is not shared: %s", error.code, error)
            return
        self._complaint = ""
        if flushed:
            for listener in tuple(self._flush_listeners):
                listener()

    def leave(self) -> None:
        """This process ends: it counts no more and probes no more."""
        with self._lock:
            for subject in list(self._leases):
                self._end(subject)
            ended, self._given_back = self._given_back, []
            changed, self._changed = self._changed, set()
        self._round(changed, ended, stay=False)

    def forked(self) -> None:
        """A child is another process; probes are its parent's."""
        self._start()

    # -- inside

    def _end(self, subject: str) -> None:
        lease = self._leases.pop(subject, None)
        if lease is not None:
            self._given_back.append((subject, lease[0]))

    def _round(self, changed: set[str], ended: Sequence[tuple[str, str]], *, stay: bool) -> bool:
        """One round trip; True if the server has lost what this process had seen there."""
        windows = {subject: self._health.sharing.window(subject) for subject in changed}
        with self._lock:
            now = self._clock.monotonic()
            for subject in [subject for subject, (_, until) in self._leases.items() if until <= now]:
                self._end(subject)
            kept = [(subject, token) for subject, (token, _) in self._leases.items()]
        forgotten = _milliseconds(_FORGOTTEN_AFTER)
        arguments: list[Any] = [self._id, forgotten if stay else 0, *self._seen, forgotten, len(windows)]
        for subject, window in windows.items():
            arguments += [subject, *_relative(window, now)]
        for leases in (ended, kept):
            arguments.append(len(leases))
            arguments += [part for lease in leases for part in lease]
        epoch, version, count, *found = self._exchange(self._keys, arguments)
        # The answer was true at some moment since the question was sent.
        self._adopt(found, (now + self._clock.monotonic()) / 2)
        flushed = self._seen[0] not in ("", epoch)
        self._seen = (epoch, version)
        self.count = max(int(count), 1)
        if flushed:
            with self._lock:
                self._changed |= set(self._health.sharing.windows())
            self._wake()
        return flushed

    def _adopt(self, found: Sequence[Any], now: float) -> None:
        for subject, window in _absolute(found, now):
            self._health.adopt(subject, window)


def _relative(window: Window, now: float) -> tuple[int, int, int, int]:
    def ago(moment: float) -> int:
        return _milliseconds(min(now - moment, _NEVER))

    return ago(window.opened), _milliseconds(max(window.until - now, -_NEVER)), ago(window.closed), window.openings


def _absolute(found: Sequence[Any], now: float) -> Iterator[tuple[str, Window]]:
    for at in range(0, len(found), 5):
        subject, opened, left, closed, openings = found[at : at + 5]
        yield subject, Window(_moment(opened, now), now + int(left) / 1000, _moment(closed, now), int(openings))


def _moment(milliseconds_ago: Any, now: float) -> float:
    seconds = int(milliseconds_ago) / 1000
    return -math.inf if seconds >= _NEVER / 2 else now - seconds


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
