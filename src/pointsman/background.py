"""Work that goes on beside the calls: a task of the running event loop, or a thread where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """Something with a `run` that goes on until it is cancelled; started and stopped by its user."""

    name = "pointsman"

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled."""

    def start(self) -> Self:
        """Run as a task of the running loop, or in a daemon thread where there is none; once."""
        if self._task is not None or self._thread is not None:
            return self
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._thread = threading.Thread(target=self._run_in_thread, daemon=True, name=self.name)
            self._thread.start()
        else:
            self._task = loop.create_task(self.run(), name=self.name)
        return self

    def stop(self) -> None:
        """End it."""
        task, loop, thread = self._task, self._loop, self._thread
        self._task = self._thread = self._loop = None
        if task is not None:
            task.cancel()
        if loop is not None and thread is not None:
            # The thread may have ended by itself, and its loop with it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_cancel_all, loop)
            thread.join()

    def _run_in_thread(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            with contextlib.suppress(asyncio.CancelledError):
                runner.run(self.run())


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
