"""What a served model answers: deterministic for the same seed, model and prompt.

In this order: a tool call where the request asks for one; the result of a tool call that just came back; right or wrong
for a prompt that can be graded; an echo for everything else. A response format wraps whatever came out in JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .messages import BYTES_PER_TOKEN, all_text, count_tokens, last_user_text, text_of
from .prompts import recognise, right_probability, unit_draw, wrong_answer
from .synthesis import Synthesis

if TYPE_CHECKING:
    from .models import ServedModel

__all__ = ["Answer", "BadRequestError", "ToolCall", "answer_chat", "answer_text", "shortened"]

Json = dict[str, Any]

_USE_A_TOOL = re.compile(r"\b(?:us(?:e|ing)|call(?:ing)?)\s+(?:the|a|your|any)?\s*(?:\w+\s+)?(?:tools?|functions?)\b")
_DULL_WORDS = {"tool", "function", "with", "from", "call", "args", "make", "create", "find", "lookup", "search"}
_PHRASES = ("The answer is {}.", "It is {}.", "{}", "Answer: {}")


class BadRequestError(Exception):
    """The request asks for what no server would do; carries OpenAI's `param` and `code`."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, its arguments as JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    stop_sequence: str | None = None

    @property
    def tokens(self) -> int:
        """Count the tokens of text and tool calls."""
        return count_tokens(self.text + "".join(call.name + call.arguments for call in self.tool_calls))


def answer_chat(body: Json, model: ServedModel, seed: int) -> Answer:
    """Answer a chat request whose messages were found well-formed."""
    messages = body["messages"]
    calls = _tool_calls(body, messages)
    if calls:
        return Answer(tool_calls=calls, finish_reason="tool_calls")
    text = _tool_results(messages)
    if text is None:
        text = answer_text(last_user_text(messages) or all_text(messages), model, seed)
    return Answer(_formatted(body.get("response_format"), messages, text))


def answer_text(prompt: str, model: ServedModel, seed: int) -> str:
    """Answer a prompt: gradable ones right with a probability that depends on quality and difficulty."""
    known = recognise(prompt)
    draw = unit_draw(seed, model.name, known.text if known else prompt)
    if known is None:
        words = prompt.split()
        said = " ".join(words[:40]) + (" ..." if len(words) > 40 else "")
        return f"This is {model.name}. You wrote {len(words)} words: {said}"
    if draw < right_probability(model.quality_at(known.kind), known.difficulty):
        content = known.expected
    else:
        content = wrong_answer(known, unit_draw("wrong", seed, model.name, known.text))
    if known.form == "json":
        return content
    return _PHRASES[int(unit_draw("phrase", seed, model.name, known.text) * len(_PHRASES))].format(content)


def shortened(answer: Answer, *, stop: Any, max_tokens: int | None) -> Answer:
    """Cut an answer before the first stop sequence and at the token limit, as the API does."""
    text, reason, met = answer.text, answer.finish_reason, None
    for sequence in [stop] if isinstance(stop, str) else stop or ():
        if isinstance(sequence, str) and sequence and sequence in text:
            text, met = text.partition(sequence)[0], sequence
    if max_tokens is not None and count_tokens(text) > max_tokens:
        text = text.encode("utf-8", "surrogatepass")[: max_tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")
        reason, met = "length", None
    return Answer(text, answer.tool_calls, reason, met)


def _tool_results(messages: list[Json]) -> str | None:
    results: list[str] = []
    for message in reversed(messages):
        if message.get("role") not in {"tool", "function"}:
            break
        results.append(text_of(message))
    if not results:
        return None
    return "The tool says: " + "; ".join(reversed(results))


def _tool_calls(body: Json, messages: list[Json]) -> tuple[ToolCall, ...]:
    tools = [tool["function"] for tool in body.get("tools") or () if isinstance(tool.get("function"), dict)]
    choice = body.get("tool_choice", "auto" if tools else "none")
    if not tools or choice == "none":
        return ()
    asked = messages[-1].get("role") == "user"
    text = last_user_text(messages)
    chosen = [tool for tool in tools if _is_mentioned(tool["name"], text)] if asked else []
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        chosen = [tool for tool in tools if tool["name"] == name]
        if not chosen:
            raise BadRequestError(f"Tool choice {name!r} not found in 'tools' parameter.", "tool_choice")
    elif choice in {"required", "any"} or (asked and _USE_A_TOOL.search(text.lower())):
        called = _called_since_the_user_spoke(messages)
        chosen = chosen or [tool for tool in tools if tool["name"] not in called][:1] or tools[:1]
    if body.get("parallel_tool_calls") is False:
        chosen = chosen[:1]
    return tuple(ToolCall(tool["name"], _arguments(tool, text)) for tool in chosen)


def _called_since_the_user_spoke(messages: list[Json]) -> set[str]:
    called: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        called |= {call["function"]["name"] for call in message.get("tool_calls") or () if "function" in call}
    return called


def _is_mentioned(name: str, text: str) -> bool:
    text = text.lower()
    if re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", text):
        return True
    words = [word for word in re.findall(r"[a-z]{4,}", name.lower().replace("_", " ")) if word not in _DULL_WORDS]
    return any(re.search(rf"\b{word}", text) for word in words)


def _arguments(tool: Json, text: str) -> str:
    # The name of the tool and what else stands in code is no argument.
    said = re.sub(rf"(?i)\b{re.escape(tool['name'])}\b", " ", text)
    arguments = Synthesis(said).value(tool.get("parameters") or {"type": "object", "properties": {}})
    return json.dumps(arguments, ensure_ascii=False)


def _formatted(response_format: Any, messages: list[Json], text: str) -> str:
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind == "json_schema":
        schema = (response_format.get("json_schema") or {}).get("schema") or {}
        instance = Synthesis(last_user_text(messages), {"answer": text}).value(schema)
        return json.dumps(instance, ensure_ascii=False)
    if kind == "json_object":
        said = all_text(messages)
        if "json" not in said.lower():
            raise BadRequestError(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        if text.startswith("{"):
            return text
        keys = re.findall(r"[`'\"](\w{1,40})[`'\"]", said) if re.search(r"\b(?:key|field|propert)", said) else []
        return json.dumps(dict.fromkeys(dict.fromkeys(keys or ["answer"]), text), ensure_ascii=False)
    return text
