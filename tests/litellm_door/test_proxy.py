"""A real LiteLLM Proxy with one callbacks line: virtual models, failover, headers, for an OpenAI client."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from litellm_door.proxies import Proxy

from pointsman.testing import ModelFleet

MESSAGES: list[Any] = [{"role": "user", "content": "Say something."}]


def ask(proxy: Proxy, model: str = "auto", **more: Any) -> Any:
    return proxy.client().chat.completions.with_raw_response.create(**{"model": model, "messages": MESSAGES, **more})


def text(proxy: Proxy, model: str = "auto") -> str:
    stream = proxy.client().chat.completions.create(model=model, messages=MESSAGES, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_virtual_model_is_answered_and_names_its_decision(proxy: Proxy, fleet: ModelFleet) -> None:
    raw = ask(proxy)
    assert raw.parse().choices[0].message.content
    assert raw.headers["x-pointsman-decision"]
    assert raw.headers["x-pointsman-model"] == "cheap"
    assert raw.headers["x-pointsman-attempts"] == "1"


def test_a_stream_is_answered_and_names_its_decision(proxy: Proxy, fleet: ModelFleet) -> None:
    raw = ask(proxy, stream=True)
    assert raw.headers["x-pointsman-decision"]
    assert any(chunk.choices and chunk.choices[0].delta.content for chunk in raw.parse())


def test_a_killed_model_is_survived(proxy: Proxy, fleet: ModelFleet) -> None:
    fleet["cheap"].kill()
    raw = ask(proxy)
    assert raw.parse().choices[0].message.content
    assert raw.headers["x-pointsman-model"] == "middle"
    assert text(proxy)


@pytest.mark.parametrize(
    "fault",
    ["server_error_500", "server_error_503", "rate_limited", "model_not_found", "bad_request", "context_overflow"],
)
def test_every_status_goes_on_to_the_next_model(proxy: Proxy, fleet: ModelFleet, fault: str) -> None:
    fleet["cheap"].fail(fault)
    fleet["middle"].fail(fault)
    assert ask(proxy).parse().choices[0].message.content
    assert text(proxy)


def test_a_stream_that_dies_before_its_content_goes_on_elsewhere(proxy: Proxy, fleet: ModelFleet) -> None:
    fleet["cheap"].fail("reset_after_first_chunk")
    assert text(proxy)


def test_a_stream_names_who_answers_it_though_another_was_asked_first(proxy: Proxy, fleet: ModelFleet) -> None:
    fleet["cheap"].fail("clean_eof_after_first_chunk")
    fleet["middle"].fail("reset_after_first_chunk")
    raw = ask(proxy, stream=True)
    assert any("large" in (chunk.choices[0].delta.content or "") for chunk in raw.parse() if chunk.choices)
    assert raw.headers["x-pointsman-model"] == "large"
    assert raw.headers["x-pointsman-attempts"] == str(fleet.calls)


def test_a_stream_that_nobody_can_begin_has_the_status_of_an_error(proxy: Proxy, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("reset_after_first_chunk")
    with pytest.raises(openai.APIStatusError):
        ask(proxy, stream=True)
    assert [server.calls for server in fleet.values()] == [1, 1, 1]


def test_a_prompt_never_reaches_a_window_it_does_not_fit(proxy: Proxy, fleet: ModelFleet) -> None:
    fleet["large"].fail("server_error_503")
    with pytest.raises(openai.APIStatusError):
        ask(proxy, messages=[{"role": "user", "content": "word " * 60_000}])
    assert [server.calls for server in fleet.values()] == [0, 0, 1]


def test_a_prompt_larger_than_every_window_is_refused_before_any_call(proxy: Proxy, fleet: ModelFleet) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(proxy, messages=[{"role": "user", "content": "word " * 400_000}])
    assert "E4102" in str(refused.value)
    assert fleet.calls == 0


def test_a_pool_restricts_the_choice(proxy: Proxy, fleet: ModelFleet) -> None:
    assert ask(proxy, "roomy").headers["x-pointsman-model"] == "large"


def test_a_model_of_the_proxy_s_own_is_left_alone(proxy: Proxy, fleet: ModelFleet) -> None:
    raw = ask(proxy, "middle")
    assert "x-pointsman-decision" not in raw.headers
    assert fleet["middle"].calls == 1


def test_an_unknown_name_gets_litellm_s_own_error(proxy: Proxy, fleet: ModelFleet) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        ask(proxy, "no-such-model")
    assert "pointsman" not in str(refused.value)


def test_a_client_cannot_widen_the_plan(proxy: Proxy, fleet: ModelFleet) -> None:
    fleet["large"].fail("server_error_503")
    with pytest.raises(openai.APIStatusError):
        ask(proxy, "roomy", extra_body={"fallbacks": ["cheap"], "num_retries": 3})
    assert [server.calls for server in fleet.values()] == [0, 0, 1]
