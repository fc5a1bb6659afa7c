"""What only one provider understands is kept at home, converted or dropped elsewhere, and the decision says so."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatResult
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from pointsman import ModelRegistry, ModelSpec, Router
from pointsman.langchain import ChatPointsman
from pointsman.langchain.crossing import crossed_messages, crossed_tools, home_of
from pointsman.langchain.replay import BoundTools
from pointsman.testing import ModelFleet

ANTHROPIC_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
MARKED = HumanMessage([{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}])


@tool
def weather(city: str) -> str:
    """How the weather is."""
    return city


class ChatAnthropic(GenericFakeChatModel):
    """Stands where Anthropic's service would: known by its name, remembers what it was sent."""

    sent: list[tuple[list[BaseMessage], dict[str, Any]]]

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[each if isinstance(each, dict) else {"name": each.name} for each in tools], **kwargs)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.sent.append((messages, kwargs))
        return super()._generate(messages, stop, run_manager, **kwargs)


def official() -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o", api_key=SecretStr("none"), max_retries=0)


def test_a_tool_of_another_provider_is_converted_or_dropped() -> None:
    changes: list[str] = []
    computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 1, "display_height_px": 1}
    tools = crossed_tools([weather, ANTHROPIC_SEARCH, computer], home_of(official()), changes)
    assert tools == [weather, {"type": "web_search"}]
    assert changes == ["converted web_search_20250305", "dropped computer_20250124"]
    bound = BoundTools([computer], {"tool_choice": "computer"})
    assert bound.for_child(official()) == {}
    assert bound.changes_for(official()) == ("dropped computer_20250124",)


def test_marks_of_a_prompt_cache_are_left_out_elsewhere() -> None:
    changes: list[str] = []
    assert crossed_messages([MARKED], home_of(official()), changes)[0].content == [{"type": "text", "text": "Hello"}]
    assert changes == ["dropped cache_control"]
    assert MARKED.content[0]["cache_control"]  # type: ignore[index]


def test_a_server_of_ones_own_gets_everything_as_it_is(fleet: ModelFleet, llm: ChatPointsman) -> None:
    llm.invoke([MARKED], prompt_cache_key="k")
    body = fleet["first"].requests[-1].body
    assert body is not None
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["prompt_cache_key"] == "k"


def test_a_tool_that_runs_at_a_provider_is_kept_there_and_the_decision_tells_of_changes(fleet: ModelFleet) -> None:
    able = {"capabilities": ["generation.text.chat", "tools"], "context_window": 9_000}
    specs = [
        ModelSpec(name="first", provider="openai", cost_per_1m_input_tokens=0, cost_per_1m_output_tokens=0, **able),
        ModelSpec(name="claude", provider="anthropic", cost_per_1m_input_tokens=9, cost_per_1m_output_tokens=9, **able),
    ]
    router = Router(ModelRegistry(specs), "cheapest")
    claude = ChatAnthropic(messages=iter([AIMessage("here")] * 3), sent=[])
    openai = ChatOpenAI(model="first", base_url=fleet["first"].url, api_key=SecretStr("none"), max_retries=0)
    llm = ChatPointsman(router=router, models={"first": openai, "claude": claude})
    decisions = []
    decide = router.decide

    def remembered(request: Any) -> Any:
        decisions.append(decide(request))
        return decisions[-1]

    router.decide = remembered  # type: ignore[method-assign]
    answer = llm.bind_tools([ANTHROPIC_SEARCH]).invoke([MARKED], prompt_cache_key="k")
    assert answer.response_metadata["pointsman"]["model"] == "anthropic:claude"
    messages, arguments = claude.sent[-1]
    assert messages[0].content == MARKED.content
    assert arguments == {"tools": [ANTHROPIC_SEARCH]}
    assert "dropped prompt_cache_key for anthropic:claude" in str(decisions[-1])
