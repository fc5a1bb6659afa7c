"""Threads for what nobody waits for: started when there is work, gone when there has been none for a while."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from pointsman.forks import renew_after_fork

_log = logging.getLogger("pointsman")

_IDLE_SECONDS = 5.0


class Workers:
    """Runs jobs beside the calls, oldest first; what is too much is not done.

    Args:
        threads: how many jobs at a time.
        most_waiting: how many may wait.

    Attributes:
        dropped: jobs that found no room.
    """

    def __init__(self, threads: int = 2, most_waiting: int = 1_000) -> None:
        self._most_threads = threads
        self._most_waiting = most_waiting
        self.dropped = 0
        self.forked()
        renew_after_fork(self)

    def forked(self) -> None:
        """A child has no threads; what waited is its parent's to do."""
        self._lock = threading.RLock()
        self._done = threading.Condition(self._lock)
        self._jobs: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._threads = 0
        self._open = 0

    def submit(self, job: Callable[[], Any]) -> bool:
        """Have a job done; False if there is no room for it."""
        with self._lock:
            if self._open >= self._most_waiting:
                self.dropped += 1
                return False
            self._open += 1
            self._jobs.put(job)
            if self._threads < min(self._most_threads, self._open):
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="pointsman-worker").start()
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all that was submitted is done; False if it takes longer."""
        with self._done:
            return self._done.wait_for(lambda: self._open == 0, timeout)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._threads -= 1
                        return
                continue
            try:
                job()
            except Exception as error:  # noqa: BLE001  the next job is not to suffer; its words may quote a prompt
                _log.warning("work beside the calls failed: %s", type(error).__name__)
            finally:
                del job
                with self._done:
                    self._open -= 1
                    self._done.notify_all()
