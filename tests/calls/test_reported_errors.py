"""Errors under a status of success: in an answer's place, in a stream, and none of their words repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from calls.upstreams import Make, StreamingUpstream, Upstream, chunk, texts
from samples import make_spec

from pointsman import AllModelsFailedError, ModelRegistry, StreamInterruptedError
from pointsman.errors import ReportedError
from pointsman.testing import FakeClock


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": 503, "message": "no provider is available"}},
        {"choices": [], "error": {"type": "server_error"}},
        {"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}]},
    ],
    ids=["in its place", "without choices", "in its choice"],
)
def test_an_error_in_an_answers_place_is_a_failure(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any], answer: Any
) -> None:
    router = make_router()
    assert drive(router, Upstream(clock, cheap=answer)) == "plain answers"
    only = make_router(registry=ModelRegistry([make_spec("only")]))
    with pytest.raises(AllModelsFailedError) as caught:
        drive(only, Upstream(clock, only=answer), retries=0)
    assert isinstance(caught.value.exceptions[0], ReportedError)
    assert only.health("only").state == "degraded", "a model's failure, not content"


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"type": "error", "error": {"type": "overloaded_error"}},
        {"choices": [{"delta": {"content": ""}, "finish_reason": "error"}], "error": {"code": 502}},
    ],
    ids=["OpenAI", "Anthropic", "OpenRouter"],
)
def test_an_error_event_is_a_failure_and_never_content(
    make_router: Make, collect: Callable[..., list[Any]], event: dict[str, Any]
) -> None:
    upstream = StreamingUpstream(cheap=[chunk(), event])
    assert texts(collect(make_router(), upstream)) == "good day"
    with pytest.raises(StreamInterruptedError) as caught:
        collect(make_router(), StreamingUpstream(cheap=[chunk("half"), event]))
    assert isinstance(caught.value.__cause__, ReportedError)
    assert caught.value.__notes__ == ["half"]


def test_what_a_provider_reports_is_not_repeated_in_words() -> None:
    from pointsman.failover.readings import reported

    error = reported({"code": "server_error", "message": "failed on: my secret prompt"}, "openai:m")
    assert str(error) == "openai:m said success and then reported an error (server_error)"
