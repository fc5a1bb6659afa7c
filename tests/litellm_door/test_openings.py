"""Openings of streams, piece by piece: however a provider's frames are cut, and however long it thinks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from pointsman.errors import EmptyAnswerError, ReportedError, TruncatedStreamError
from pointsman.litellm.openings import opened
from pointsman.testing import FakeClock


def frame(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more}, ensure_ascii=False)}\n\n".encode()


def text(words: str) -> bytes:
    return frame("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


START = frame("message_start", message={"role": "assistant", "content": []})
ENDING = frame("message_delta", delta={"stop_reason": "end_turn"})
STOP, PING = frame("message_stop"), frame("ping")
ERROR = frame("error", error={"type": "overloaded_error"})
THINKING = frame("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})


class Provider:
    """Pieces as they come, and what was told of them."""

    def __init__(self, pieces: Iterable[bytes], clock: FakeClock | None = None, every: float = 0.0) -> None:
        self.pieces, self.clock, self.every = list(pieces), clock or FakeClock(), every
        self.read = 0
        self.gave_up: list[tuple[type, bool]] = []
        self.left: list[int] = []

    async def _stream(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.clock.advance(self.every)
            self.read += 1
            yield piece

    async def open(self) -> Any:
        def gave_up(error: BaseException, *, partial: bool) -> None:
            self.gave_up.append((type(error), partial))

        def left(pieces: int, *, dropped: bool = False) -> None:
            del dropped
            self.left.append(pieces)

        return await opened(self._stream(), gave_up, left, self.clock.monotonic)

    async def all(self) -> bytes:
        return b"".join([piece async for piece in await self.open()])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 40, 10_000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_frames_may_be_cut_anywhere(size: int, newline: bytes) -> None:
    whole = (START + text("modèle 🙂") + ENDING + STOP).replace(b"\n", newline)
    provider = Provider(whole[at : at + size] for at in range(0, len(whole), size))
    assert await provider.all() == whole
    assert not provider.gave_up
    assert not provider.left


@pytest.mark.parametrize("after", [PING, b": good bye\n\n", b"\n"])
async def test_what_follows_the_last_event_changes_nothing(after: bytes) -> None:
    provider = Provider([START, text("Hello"), ENDING, STOP, after])
    assert (await provider.all()).endswith(after)
    assert not provider.gave_up


@pytest.mark.parametrize("quoted", ["message_stop", "event: message_stop", '{"type":"message_stop"}', "event: error"])
async def test_a_text_that_speaks_of_the_last_event_is_not_it(quoted: str) -> None:
    provider = Provider([START, text(f"It ends with\n\n{quoted}")])
    with pytest.raises(TruncatedStreamError):
        await provider.all()
    assert provider.gave_up == [(TruncatedStreamError, True)]


@pytest.mark.parametrize("size", [4, 10_000])
async def test_an_error_that_the_caller_has_got_is_told_and_not_raised(size: int) -> None:
    end = text("Hello") + ERROR
    provider = Provider([START, *(end[at : at + size] for at in range(0, len(end), size))])
    assert (await provider.all()).endswith(ERROR)
    assert provider.gave_up == [(ReportedError, True)]


async def test_frames_of_other_apis_end_as_they_like() -> None:
    gemini = [b'data: {"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]}\n\n'] * 2
    provider = Provider(gemini)
    assert await provider.all() == b"".join(gemini)
    assert not provider.gave_up


async def test_a_model_that_thinks_for_long_is_heard_to_do_so() -> None:
    clock = FakeClock()
    provider = Provider([START, THINKING, *[PING] * 40, text("Hello"), ENDING, STOP], clock, every=2.0)
    stream = await provider.open()
    assert provider.read == 6  # ten seconds after the first
    assert b"".join([piece async for piece in stream]) == b"".join(provider.pieces)


async def test_pings_alone_do_not_open_a_stream_at_once() -> None:
    provider = Provider([START, THINKING, *[PING] * 40, ENDING, STOP], every=0.1)
    with pytest.raises(EmptyAnswerError):
        await provider.open()
    assert provider.gave_up == [(EmptyAnswerError, False)]


async def test_who_reads_no_further_than_the_last_event_has_not_left() -> None:
    provider = Provider([START, text("Hello"), ENDING, STOP, PING])
    stream = await provider.open()
    while await anext(stream) != STOP:
        pass
    await stream.aclose()
    assert not provider.left


async def test_who_closes_before_the_end_has_left() -> None:
    provider = Provider([START, text("Hello"), text(" world"), ENDING, STOP])
    stream = await provider.open()
    await stream.aclose()
    await stream.aclose()
    assert provider.left == [2]
