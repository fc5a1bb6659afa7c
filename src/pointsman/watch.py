"""Hot reload: looks at the configuration file now and then, and reloads the registry when its content has changed."""

from __future__ import annotations

import logging
import threading
from hashlib import sha256
from pathlib import Path
from typing import Self

from pointsman.errors import CatalogError
from pointsman.registry.models import ModelRegistry

_log = logging.getLogger("pointsman")

_NOTHING = sha256(b"").digest()


class FileWatch:
    """Polls the file a registry was loaded from: its size and time first, its content only when those moved.

    A broken file changes nothing: the last good version stays, the registry tells `reload_failed`, and the file is
    looked at again when it changes once more. The thread takes a change over when it finds the file as it was a look
    before, so that one that is being written is not read half; an empty one is taken for just that.

    Args:
        registry: loaded from a file.
        interval: seconds between two looks.
    """

    def __init__(self, registry: ModelRegistry, interval: float = 2.0) -> None:
        self._registry = registry
        self._interval = interval
        self._path = None if registry.path is None else Path(registry.path)
        self._stat = self._look()
        self._content = self._hash()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def poll(self) -> bool:
        """Look once; True if the registry was reloaded."""
        stat = self._look()
        if stat == self._stat:
            return False
        self._stat = stat
        content = self._hash()
        if content in (None, _NOTHING, self._content):
            return False
        self._content = content
        try:
            self._registry.reload()
        except CatalogError as error:
            _log.warning("%s: the last good configuration stays: %s", error.code, error)
            return False
        return True

    def start(self) -> Self:
        """Poll in a daemon thread until `stop`."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, daemon=True, name="pointsman-watch")
            self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        before = self._stat
        while not self._stop.wait(self._interval):
            stat = self._look()
            if stat == before:
                try:
                    self.poll()
                except Exception as error:  # noqa: BLE001  whoever was told of the change may fail; the looks go on
                    _log.warning("somebody who was told of a reload failed: %s", type(error).__name__)
            before = stat

    def _look(self) -> tuple[int, int] | None:
        try:
            stat = None if self._path is None else self._path.stat()
        except OSError:
            return None
        return None if stat is None else (stat.st_mtime_ns, stat.st_size)

    def _hash(self) -> bytes | None:
        try:
            return None if self._path is None else sha256(self._path.read_bytes()).digest()
        except OSError:
            return None
