"""`ChatPointsman`: a LangChain chat model that routes each call to another one and keeps it alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Self, cast

from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableMap
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, SkipValidation, model_validator

from pointsman.arguments import expect
from pointsman.calling import CallLimits
from pointsman.eligibility.tokens import PromptSize
from pointsman.errors import ConfigError
from pointsman.langchain.children import Children, specs_of
from pointsman.langchain.dispatch import Dispatch
from pointsman.langchain.entries import RoutedChatModel
from pointsman.langchain.fields import refuse_unknown
from pointsman.langchain.parsing import AnswerParser
from pointsman.langchain.profile import profile_of
from pointsman.langchain.replay import BoundTools, StructuredOutput
from pointsman.langchain.requirements import merged, read_requirements
from pointsman.langchain.routed import STRUCTURED, TRACED, Options, PinnedModel, RoutedCall
from pointsman.langchain.runnable import RunnableRouter
from pointsman.registry.models import ModelRegistry
from pointsman.router import Router
from pointsman.types import Request

# What `from_config` passes on.
_ROUTERS = frozenset(signature(Router).parameters) - {"registry"}


def _no_router() -> Router:
    raise ConfigError("neither a router nor models were given", hint="pass router=... or models={...}")


class ChatPointsman(RoutedChatModel):
    """A chat model that chooses one for each call, fails over to others, and learns from what comes of it.

    It is used wherever a chat model is. An answer's `response_metadata["pointsman"]` holds the decision's id, for
    `router.feedback`, and which model answered after how many attempts at what cost.

    Attributes:
        router: who decides; without one, a router over `models` is made.
        models: chat models by the name or key of a registered model; those that are missing are built when first used.
        model: a name, alias or pool that every call asks for, unless it names its own.
        requirements: fields of `pointsman.Request` that hold for every call; see `require`.
        timeout: seconds per attempt.
        deadline: seconds per call, all attempts together.
        max_cost: USD per call, all attempts together.
        attempts: calls to models at most, per call.
        max_retries: how often a model is asked again when nothing else is left; LangChain's name for `retries`.
        temperature: sent to the model, likewise `max_tokens` and `stop`, unless the call names its own.
        streaming: whether `invoke` streams too.
    """

    router: Router = Field(default_factory=_no_router, repr=False, exclude=True)
    models: SkipValidation[Mapping[str, BaseChatModel]] = Field(default_factory=dict, repr=False, exclude=True)
    model: str | None = None
    requirements: dict[str, Any] = Field(default_factory=dict)
    timeout: float | None = None
    deadline: float | None = None
    max_cost: float | None = None
    attempts: int | None = None
    max_retries: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    streaming: bool = False
    # The children have caches of their own; a second one in front would hide from routing that an answer is not new.
    cache: Any = Field(default=False, exclude=True)

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        refuse_unknown(cls, values)
        values = dict(values)
        models, router = values.get("models"), values.get("router")
        if router is not None:
            expect(router, Router, "router", "a pointsman.Router (files: ChatPointsman.from_config(path))")
        else:
            router = values["router"] = Router(ModelRegistry(specs_of(models))) if models else _no_router()
        children = values["models"] = models if isinstance(models, Children) else Children(router.registry, models)
        if values.get("requirements"):
            values["requirements"] = read_requirements(values["requirements"])
        versions = {child.output_version for child in children.given.values()}
        if values.get("output_version") is None and len(versions) == 1:
            values["output_version"] = versions.pop()
        return values

    @classmethod
    def from_config(cls, path: str | Path, **changes: Any) -> Self:
        """Build router and chat model from one file; keyword arguments are those of the class, and of `Router`.

        Raises:
            CatalogError: E4003, E4005 or E4006, with file and line.
        """
        ours = {name: changes.pop(name) for name in list(changes) if name in cls.model_fields}
        refuse_unknown(cls, dict.fromkeys(set(changes) - _ROUTERS))
        return cls(router=Router.from_config(path, **changes), **ours)

    @property
    def _children(self) -> Children:
        return cast("Children", self.models)  # the validator has made them so

    # -- what is asked of every call

    def require(self, **requirements: Any) -> Self:
        """A copy whose calls need more: fields of `pointsman.Request`, such as `needs`, `max_cost`, `exclude`, `session`.

        Needs and exclusions add up, limits tighten, anything else replaces what was there.

        Raises:
            InvalidRequestError: E4103, for what is no field of a request, or no value for it.
        """
        return self.model_copy(update={"requirements": merged(self.requirements, read_requirements(requirements))})

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; whichever model answers, they are bound by its own `bind_tools`."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=BoundTools(tools, kwargs), **kwargs)

    def with_structured_output(
        self, schema: Any = None, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Ask for answers of a schema; whichever model answers, in its own way (`method`, `strict` and so on)."""
        if include_raw:
            kwargs["include_raw"] = True
        structure = StructuredOutput(schema, kwargs)
        child = self._children.reference
        asked = {} if child is None else structure.for_child(child).arguments
        traced = asked.get(TRACED) or {"schema": schema, "kwargs": {"method": kwargs.get("method", "function_calling")}}
        model = self.bind(**{STRUCTURED: structure, TRACED: traced})
        parser = AnswerParser(structure=structure, models=self._children, router=self.router)
        return RunnableMap(raw=model) | parser if include_raw else model | parser

    def with_attempt_runs(self) -> Runnable[LanguageModelInput, AIMessage]:
        """The same models as a Runnable whose traces show every attempt as a run of its own, failed ones too.

        As a chat model there is one run per call, which is what counts usage and streams text once. Here the call is a
        chain, and each attempt a chat model's run beneath it, named `model:<key>` by its tag.
        """
        runnable = RunnableRouter(
            self.router,
            cast("Mapping[str, Runnable[Any, Any]]", self._children),
            requirements=self.requirements,
            timeout=self.timeout,
            deadline=self.deadline,
            max_cost=self.max_cost,
        )
        defaults = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": self.stop}
        given = {name: value for name, value in defaults.items() if value is not None}
        return runnable.bind(**given) if given else runnable

    # -- how its calls are routed

    def _routed(self, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]) -> RoutedCall:
        asked = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": self.stop or None, **given}
        if stop:
            asked["stop"] = stop
        model = asked.pop("model", None) or self.model
        return self._dispatch.route(messages, model, Options.read(asked), self.requirements)

    @property
    def _dispatch(self) -> Dispatch:
        return Dispatch(self.router, self._children)

    @property
    def _limits(self) -> CallLimits:
        limits = CallLimits()
        if self.deadline is not None:
            limits["deadline"] = self.deadline
        if self.timeout is not None:
            limits["timeout"] = self.timeout
        if self.max_cost is not None:
            limits["max_cost"] = self.max_cost
        if self.attempts is not None:
            limits["attempts"] = self.attempts
        if self.max_retries is not None:
            limits["retries"] = self.max_retries
        return limits

    # -- what it says of itself

    @property
    def _llm_type(self) -> str:
        return "pointsman"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "policy": repr(self.router), "requirements": sorted(self.requirements)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """Name the model that was chosen, so that traces and their costs do."""
        pinned = kwargs.pop("model", None)
        if isinstance(pinned, PinnedModel):
            params = pinned.routed.child._get_ls_params(stop=stop, **kwargs)  # noqa: SLF001  it is what we stand for
            params.setdefault("ls_model_name", str(pinned))
            return params
        params = LangSmithParams(
            ls_provider="pointsman", ls_model_name=pinned or self.model or "auto", ls_model_type="chat"
        )
        temperature, limit = kwargs.get("temperature", self.temperature), kwargs.get("max_tokens", self.max_tokens)
        if temperature is not None:
            params["ls_temperature"] = temperature
        if limit is not None:
            params["ls_max_tokens"] = limit
        if stop or self.stop:
            params["ls_stop"] = stop or self.stop or []
        return params

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        pinned = kwargs.get("model")
        if isinstance(pinned, PinnedModel):
            del kwargs["model"]
            return pinned.routed.child._get_invocation_params(stop=stop, **kwargs)  # noqa: SLF001  likewise
        return super()._get_invocation_params(stop=stop, **kwargs)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.router.registry, self._children.absent)

    def get_num_tokens(self, text: str) -> int:
        """Count a text's tokens as routing does, without a download."""
        return PromptSize(Request(messages=text)).count()

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Count a prompt's tokens as routing does, without a download."""
        return PromptSize(Request(messages=cast("Any", messages), tools=BoundTools(tools or (), {}))).count()
