"""Failover of streams: who takes over unseen, what a break says, and what follows the end; sync and async alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from calls.upstreams import ASK, CUT, Make, StreamingUpstream, chunk, texts
from samples import StatusError

from pointsman import Attempt, ModelRegistry, Router, StreamInterruptedError


@pytest.mark.parametrize(
    "script",
    [
        [CUT],
        [chunk(), CUT],
        [chunk(), StatusError(500)],
        [],
        [chunk()],
        [chunk(), chunk(finish="stop")],
    ],
    ids=["refused", "after the role chunk", "error event", "nothing", "clean end without a reason", "empty answer"],
)
def test_until_the_first_content_another_model_takes_over_unseen(
    make_router: Make, collect: Callable[..., list[Any]], script: list[Any]
) -> None:
    upstream = StreamingUpstream(cheap=script)
    assert texts(collect(make_router(), upstream)) == "good day"
    assert upstream.calls == ["cheap", "plain"]


@pytest.mark.parametrize(
    "script",
    [[chunk(), chunk("half"), CUT], [chunk(), chunk("half")]],
    ids=["cut", "clean end without a reason"],
)
def test_after_content_a_break_is_an_error_that_says_what_was_delivered(
    make_router: Make, collect: Callable[..., list[Any]], script: list[Any]
) -> None:
    upstream = StreamingUpstream(cheap=script)
    with pytest.raises(StreamInterruptedError) as caught:
        collect(make_router(), upstream)
    assert caught.value.__notes__ == ["half"], "delivered once, never repeated"
    assert (caught.value.partial, caught.value.safe_to_restart) == ("partial_text", True)
    assert caught.value.__cause__ is not None
    assert upstream.calls == ["cheap"]


def test_a_begun_tool_call_is_never_safe_to_restart(make_router: Make, collect: Callable[..., list[Any]]) -> None:
    tool = {"choices": [{"delta": {"content": "", "tool_calls": [{"index": 0, "function": {"name": "pay"}}]}}]}
    with pytest.raises(StreamInterruptedError) as caught:
        collect(make_router(), StreamingUpstream(cheap=[chunk(), tool, CUT]))
    assert (caught.value.partial, caught.value.safe_to_restart) == ("partial_tool_call", False)


def test_what_follows_the_finish_reason_cannot_break_the_answer(
    make_router: Make, collect: Callable[..., list[Any]]
) -> None:
    upstream = StreamingUpstream(cheap=[chunk("all"), chunk(finish="stop"), CUT])
    assert texts(collect(make_router(), upstream)) == "all"


def test_a_stream_left_early_teaches_nothing(make_router: Make) -> None:
    router = make_router("ucb")
    stream = router.stream(ASK, StreamingUpstream(), honours_timeout=True)
    next(stream)
    stream.close()
    assert router.statistics()["selection_stats"]["total_attempts"] == 0
    assert router._chooser.pulls.counts == {}


def test_a_hanging_stream_is_left_for_the_next_model(registry: ModelRegistry) -> None:
    import threading

    release = threading.Event()

    def stubborn(attempt: Attempt) -> Iterator[str]:
        if attempt.spec.name == "cheap":
            release.wait(30)
        yield attempt.spec.name

    try:
        assert list(Router(registry, "cheapest").stream(ASK, stubborn, timeout=0.05)) == ["plain"]
    finally:
        release.set()
