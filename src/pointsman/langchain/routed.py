"""`RoutedCall`: one call on its way to whichever child answers, and `PinnedModel`, which carries it through LangChain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from pointsman.decision import RoutingDecision
from pointsman.failover.steps import Attempt
from pointsman.langchain.builders import takes_timeout
from pointsman.langchain.crossing import crossed_messages, crossed_settings, crossed_tools, home_of
from pointsman.langchain.replay import BoundTools, StructuredOutput, without_replayed

STRUCTURED = "structured_output"
# What is checked, clamped or dropped per model before it is sent; everything else is the child's own business.
PARAMETERS = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "stop",
        "seed",
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "reasoning_effort",
    }
)
# Tracing's own argument, which LangChain takes out before a model is called, and its older name.
TRACED = "ls_structured_output_format"
_TRACED = frozenset({TRACED, "structured_output_format"})


@dataclass(slots=True)
class Options:
    """A call's keyword arguments, sorted by who reads them.

    Attributes:
        parameters: standard parameters, which routing checks.
        rest: what goes to the child as it is.
        tools: tools to be bound by the child, if `bind_tools` was used.
        structure: structured output to be asked for in the child's way.
        traced: what only tracing reads.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    tools: BoundTools | None = None
    structure: StructuredOutput | None = None
    traced: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Options:
        """Sort keyword arguments."""
        options = cls()
        for name, value in given.items():
            if name in PARAMETERS:
                if value is not None:
                    options.parameters[name] = value
            elif name == STRUCTURED:
                options.structure = value
            elif name in _TRACED:
                options.traced[name] = value
            elif name == "tools" and isinstance(value, BoundTools):
                options.tools = value
            else:
                options.rest[name] = value
        if options.tools is not None:
            options.rest = dict(without_replayed(options.rest, options.tools))
        return options

    def for_child(self, child: BaseChatModel) -> dict[str, Any]:
        """The keyword arguments of a call to this child, standard parameters left out."""
        arguments = self.rest
        if self.tools is not None:
            arguments = {**self.tools.for_child(child), **arguments}
        if self.structure is not None:
            asked = {k: v for k, v in self.structure.for_child(child).arguments.items() if k not in _TRACED}
            arguments = {**asked, **arguments}
        return arguments


@dataclass(slots=True)
class RoutedCall:
    """A call for which a decision was made.

    Attributes:
        decision: who serves.
        child: the chat model of the first choice.
        options: the call's arguments.
    """

    decision: RoutingDecision
    child: BaseChatModel
    options: Options

    def fitted(
        self, child: BaseChatModel, attempt: Attempt, messages: list[BaseMessage]
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """Messages and keyword arguments for one attempt; what only other providers understand is noted and left out."""
        arguments = {**self.options.for_child(child), **attempt.parameters}
        if attempt.client_timeout is not None and takes_timeout(child):
            given = arguments.get("timeout")
            limit = min(given, attempt.client_timeout) if isinstance(given, int | float) else attempt.client_timeout
            arguments["timeout"] = Seconds(limit)
        home = home_of(child)
        if home is None:
            return messages, arguments
        changes = [] if self.options.tools is None else list(self.options.tools.changes_for(child))
        arguments = crossed_settings(arguments, home, changes)
        if self.options.tools is None and "tools" in arguments:
            arguments["tools"] = crossed_tools(arguments["tools"], home, changes)
        messages = crossed_messages(messages, home, changes)
        if changes:
            notes = (f"{change} for {attempt.model}" for change in changes)
            self.decision.notes = tuple(dict.fromkeys((*self.decision.notes, *notes)))
        return messages, arguments

    def shown(self) -> dict[str, Any]:
        """The keyword arguments as LangChain's own layers and its tracers see them."""
        return {
            **self.options.for_child(self.child),
            **self.options.parameters,
            **self.options.traced,
            "model": self.pin(),
        }

    def pin(self) -> PinnedModel:
        """The choice as a call's `model=`."""
        return PinnedModel(self.decision.spec.name, self)


class Seconds(float):
    """A call's timeout, which looks the same whatever it is: a child's cache takes all arguments as what was asked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<timeout>"


class PinnedModel(str):
    """The name of the chosen model, which carries the routed call through LangChain's layers."""

    __slots__ = ("routed",)

    routed: RoutedCall

    def __new__(cls, name: str, routed: RoutedCall) -> Self:
        """Make a name that carries the call."""
        pinned = super().__new__(cls, name)
        pinned.routed = routed
        return pinned

    def __reduce__(self) -> Any:
        """Copies and pickles are plain text: tracers take them of a call's arguments."""
        return (str, (str(self),))
