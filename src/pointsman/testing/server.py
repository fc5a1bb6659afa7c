"""One model server: a listening socket on 127.0.0.1, its connections, and the handle a test holds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .connection import ClientLeftError, Connection
from .endpoint import Endpoint
from .faults import Fault

if TYPE_CHECKING:
    from .limits import TellsTime
    from .models import RequestRecord, ServedModel

__all__ = ["ModelServer"]

T = TypeVar("T")
RunInThread = Callable[[Coroutine[Any, Any, Any]], Any]

_HOST = "127.0.0.1"
_BACKLOG = 512


class ModelServer:
    """A model that answers OpenAI's and Anthropic's APIs over real HTTP; made and started by a `ModelFleet`.

    Its methods may be called from any thread; what they do has happened when they return.
    """

    def __init__(
        self,
        model: ServedModel,
        run: RunInThread,
        *,
        seed: int,
        clock: TellsTime,
        port: int = 0,
        keep_bodies: bool = False,
    ) -> None:
        self.model = model
        self._run = run
        self._port = port
        self._endpoint = Endpoint(model, seed, clock, keep_bodies=keep_bodies)
        self._listener: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}

    def __repr__(self) -> str:
        return f"<ModelServer {self.model.name} {self.url if self._port else 'not started'}>"

    @property
    def url(self) -> str:
        """The base URL, which ends in /v1."""
        if not self._port:
            raise RuntimeError(f"{self.model.name} has no port yet; start the fleet first (`with serve(...) as fleet`)")
        return f"http://{_HOST}:{self._port}/v1"

    @property
    def port(self) -> int:
        """The port, 0 before the first start; kept over kill() and revive()."""
        return self._port

    @property
    def is_listening(self) -> bool:
        """Say whether connections are accepted."""
        return self._listener is not None

    @property
    def requests(self) -> list[RequestRecord]:
        """The log, in the order of arrival, requests under way included."""
        return self._endpoint.journal.records

    @property
    def calls(self) -> int:
        """How many completion and embedding requests arrived, whatever became of them."""
        return self._endpoint.journal.calls

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._endpoint.journal.in_flight

    def clear(self) -> None:
        """Forget the log; `calls` starts from 0."""
        self._endpoint.journal.clear()

    def wait_until(self, condition: Callable[[ModelServer], bool], timeout: float = 10.0) -> bool:
        """Block until a condition on the log holds, without polling; say whether it came to hold."""
        return self._endpoint.journal.wait_until(lambda: condition(self), timeout)

    def fail(self, fault: Fault | str, *, times: int | None = None, probability: float = 1.0) -> None:
        """Play a fault on every call until `heal()`, replacing the one before.

        Args:
            fault: A fault or its name.
            times: Only so often.
            probability: Only on this share of calls, drawn from the server's seed.
        """
        self._endpoint.faults.stand(_fault(fault), times, probability)

    def script(self, *faults: Fault | str | None) -> None:
        """Play these faults on the next calls, one each, None for a healthy answer; then what `fail` said."""
        self._endpoint.faults.script(*(None if fault is None else _fault(fault) for fault in faults))

    def heal(self) -> None:
        """Answer properly again."""
        self._endpoint.faults.clear()

    def kill(self) -> None:
        """Close the listening socket and reset every connection: new ones are refused; the port stays ours."""
        self._run(self.halt(keep_port=True))

    def revive(self) -> None:
        """Listen again on the same port, after `kill()`."""
        self._run(self.listen())

    async def listen(self) -> None:
        """Start accepting connections; runs in the fleet's thread."""
        if self._listener is not None:
            return
        listening = self._placeholder or _bound(self._port)
        self._placeholder = None
        self._port = listening.getsockname()[1]
        self._listener = await asyncio.start_server(self._serve, sock=listening, backlog=_BACKLOG)

    async def halt(self, *, keep_port: bool = False) -> None:
        """Stop accepting and reset every connection; runs in the fleet's thread."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            if keep_port:  # bound but not listening: the kernel refuses connections and gives the port to nobody else
                with contextlib.suppress(OSError):
                    self._placeholder = _bound(self._port)
        if not keep_port and self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        ending = dict(self._connections)
        for task, connection in ending.items():
            connection.abort()
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        task = asyncio.current_task()
        if task is None or self._listener is None:
            connection.abort()
            return
        self._connections[task] = connection
        try:
            while (request := await connection.next_request()) is not None:
                await self._endpoint.handle(connection, request)
            await connection.close()
        except (ClientLeftError, ConnectionError):
            connection.abort()
        except asyncio.CancelledError:
            connection.abort()  # by halt(), which waits for this task; nobody else cancels it
        finally:
            del self._connections[task]


def _fault(fault: Fault | str) -> Fault:
    return Fault.named(fault) if isinstance(fault, str) else fault


def _bound(port: int) -> socket.socket:
    # Named as TCP, or asyncio would not turn off Nagle's algorithm and every answer might wait 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A free port is asked for without SO_REUSEADDR, or it might be one that a killed server keeps for itself.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port != 0))
        bound.bind((_HOST, port))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.settimeout(0)
    except BaseException:
        bound.close()
        raise
    return bound
