"""Children that speak OpenAI's Responses API: the same promises as on chat."""

from __future__ import annotations

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from pointsman import Router
from pointsman.errors import StreamInterruptedError
from pointsman.langchain import ChatPointsman
from pointsman.testing import ModelFleet

SILENT = ["empty_answer", "clean_eof_after_first_chunk", "reset_after_first_chunk", "stream_error", "server_error_503"]


@pytest.fixture
def llm(router: Router, fleet: ModelFleet) -> ChatPointsman:
    children = {
        f"openai:{name}": ChatOpenAI(
            model=name, base_url=server.url, api_key=SecretStr("none"), max_retries=0, use_responses_api=True
        )
        for name, server in fleet.items()
    }
    return ChatPointsman(router=router, models=children)


@pytest.mark.parametrize("fault", [None, *SILENT])
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "invoke"])
def test_what_says_nothing_is_answered_elsewhere(
    llm: ChatPointsman, fleet: ModelFleet, fault: str | None, streams: bool
) -> None:
    if fault is not None:
        fleet["first"].fail(fault)
    text = "".join(each.text for each in llm.stream("Say something.")) if streams else llm.invoke("Say something.").text
    assert ("second" if fault else "first") in text
    assert {record.path for server in fleet.values() for record in server.requests} == {"/v1/responses"}


@pytest.mark.parametrize("fault", ["clean_eof_after_3_chunks", "reset_after_3_chunks"])
def test_a_cut_stream_is_never_reported_as_success(llm: ChatPointsman, fleet: ModelFleet, fault: str) -> None:
    fleet["first"].fail(fault)
    parts: list[str] = []
    with pytest.raises(StreamInterruptedError):
        collect(llm, parts)
    assert "".join(parts)
    assert fleet["second"].calls == 0


def collect(llm: ChatPointsman, parts: list[str]) -> None:
    for each in llm.stream("Say something."):
        parts.append(each.text)  # noqa: PERF401  what has come before an error counts
