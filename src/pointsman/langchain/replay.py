"""What was bound once and is replayed on whichever child answers: tools, and structured output with its parser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence
from langchain_core.utils.function_calling import convert_to_openai_tool

from pointsman.errors import InvalidRequestError
from pointsman.langchain.crossing import crossed_tools, home_of, homes_of_tools, providers_of


class BoundTools(list[Any]):
    """Tools in OpenAI's format, as others look at them, and what each child's own `bind_tools` makes of them."""

    def __init__(self, tools: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        super().__init__(_as_openai(tool) for tool in tools)
        self._tools = list(tools)
        self.arguments = dict(arguments)
        self.providers = providers_of(homes_of_tools(tools))
        self._bound: dict[int, tuple[BaseChatModel, dict[str, Any], tuple[str, ...]]] = {}

    def __reduce__(self) -> Any:
        """Copies and pickles are plain lists: tracers take them of a call's arguments."""
        return (list, (list(self),))

    def for_child(self, child: BaseChatModel) -> dict[str, Any]:
        """The arguments of a call to this child."""
        return self._for(child)[1]

    def changes_for(self, child: BaseChatModel) -> tuple[str, ...]:
        """What became of tools that run at another provider."""
        return self._for(child)[2]

    def _for(self, child: BaseChatModel) -> tuple[BaseChatModel, dict[str, Any], tuple[str, ...]]:
        known = self._bound.get(id(child))
        if known is None or known[0] is not child:
            changes: list[str] = []
            tools = crossed_tools(self._tools, home_of(child), changes)
            none_left = bool(self._tools) and not tools
            arguments = {} if none_left else _bound_arguments(child.bind_tools(tools, **self.arguments))
            known = self._bound[id(child)] = (child, arguments, tuple(changes))
        return known


class Structure(NamedTuple):
    """How one child is asked for structured output, and what reads its answer."""

    arguments: dict[str, Any]
    parser: Runnable[Any, Any]


class StructuredOutput:
    """A call of `with_structured_output`, replayed on each child."""

    def __init__(self, schema: Any, arguments: Mapping[str, Any]) -> None:
        self._schema = schema
        self._arguments = dict(arguments)
        self._made: dict[int, tuple[BaseChatModel, Structure]] = {}

    def __repr__(self) -> str:
        return f"StructuredOutput({getattr(self._schema, '__name__', 'schema')})"

    def __deepcopy__(self, memo: Any) -> StructuredOutput:
        """Tracers copy a call's arguments; this one is never changed."""
        return self

    def for_child(self, child: BaseChatModel) -> Structure:
        """What this child makes of it."""
        known = self._made.get(id(child))
        if known is None or known[0] is not child:
            chain = child.with_structured_output(self._schema, **self._arguments)
            known = self._made[id(child)] = (child, _structure(chain))
        return known[1]


def _as_openai(tool: Any) -> Any:
    try:
        return convert_to_openai_tool(tool)
    except (ValueError, TypeError):
        if isinstance(tool, Mapping):
            return tool  # a provider's own tool, which only its child can read
        raise


def _bound_arguments(bound: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    while isinstance(bound, RunnableBinding):
        arguments = {**bound.kwargs, **arguments}
        bound = bound.bound
    return arguments


def _structure(chain: Runnable[Any, Any]) -> Structure:
    if not isinstance(chain, RunnableSequence):
        raise InvalidRequestError(
            f"with_structured_output made a {type(chain).__name__}; expected a model and a parser"
        )
    first, *rest = chain.steps
    parser = rest[0] if len(rest) == 1 else RunnableSequence(*rest)
    return Structure(_bound_arguments(_model_in(first)), parser)


def _model_in(first: Any) -> Any:
    """With `include_raw` the model stands in a map, beside nothing else."""
    steps: Mapping[str, Any] | None = getattr(first, "steps__", None)
    return first if steps is None else next(iter(steps.values()))


def without_replayed(options: Mapping[str, Any], tools: BoundTools) -> Iterator[tuple[str, Any]]:
    """The options that `bind_tools` was not given: those the child reads in its own way."""
    for name, value in options.items():
        if name not in tools.arguments or tools.arguments[name] is not value:
            yield name, value
