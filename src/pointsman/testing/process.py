"""Model servers in a process of their own, so that a test can really kill it."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from .models import ServedModel

__all__ = ["ModelProcess", "end"]

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0


class ModelProcess:
    """A process that serves models until it is killed, its parent dies, or its life limit ends.

    Faults are asked of it request by request: by the header `x-test-fault` or the text `[[fault:NAME]]`.
    """

    def __init__(self, models: Iterable[ServedModel], *, seed: int = 0, life_limit: float = 3600.0) -> None:
        self._models = list(models)
        self._seed = seed
        self._life_limit = life_limit
        self._urls: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<ModelProcess {self.pid} {self._urls}>"

    @property
    def pid(self) -> int | None:
        """The process id, None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def urls(self) -> Mapping[str, str]:
        """The base URLs by model name; the same again after `kill()` and `start()`."""
        return self._urls

    @property
    def url(self) -> str:
        """The base URL of the only model."""
        if len(self._urls) != 1:
            raise RuntimeError(f"this process serves {len(self._urls)} models now; use urls[name]")
        return next(iter(self._urls.values()))

    def start(self) -> Self:
        """Start the process and wait until it serves."""
        if self.pid is not None:
            return self
        command = [sys.executable, "-m", "pointsman.testing", "--watch-stdin"]
        command += ["--seed", str(self._seed), "--life-limit", str(self._life_limit)]
        for model in self._models:
            command += ["--model", json.dumps(asdict(model))]
        for name, url in self._urls.items():
            command += ["--port", f"{name}={url.split(':')[2].split('/')[0]}"]
        source = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(part for part in (source, os.environ.get("PYTHONPATH")) if part)
        self._process = process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        atexit.register(self.stop)
        self._urls = self._announcement(process)["urls"]
        return self

    def _announcement(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        watch = threading.Timer(_START_SECONDS, process.kill)
        watch.start()
        try:
            line = process.stdout.readline() if process.stdout is not None else b""
        finally:
            watch.cancel()
        if not line:
            code = process.wait()
            self.stop()
            raise RuntimeError(f"the model process ended with code {code} before it served; see its standard error")
        announcement: dict[str, Any] = json.loads(line)
        return announcement

    def kill(self) -> None:
        """Kill the process with SIGKILL and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def stop(self) -> None:
        """End the process by closing its standard input; kill it if that does not help."""
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is not None:
            end(process)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leaves when its standard input closes; kill it if that does not help."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
