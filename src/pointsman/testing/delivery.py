"""How an answer travels to the client, and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .wire import encode, error_body, event

if TYPE_CHECKING:
    from .connection import Connection
    from .faults import Fault
    from .journal import Entry

__all__ = ["Headers", "Reply", "StreamReply", "deliver", "deliver_stream"]

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with one body."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer as server-sent events: those before the finish reason, and from there to [DONE]."""

    before: list[bytes]
    ending: list[bytes]
    headers: Headers = field(default_factory=list)
    seconds_per_chunk: float = 0.0


async def deliver(connection: Connection, reply: Reply, fault: Fault | None, entry: Entry) -> None:
    """Send one body, or what the fault leaves of it."""
    body = reply.body
    if fault is not None:
        if fault.kind == "slow":
            await connection.pause(fault.seconds)
        elif fault.kind == "invalid_json":
            body = b'{"id": "chatcmpl-1", "choices": [oops'
        elif fault.kind == "stream_error":
            body = encode(error_body(fault.message, fault.error_type, fault.code))
    headers = [("content-type", "application/json"), *reply.headers, ("content-length", str(len(body)))]
    entry.note(status=reply.status)
    if fault is not None and fault.kind in {"reset", "stall", "cut", "clean_eof"}:
        await connection.send_head(reply.status, headers)
        await connection.send_data(body[: len(body) // 2])
        if fault.kind == "stall":
            await connection.pause(None)
        entry.end()
        await (connection.reset() if fault.kind == "reset" else connection.close())
        return
    entry.end()
    await connection.send_whole(reply.status, headers, body)


async def deliver_stream(connection: Connection, reply: StreamReply, fault: Fault | None, entry: Entry) -> None:
    """Send the events, up to where the fault strikes."""
    headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *reply.headers]
    entry.note(status=200)
    await connection.send_head(200, headers)
    if fault is not None and fault.kind == "slow":
        await connection.pause(fault.seconds)
    breaks = fault is not None and fault.kind in {"reset", "stall", "cut", "clean_eof", "stream_error", "invalid_json"}
    for index, data in enumerate(reply.before):
        if breaks and fault is not None and index >= fault.chunks:
            break
        if index and reply.seconds_per_chunk:
            await connection.pause(reply.seconds_per_chunk)
        await connection.send_data(data)
    if breaks and fault is not None:
        await _break_off(connection, fault, entry)
        return
    if reply.seconds_per_chunk:
        await connection.pause(reply.seconds_per_chunk)
    entry.end()
    await connection.send_data(b"".join(reply.ending))
    await connection.finish()


async def _break_off(connection: Connection, fault: Fault, entry: Entry) -> None:
    if fault.kind == "stall":
        await connection.pause(None)
    entry.end()
    if fault.kind == "reset":
        await connection.reset()
    elif fault.kind == "cut":
        await connection.send_data(b'data: {"id": "chatcm')
        await connection.close()
    elif fault.kind == "stream_error":
        await connection.send_data(event(error_body(fault.message, fault.error_type, fault.code)))
        await connection.finish()
    elif fault.kind == "invalid_json":
        await connection.send_data(b'data: {"id": "chatcmpl-1", "choices": [oops\n\n')
        await connection.finish()
    else:
        await connection.finish()
