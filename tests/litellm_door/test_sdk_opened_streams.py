"""Streams of every endpoint, native and translated, on a real `litellm.Router`: until they say something they fail over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import litellm
import pytest
from litellm_door.proxies import LITELLM

from pointsman import ModelRegistry, Router
from pointsman.litellm import PointsmanStrategy, install
from pointsman.testing import ModelFleet

MESSAGES = [{"role": "user", "content": "Say something."}]
SILENT = ["empty_answer", "clean_eof_after_first_chunk", "reset_after_first_chunk", "stream_error", "server_error_503"]
CUT = ["clean_eof_after_3_chunks", "reset_after_3_chunks"]

# How a deployment's provider is named decides whether LiteLLM speaks an API natively or translates it to chat.
NATIVE_RESPONSES, NATIVE_MESSAGES, TRANSLATED = "openai/", "anthropic/", "lm_studio/"
KINDS = [
    ("chat", TRANSLATED),
    ("text", TRANSLATED),
    ("responses", TRANSLATED),
    ("responses", NATIVE_RESPONSES),
    ("messages", TRANSLATED),
    ("messages", NATIVE_RESPONSES),
    ("messages", NATIVE_MESSAGES),
]
# What LiteLLM translates where nobody can look: before 1.109 it ends such a stream well, whatever the provider did.
UNSEEN = {("text", TRANSLATED), ("messages", TRANSLATED)} if LITELLM < (1, 109) else set()


@pytest.fixture
def opened(fleet: ModelFleet) -> Iterator[Callable[[str], tuple[Any, PointsmanStrategy]]]:
    made = []

    def build(provider: str) -> tuple[Any, PointsmanStrategy]:
        entries = fleet.litellm_model_list("chat")
        for entry in entries:
            params = entry["litellm_params"]
            params["model"] = params["model"].replace("openai/", provider)
            if provider == NATIVE_MESSAGES:
                params["api_base"] = params["api_base"].removesuffix("/v1")
        host = litellm.Router(model_list=entries)
        made.append(install(host, pointsman_router=Router(ModelRegistry(), policy="cheapest")))
        return host, made[-1]

    yield build
    for strategy in made:
        strategy.uninstall()


async def ask(host: Any, kind: str, parts: list[str] | None = None) -> str:
    """The text of a streamed answer; `parts` of it as far as they came."""
    parts = [] if parts is None else parts
    if kind == "chat":
        async for chunk in await host.acompletion(model="chat", messages=MESSAGES, stream=True):
            parts.append(chunk.choices[0].delta.content or "")
    elif kind == "text":
        async for chunk in await host.atext_completion(model="chat", prompt="Say something.", stream=True):
            parts.append(chunk.choices[0].text or "")
    elif kind == "responses":
        async for event in await host.aresponses(model="chat", input="Say something.", stream=True):
            parts.append(event.delta if "output_text.delta" in str(getattr(event.type, "value", event.type)) else "")
    else:
        async for frame in await host.aanthropic_messages(model="chat", messages=MESSAGES, max_tokens=50, stream=True):
            for line in frame.decode().splitlines():
                event = json.loads(line[5:]) if line.startswith("data:") else {}
                parts.append(event["delta"].get("text", "") if event.get("type") == "content_block_delta" else "")
                if event.get("type") == "error":
                    raise ConnectionError("the stream reported an error")
    return "".join(parts)


async def answered(host: Any, kind: str) -> Any:
    if kind == "responses":
        answer = await host.aresponses(model="chat", input="Say something.")
        return [part.text for item in answer.output for part in item.content]
    return (await host.aanthropic_messages(model="chat", messages=MESSAGES, max_tokens=50))["content"]


@pytest.mark.parametrize("fault", SILENT)
@pytest.mark.parametrize(("kind", "provider"), KINDS)
async def test_a_stream_that_has_said_nothing_goes_on_elsewhere(
    opened: Any, fleet: ModelFleet, kind: str, provider: str, fault: str
) -> None:
    host, strategy = opened(provider)
    fleet["cheap"].fail(fault)
    assert "middle" in await ask(host, kind)
    assert [server.calls for server in fleet.values()] == [1, 1, 0]
    assert next(row["fault"] for _, row in strategy.router.ledger.rows("ledger.attempts"))


@pytest.mark.parametrize("fault", CUT)
@pytest.mark.parametrize(("kind", "provider"), KINDS)
async def test_what_was_delivered_is_never_repeated_and_its_end_is_told(
    opened: Any, fleet: ModelFleet, kind: str, provider: str, fault: str
) -> None:
    host, _ = opened(provider)
    fleet["cheap"].fail(fault)
    parts: list[str] = []
    if fault == "clean_eof_after_3_chunks" and (kind, provider) in UNSEEN:
        assert await ask(host, kind, parts)
    else:
        with pytest.raises(Exception, match=r".") as broken:  # each kind has errors of its own
            await ask(host, kind, parts)
        assert not isinstance(broken.value, litellm.exceptions.MidStreamFallbackError)
    assert "".join(parts)
    assert [server.calls for server in fleet.values()] == [1, 0, 0]


@pytest.mark.parametrize("fault", ["empty_answer", "stream_error", "truncated_body", "invalid_json"])
@pytest.mark.parametrize(("kind", "provider"), [kind for kind in KINDS if kind[0] in ("responses", "messages")])
async def test_a_whole_answer_that_is_none_goes_on_elsewhere(
    opened: Any, fleet: ModelFleet, kind: str, provider: str, fault: str
) -> None:
    """A provider's error under a status of success among them, which LiteLLM takes for the answer."""
    host, _ = opened(provider)
    fleet["cheap"].fail(fault)
    assert "middle" in str(await answered(host, kind))
    assert fleet["middle"].calls == 1


async def test_an_opened_stream_is_what_it_was(opened: Any, fleet: ModelFleet) -> None:
    host, _ = opened(TRANSLATED)
    stream = await host.acompletion(model="chat", messages=MESSAGES, stream=True)
    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert stream._hidden_params["model_id"] == "openai:cheap"
    assert "cheap" in "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
