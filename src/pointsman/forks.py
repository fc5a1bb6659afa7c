"""What a forked process must make anew: threads do not survive a fork, ids would repeat, buffers be written twice."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that holds a thread, an id or a buffer."""

    def forked(self) -> None:
        """This is a new process now; nobody else runs in it yet."""
        ...


_owners: weakref.WeakSet[Forked] = weakref.WeakSet()
_locks: weakref.WeakSet[threading.Lock] = weakref.WeakSet()
_held: list[threading.Lock] = []


def renew_after_fork(owner: Forked) -> None:
    """Call `owner.forked()` in every child process, as long as somebody holds it."""
    _owners.add(owner)


def hold_while_forking(lock: threading.Lock) -> None:
    """Fork only while nobody has this lock: a thread that worked on under it would leave its work half done in the child."""
    _locks.add(lock)


def _hold() -> None:
    for lock in list(_locks):
        lock.acquire()
        _held.append(lock)


def _release() -> None:
    while _held:
        _held.pop().release()


def _renew() -> None:
    _release()
    for owner in list(_owners):
        owner.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_renew)
