"""How an answer travels to the client, and how a fault breaks it off on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection
    from .faults import Fault
    from .journal import Entry
    from .wire import Headers

__all__ = ["BREAKING", "Reply", "StreamReply", "deliver", "deliver_stream"]

BREAKING = frozenset({"reset", "stall", "cut", "clean_eof", "stream_error", "invalid_json"})
"""The kinds of faults that end a stream before its finish reason."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with one body."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer as server-sent events.

    Attributes:
        before: chunks before the one with the finish reason; a fault may have left only the first of them.
        ending: all from the finish reason to the end; if a fault breaks the stream off, what it leaves there.
    """

    before: list[bytes]
    ending: bytes
    headers: Headers = field(default_factory=list)
    seconds_per_chunk: float = 0.0


async def deliver(connection: Connection, reply: Reply, fault: Fault | None, entry: Entry) -> None:
    """Send one body, or what the fault leaves of it."""
    if fault is not None and fault.kind == "slow":
        await connection.pause(fault.seconds)
    headers = [("content-type", "application/json"), *reply.headers, ("content-length", str(len(reply.body)))]
    entry.note(status=reply.status)
    if fault is not None and fault.kind in {"reset", "stall", "cut", "clean_eof"}:
        await connection.send_head(reply.status, headers)
        await connection.send_data(reply.body[: len(reply.body) // 2])
        if fault.kind == "stall":
            await connection.pause(None)
        entry.end()
        await (connection.reset() if fault.kind == "reset" else connection.close())
        return
    entry.end()
    await connection.send_whole(reply.status, headers, reply.body)


async def deliver_stream(connection: Connection, reply: StreamReply, fault: Fault | None, entry: Entry) -> None:
    """Send the events, and end as the fault has it."""
    headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *reply.headers]
    entry.note(status=200)
    await connection.send_head(200, headers)
    kind = None if fault is None else fault.kind
    if fault is not None and kind == "slow":
        await connection.pause(fault.seconds)
    for index, data in enumerate(reply.before):
        if index and reply.seconds_per_chunk:
            await connection.pause(reply.seconds_per_chunk)
        await connection.send_data(data)
    if kind == "stall":
        await connection.pause(None)
    if reply.seconds_per_chunk and kind not in BREAKING:
        await connection.pause(reply.seconds_per_chunk)
    entry.end()
    if kind == "reset":
        await connection.reset()
        return
    if reply.ending:
        await connection.send_data(reply.ending)
    await (connection.close() if kind == "cut" else connection.finish())
