"""A thread beside the calls that runs a few jobs about each second, and at once when it is woken."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from random import Random
from types import MethodType

from pointsman.forks import hold_while_forking, renew_after_fork

_log = logging.getLogger("pointsman")

EVERY = 1.0


class Worker:
    """Starts its thread when it is first needed, again in a forked child, and ends it when nobody holds the worker.

    Args:
        jobs: bound methods, run one after the other; their owners are held weakly.
        every: seconds between two rounds, give or take a tenth, so that processes do not march in step.
    """

    def __init__(self, jobs: Sequence[Callable[[], object]], every: float = EVERY) -> None:
        self._jobs = [weakref.WeakMethod(job) for job in jobs if isinstance(job, MethodType)]
        self._every = every
        self._stopped = False
        self._round = _Round()
        self._thread: threading.Thread | None = None
        renew_after_fork(self)

    def ensure(self) -> None:
        """Start the thread unless it runs; costs next to nothing if it does."""
        if self._thread is None and not self._stopped:
            with self._round.lock:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=_work, args=(self._jobs, self._every, self._round), daemon=True, name="pointsman-shared"
                    )
                    weakref.finalize(self, self._round.stop)
                    self._thread.start()

    def wake(self) -> None:
        """Run the jobs now rather than at the end of the second."""
        self.ensure()
        self._round.woken.set()

    def stop(self) -> None:
        """End the thread, after the round it is in."""
        self._stopped = True
        self._round.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def forked(self) -> None:
        """The thread stayed behind in the parent."""
        self._round = _Round()
        self._thread = None


class _Round:
    """What the thread shares with its worker, which it must not keep alive."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.working = threading.Lock()
        self.woken = threading.Event()
        self.stopped = False
        hold_while_forking(self.working)

    def stop(self) -> None:
        self.stopped = True
        self.woken.set()


def _work(jobs: Sequence[weakref.WeakMethod[Callable[[], object]]], every: float, around: _Round) -> None:
    rng = Random()
    while True:
        around.woken.wait(every * (0.9 + 0.2 * rng.random()))
        around.woken.clear()
        if around.stopped:
            return
        with around.working:
            if not all(_did(reference()) for reference in jobs):
                return


def _did(job: Callable[[], object] | None) -> bool:
    """Run a job; False if its owner is gone."""
    if job is None:
        return False
    try:
        job()
    except Exception:  # noqa: BLE001  a job that fails once must not end all of them
        _log.exception("a job beside the calls failed; it is tried again")
    return True
