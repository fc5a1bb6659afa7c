"""The process in which the demo's LiteLLM Proxy runs: `litellm` itself, and an end that comes with its parent's."""

from __future__ import annotations

import os
import signal
import sys
import threading

LIFE_LIMIT_SECONDS = 900.0
_GRACE_SECONDS = 3.0


def _leave_when_input_closes() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    _leave()


def _leave() -> None:
    """Ask the server to stop, and do not wait for ever."""
    threading.Timer(_GRACE_SECONDS, os._exit, (0,)).start()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run LiteLLM's own command with this process's arguments."""
    threading.Thread(target=_leave_when_input_closes, daemon=True, name="parent").start()
    limit = threading.Timer(LIFE_LIMIT_SECONDS, _leave)
    limit.daemon = True
    limit.start()
    from litellm import run_server  # noqa: PLC0415  seconds; the watch stands before it

    run_server()


if __name__ == "__main__":
    main()
