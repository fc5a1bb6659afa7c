"""One HTTP/1.1 connection of a model server: h11 parses, asyncio carries, and a reset can be ordered at any byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
import time
from dataclasses import dataclass

import h11

try:
    import fcntl
    import termios
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

__all__ = ["MAX_BODY_BYTES", "ClientLeftError", "Connection", "HttpRequest"]

MAX_BODY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 65_536
# A reset takes back what the client's kernel has not acknowledged, so one waits for that, but not for ever. Some network
# stacks also throw away bytes that were received but not read; the client gets a moment to read them.
_LONGEST_WAIT_FOR_ACK_SECONDS = 2.0
_ACK_POLL_SECONDS = 0.002
_RESET_PAUSE_SECONDS = 0.01
_LINGER_ZERO = struct.pack("ii", 1, 0)  # closing with this option sends RST instead of FIN


class ClientLeftError(Exception):
    """The client closed the connection, or broke the protocol so that nothing can be said to it."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One complete request; `body` is None if it was larger than `MAX_BODY_BYTES`."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


class Connection:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)

    async def next_request(self) -> HttpRequest | None:
        """Read the next request, or None when the client is done or can no longer be understood."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        try:
            return await self._read_request()
        except h11.RemoteProtocolError as error:
            if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                await self.send_head(error.error_status_hint, [("content-length", "0"), ("connection", "close")])
                await self.finish()
            return None

    async def _read_request(self) -> HttpRequest | None:
        head: h11.Request | None = None
        body = bytearray()
        too_large = False
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                too_large = too_large or len(body) + len(event.data) > MAX_BODY_BYTES
                if not too_large:
                    body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
                target = head.target.decode("ascii", "replace").partition("?")[0]
                return HttpRequest(head.method.decode("ascii"), target, headers, None if too_large else bytes(body))
            else:  # ConnectionClosed, or PAUSED by a switch of protocols that nobody agreed to
                return None

    async def send_head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the status line and the headers; without Content-Length the body will be chunked."""
        await self._send(h11.Response(status_code=status, headers=headers))

    async def send_whole(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send a complete answer in one piece."""
        events = (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    async def send_data(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._send(h11.Data(data=data))

    async def finish(self) -> None:
        """End the answer well-formed."""
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def pause(self, seconds: float | None) -> None:
        """Wait for so long, or for ever with None, but not longer than the client stays.

        Raises:
            ClientLeftError: The client closed the connection meanwhile.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while (left := None if until is None else until - time.monotonic()) is None or left > 0:
            try:
                data = await asyncio.wait_for(self._reader.read(_READ_BYTES), left)
            except TimeoutError:
                return
            if not data:
                raise ClientLeftError
            self._http.receive_data(data)  # a pipelined request waits in h11 for its turn

    async def reset(self) -> None:
        """Let the client have what was sent, then send a TCP reset."""
        until = time.monotonic() + _LONGEST_WAIT_FOR_ACK_SECONDS
        while self._unacknowledged_bytes() and time.monotonic() < until:  # noqa: ASYNC110 -- the kernel has no event
            await asyncio.sleep(_ACK_POLL_SECONDS)
        await asyncio.sleep(_RESET_PAUSE_SECONDS)
        self.abort()

    def _unacknowledged_bytes(self) -> int:
        waiting = self._writer.transport.get_write_buffer_size()
        raw = self._writer.get_extra_info("socket")
        if raw is None or fcntl is None:
            return waiting
        count = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return waiting + int.from_bytes(count, sys.byteorder)

    def abort(self) -> None:
        """Drop the connection with a TCP reset, now."""
        raw = self._writer.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection with FIN, whatever was promised."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
