"""What one provider understands and another refuses: kept at home, converted or dropped when a call crosses over.

Only calls to the providers' own services are changed; a server of one's own may well understand what it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

Home = Literal["openai", "anthropic", "google"]

_CLASSES: Mapping[str, Home] = {
    "ChatAnthropic": "anthropic",
    "ChatGoogleGenerativeAI": "google",
    "ChatVertexAI": "google",
    "BaseChatOpenAI": "openai",
}
# Prompt-cache settings, and whose they are.
_SETTINGS: Mapping[str, Home] = {
    "cache_control": "anthropic",
    "prompt_cache_key": "openai",
    "prompt_cache_retention": "openai",
    "cached_content": "google",
}
# Tools that run at the provider: how their definitions are told, and what searching the web is called.
_ANTHROPIC_TOOL = re.compile(r"(web_search|web_fetch|code_execution|computer|bash|text_editor|memory)_\d{8}\Z")
_OPENAI_TOOLS = frozenset(
    {"web_search", "web_search_preview", "file_search", "code_interpreter", "computer_use_preview", "image_generation"}
)
_PROVIDERS: Mapping[Home, tuple[str, ...]] = {
    "openai": ("openai", "azure", "azure_openai"),
    "anthropic": ("anthropic",),
    "google": ("gemini", "google", "vertex", "vertex_ai"),
}
_GOOGLE_TOOLS = frozenset({"google_search", "code_execution", "url_context"})
_WEB_SEARCH: Mapping[Home, dict[str, Any]] = {
    "openai": {"type": "web_search"},
    "anthropic": {"type": "web_search_20250305", "name": "web_search"},
    "google": {"google_search": {}},
}


def home_of(child: BaseChatModel) -> Home | None:
    """Whose own service a chat model calls, None if that is not known."""
    home = _home_of_class(type(child))
    if home == "openai":
        base = getattr(child, "openai_api_base", None)
        return home if base is None or "openai.com" in base or "azure.com" in base else None
    return home


@lru_cache
def _home_of_class(kind: type[BaseChatModel]) -> Home | None:
    return next((home for each in kind.__mro__ if (home := _CLASSES.get(each.__name__)) is not None), None)


def crossed_settings(arguments: Mapping[str, Any], home: Home | None, changes: list[str]) -> dict[str, Any]:
    """Leave out the settings of other providers; what was done is added to `changes`, in words."""
    refused = {name for name, owner in _SETTINGS.items() if owner != home} if home is not None else set()
    changes += [f"dropped {name}" for name in arguments if name in refused]
    return {name: value for name, value in arguments.items() if name not in refused}


def crossed_tools(tools: Sequence[Any], home: Home | None, changes: list[str]) -> list[Any]:
    """Put tools that run at another provider into this one's terms, or leave them out."""
    return list(tools) if home is None else [each for tool in tools for each in _tool(tool, home, changes)]


def crossed_messages(messages: list[BaseMessage], home: Home | None, changes: list[str]) -> list[BaseMessage]:
    """Leave out the marks that other providers' prompt caches need."""
    if home in (None, _SETTINGS["cache_control"]) or all(isinstance(message.content, str) for message in messages):
        return messages
    return [_without_marks(message, changes) for message in messages]


def homes_of_tools(tools: Sequence[Any]) -> frozenset[Home]:
    """The providers whose own tools are among these."""
    return frozenset(home for tool in tools if (home := _home_of_tool(tool)) is not None)


def providers_of(homes: frozenset[Home]) -> frozenset[str]:
    """What registries call these providers."""
    return frozenset(name for home in homes for name in _PROVIDERS[home])


def _home_of_tool(tool: Any) -> Home | None:
    if not isinstance(tool, Mapping) or "function" in tool:
        return None
    kind = tool.get("type")
    if isinstance(kind, str) and _ANTHROPIC_TOOL.match(kind):
        return "anthropic"
    if kind in _OPENAI_TOOLS:
        return "openai"
    return "google" if kind is None and _GOOGLE_TOOLS & tool.keys() else None


def _tool(tool: Any, home: Home, changes: list[str]) -> Iterator[Any]:
    owner = _home_of_tool(tool)
    if owner is None or owner == home:
        if isinstance(tool, Mapping) and "cache_control" in tool and home != "anthropic":
            changes.append("dropped cache_control")
            tool = {name: value for name, value in tool.items() if name != "cache_control"}
        yield tool
        return
    name = str(tool.get("type") or next(iter(tool)))
    if "search" in name and "file" not in name:
        changes.append(f"converted {name}")
        yield _WEB_SEARCH[home]
    else:
        changes.append(f"dropped {name}")


def _without_marks(message: BaseMessage, changes: list[str]) -> BaseMessage:
    content = message.content
    if isinstance(content, str) or not any(isinstance(block, dict) and "cache_control" in block for block in content):
        return message
    changes.append("dropped cache_control")
    plain = [
        {name: value for name, value in block.items() if name != "cache_control"} if isinstance(block, dict) else block
        for block in content
    ]
    return message.model_copy(update={"content": plain})
