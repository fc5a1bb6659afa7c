"""A real redis-server for tests: on a free port, without persistence, ended with its owner; and a wire that can be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from typing import Self

import pytest

REQUIRED = os.environ.get("REQUIRE_REDIS") == "1"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class RedisServer:
    """The server process; it can be paused, killed and started again on its port."""

    def __init__(self, binary: str, *options: str) -> None:
        self._binary = binary
        self._options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self._options]
        self._process = subprocess.Popen(
            [self._binary, *options, "--daemonize", "no"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"eady to accept connections" in line:
                break
        else:
            raise RuntimeError("redis-server ended before it was ready")
        # Nobody reads its log from here on, and a full pipe would stop it.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *command: str) -> bytes:
        """Send a command in the inline form and return the first reply as it is."""
        with socket.create_connection(("127.0.0.1", self.port)) as wire:
            wire.sendall(" ".join(command).encode() + b"\r\n")
            return wire.recv(65536)


class Wire:
    """A TCP proxy on loopback between a client and a server; cut, it swallows what comes, as a lost network does."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._whole = threading.Event()
        self._whole.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.mend()
        self._listening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.close()


def find_redis() -> str:
    """The binary; tests are skipped without it, unless it is required."""
    binary = shutil.which("redis-server")
    if binary is None and REQUIRED:
        pytest.fail("redis-server is not installed and REQUIRE_REDIS=1")
    if binary is None:
        pytest.skip("redis-server is not installed")
    return binary
