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

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled."""

    def start(self) -> Self:
        """Run as a task of the running loop, or in a daemon thread where there is none; once, unless that has ended."""
        if self._is_running():
            return self
        self._task = self._thread = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            running = threading.Event()
            self._thread = threading.Thread(target=self._run_in_thread, args=(running,), daemon=True, name=self.name)
            self._thread.start()
            running.wait()
        else:
            self._task = loop.create_task(self.run(), name=self.name)
        return self

    def stop(self) -> None:
        """End it."""
        task, thread = self._task, self._thread
        self._task = self._thread = None
        if task is None:
            return
        # The loop may have ended by itself.
        with contextlib.suppress(RuntimeError):
            if thread is None and asyncio.get_running_loop() is task.get_loop():
                task.cancel()
                return
        with contextlib.suppress(RuntimeError):
            task.get_loop().call_soon_threadsafe(task.cancel)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _is_running(self) -> bool:
        """Whether what was started goes on: its loop may have been closed, its thread have stayed behind at a fork."""
        if self._thread is not None:
            return self._thread.is_alive()
        return self._task is not None and not self._task.done() and not self._task.get_loop().is_closed()

    def _run_in_thread(self, running: threading.Event) -> None:
        async def work() -> None:
            self._task = asyncio.current_task()
            running.set()
            await self.run()

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(work())
