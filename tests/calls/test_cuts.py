"""Six ways to cut a stream at four places, over raw sockets: none of them is ever reported as success."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from samples import make_spec

from pointsman import Attempt, ModelRegistry, Request, Router, StreamInterruptedError

ASK = Request(messages="Tell me something")
WORDS = ["All", " is", " well"]

PLACES = {"before anything": 0, "after the role": 1, "after the first word": 2, "before the finish reason": 4}
WAYS = ["reset", "inside an event", "connection closed", "chunked coding cut", "content length short", "clean end"]
HOW = ["sync", "async", "LiteLLM sync", "LiteLLM async"]


def event(**delta: Any) -> bytes:
    reason = delta.pop("finish", None)
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(body)}\n\n".encode()


EVENTS = [event(role="assistant", content=""), *(event(content=word) for word in WORDS), event(finish="stop")]


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class CuttingServer:
    """Answers each request with a stream that breaks off as told."""

    def __init__(self) -> None:
        self.way = "whole"
        self.place = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head, body = request.split(b"\r\n\r\n", 1)
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65536)
        whole = self.way.startswith("whole")
        sent = EVENTS if whole else EVENTS[: self.place]
        data = b"".join(sent)
        headers = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
        if self.way == "connection closed":
            connection.sendall(headers + b"\r\n" + data)
        elif self.way == "content length short":
            total = len(b"".join(EVENTS))
            connection.sendall(headers + b"content-length: %d\r\n\r\n" % total + data)
        else:
            connection.sendall(headers + b"transfer-encoding: chunked\r\n\r\n" + b"".join(map(framed, sent)))
        if self.way == "inside an event":
            connection.sendall(framed(EVENTS[self.place])[:40])
        elif self.way == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.way == "clean end" or whole:
            connection.sendall(
                b"" if self.way == "whole without done" else framed(b"data: [DONE]\n\n") if whole else b""
            )
            connection.sendall(b"0\r\n\r\n")


@pytest.fixture
def cutting() -> Iterator[CuttingServer]:
    server = CuttingServer()
    yield server
    server.close()


@pytest.fixture
def fine() -> Iterator[CuttingServer]:
    server = CuttingServer()
    yield server
    server.close()


@pytest.fixture
def router(cutting: CuttingServer, fine: CuttingServer) -> Router:
    price = "cost_per_1m_input_tokens"
    specs = [
        make_spec("cutting", api_base=cutting.url, **{price: 1}, cost_per_1m_output_tokens=1),
        make_spec("fine", api_base=fine.url, **{price: 2}, cost_per_1m_output_tokens=2),
    ]
    return Router(ModelRegistry(specs), "cheapest", seed=1)


def call(attempt: Attempt) -> Iterator[Any]:
    messages: Any = attempt.messages
    with openai.OpenAI(base_url=attempt.spec.api_base, api_key="none", max_retries=0) as client:
        yield from client.chat.completions.create(model="m", messages=messages, stream=True)


async def acall(attempt: Attempt) -> AsyncIterator[Any]:
    messages: Any = attempt.messages
    async with openai.AsyncOpenAI(base_url=attempt.spec.api_base, api_key="none", max_retries=0) as client:
        async for chunk in await client.chat.completions.create(model="m", messages=messages, stream=True):
            yield chunk


async def collect(router: Router, how: str) -> str:
    parts: list[str] = []
    if how == "sync":
        for chunk in router.stream(ASK, call, timeout=10):
            parts.extend(choice.delta.content or "" for choice in chunk.choices)
    elif how == "LiteLLM sync":
        parts.extend(router.ask_stream(ASK, timeout=10))
    elif how == "LiteLLM async":
        parts.extend([text async for text in router.aask_stream(ASK, timeout=10)])
    else:
        async for chunk in router.astream(ASK, acall, timeout=10):
            parts.extend(choice.delta.content or "" for choice in chunk.choices)
    return "".join(parts)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
async def test_a_cut_stream_is_never_reported_as_success(
    cutting: CuttingServer, router: Router, way: str, place: str, how: str
) -> None:
    cutting.way, cutting.place = way, PLACES[place]
    if PLACES[place] < 2:
        assert await collect(router, how) == "All is well", "before the first content another model takes over"
        return
    if way == "reset":  # it may destroy what was on its way, so that nothing has arrived
        with contextlib.suppress(StreamInterruptedError):
            assert await collect(router, how) == "All is well"
        return
    with pytest.raises(StreamInterruptedError) as caught:
        await collect(router, how)
    assert caught.value.partial == "partial_text"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("way", ["whole", "whole without done"])
async def test_what_names_its_end_is_whole_also_without_a_done(
    cutting: CuttingServer, router: Router, way: str, how: str
) -> None:
    cutting.way = way
    assert await collect(router, how) == "All is well"
    assert router.health("cutting").state == "healthy"
