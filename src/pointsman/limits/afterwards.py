"""Work that nobody waits for: done in batches by one thread, which starts when there is some.

Handing work over takes no lock, so that it may be handed over at any moment: a stream that nobody holds any more ends when
garbage is collected, which may be in the middle of anything, also of what hands work to an executor.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

_log = logging.getLogger("pointsman")

ItemT = TypeVar("ItemT")

_BATCH = 500
# Seconds that a process which ends waits for what is left to do.
_LONGEST_END = 1.0


class Afterwards(Generic[ItemT]):
    """Does the work while its owner lives.

    Args:
        work: a bound method that takes a batch in the order in which it was handed over; its owner is held weakly.
        name: of the thread.
    """

    def __init__(self, work: Callable[[list[ItemT]], None], name: str) -> None:
        self._work = weakref.WeakMethod(work)
        self._name = name
        self._items: SimpleQueue[ItemT | threading.Event | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, item: ItemT) -> None:
        """Have this done soon."""
        self._items.put(item)
        if self._thread is None:
            self._thread = threading.Thread(target=_run, args=(self._work, self._items), daemon=True, name=self._name)
            weakref.finalize(self, self._items.put, None).atexit = False
            atexit.register(_finish, weakref.ref(self))
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is ending
                if (work := self._work()) is not None:
                    work([item])

    def finish(self, seconds: float) -> None:
        """Wait until what was handed over is done, for so long at most."""
        if self._thread is not None and self._thread.is_alive():
            done = threading.Event()
            self._items.put(done)
            done.wait(seconds)


def _finish(afterwards: weakref.ref[Afterwards[ItemT]]) -> None:
    alive = afterwards()
    if alive is not None:
        alive.finish(_LONGEST_END)


def _run(
    work: weakref.WeakMethod[Callable[[list[ItemT]], None]], items: SimpleQueue[ItemT | threading.Event | None]
) -> None:
    while True:
        waiting = [items.get()]
        try:
            while len(waiting) < _BATCH:
                waiting.append(items.get_nowait())
        except Empty:
            pass
        batch = [each for each in waiting if each is not None and not isinstance(each, threading.Event)]
        act = work()
        if act is None or None in waiting:
            return
        if batch:
            try:
                act(batch)
            except Exception as error:  # noqa: BLE001  the next batch is not to suffer
                _log.warning("work beside the calls failed: %s", type(error).__name__)
        del act
        for each in waiting:
            if isinstance(each, threading.Event):
                each.set()
