"""`Children`: the chat model behind each spec, given by the user or built when it is first used."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from pointsman.arguments import expect, expect_mapping
from pointsman.catalog.spec import ModelSpec
from pointsman.custom import Implementation
from pointsman.custom_calls import of_spec
from pointsman.errors import PointsmanError
from pointsman.langchain.builders import build_chat_model, speaks_openai, takes_timeout
from pointsman.langchain.custom import CustomChatModel
from pointsman.registry.models import ModelRegistry
from pointsman.registry.snapshot import Snapshot

_NOT_IN_A_PROVIDER = re.compile(r"[^A-Za-z0-9_.-]+")
# What LangChain's profiles call a capability, and what we do.
_PROFILE_CAPABILITIES = {
    "tool_calling": "tools",
    "structured_output": "json.schema",
    "image_inputs": "vision",
    "pdf_inputs": "pdf",
    "audio_inputs": "audio",
    "video_inputs": "video",
}


class Children(Mapping[str, BaseChatModel]):
    """Chat models by key.

    Args:
        registry: the models that calls are routed among.
        given: chat models by the name or key of a registered model; if there are any, only they are routed to.
        build: makes a chat model of a spec that none was given for.

    Raises:
        ModelNotFoundError: E4001, for a name that is not registered.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        given: Mapping[str, BaseChatModel] | None = None,
        build: Callable[[ModelSpec], BaseChatModel] = build_chat_model,
    ) -> None:
        if given is not None:
            expect_mapping(given, "models")
        for name, child in (given or {}).items():
            expect(child, Runnable, f"the model behind {name!r}", "a chat model")
        self._registry = registry
        self._given = {registry.get_model(name).key: child for name, child in (given or {}).items()}
        self._build = build
        # What is held for good, while nothing limits how much; looking here is cheaper than a lease.
        self._built: dict[str, tuple[ModelSpec, Any, BaseChatModel]] = {}
        self._absent: tuple[Snapshot | None, frozenset[str]] = (None, frozenset())
        self._timeouts: tuple[Snapshot | None, bool] = (None, False)

    def __getitem__(self, name: str) -> BaseChatModel:
        return self.of(self._registry.get_model(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._given or [spec.key for spec in self._registry])

    def __len__(self) -> int:
        return len(self._given or self._registry)

    def __repr__(self) -> str:
        return f"Children({', '.join(self)})"

    def of(self, spec: ModelSpec) -> BaseChatModel:
        """The chat model of a spec, built if need be, and built anew when the spec has changed.

        Raises:
            MissingCredentialError: E4402.
            MissingDependencyError: E4401.
            ModelLoadError: E4403.
        """
        child = self._held(spec)
        if child is None:
            with self._leased(spec) as child:
                self._keep(spec, child)
        return child

    @property
    def limited(self) -> bool:
        """Whether children are let go of when others need the room; only a lease keeps them then."""
        return self._registry.loaded.settings.limited

    def lease(self, spec: ModelSpec) -> AbstractContextManager[BaseChatModel]:
        """The chat model of a spec, which is not let go of while the block lasts.

        Raises:
            ModelLoadError: E4403, if it cannot be built, or memory has no room for it now.
            MissingCredentialError: E4402.
            MissingDependencyError: E4401.
        """
        child = self._held(spec)
        if child is None and not self.limited:
            child = self.of(spec)
        return self._leased(spec) if child is None else nullcontext(child)

    def alease(self, spec: ModelSpec) -> AbstractAsyncContextManager[BaseChatModel]:
        """Like `lease`; what has to be imported and built first does not hold up the event loop."""
        child = self._held(spec)
        return self._aleased(spec) if child is None else nullcontext(child)

    @asynccontextmanager
    async def _aleased(self, spec: ModelSpec) -> AsyncIterator[BaseChatModel]:
        key, load = self._to_load(spec)
        async with self._registry.loaded.alease(key, spec, load, _released) as child:
            self._keep(spec, child)
            yield child

    def _held(self, spec: ModelSpec) -> BaseChatModel | None:
        child = self._given.get(spec.key)
        if child is not None:
            return child
        known = self._built.get(spec.key)
        if known is None or self.limited:
            return None
        same = (known[0] is spec or known[0] == spec) and known[1] is self._code_of(spec)
        return known[2] if same else None

    def _keep(self, spec: ModelSpec, child: BaseChatModel) -> None:
        if self.limited:
            self._built.clear()
        else:
            self._built[spec.key] = (spec, self._code_of(spec), child)

    def _leased(self, spec: ModelSpec) -> AbstractContextManager[BaseChatModel]:
        key, load = self._to_load(spec)
        return self._registry.loaded.lease(key, spec, load, _released)

    def _to_load(self, spec: ModelSpec) -> tuple[Hashable, Callable[[], BaseChatModel]]:
        code = self._code_of(spec)
        if code is None:
            return ("chat", self._build, spec.key), lambda: self._build(spec)
        return ("chat", id(code), spec.key), lambda: CustomChatModel(implementation=code, spec=spec)

    def _code_of(self, spec: ModelSpec) -> Implementation | None:
        return None if spec.implementation is None else of_spec(spec, self._registry.snapshot)

    @property
    def absent(self) -> frozenset[str]:
        """Keys of registered models that are not routed to, because others were given."""
        if not self._given:
            return frozenset()
        snapshot, absent = self._absent
        if snapshot is not self._registry.snapshot:
            snapshot = self._registry.snapshot
            absent = frozenset(spec.key for spec in self._registry if spec.key not in self._given)
            self._absent = (snapshot, absent)
        return absent

    @property
    def all_take_timeout(self) -> bool:
        """Whether every child gives up by itself at its timeout, so that no thread has to watch it."""
        snapshot, answer = self._timeouts
        if snapshot is not self._registry.snapshot:
            snapshot = self._registry.snapshot
            answer = all(self._takes_timeout(spec) for spec in self._registry if spec.key not in self.absent)
            self._timeouts = (snapshot, answer)
        return answer

    @property
    def reference(self) -> BaseChatModel | None:
        """A child that can be asked what calls look like, none if no child can be built."""
        for spec in self._registry:
            if spec.key in self.absent:
                continue
            try:
                return self.of(spec)
            except PointsmanError:
                continue
        return None

    @property
    def known(self) -> list[BaseChatModel]:
        """The chat models that were given, or have been built so far."""
        return list(self._given.values()) or [child for _, _, child in self._built.values()]

    @property
    def given(self) -> Mapping[str, BaseChatModel]:
        """The chat models that the user gave, by key."""
        return self._given

    def _takes_timeout(self, spec: ModelSpec) -> bool:
        child = self._given.get(spec.key)
        if child is not None:
            return takes_timeout(child)
        return spec.implementation is not None or speaks_openai(spec)


def _released(child: BaseChatModel) -> None:
    """Close a chat model that can be closed; most are simply forgotten."""
    close = getattr(child, "close", None)
    if callable(close):
        close()


def specs_of(given: Mapping[str, BaseChatModel]) -> list[ModelSpec]:
    """Describe chat models as far as they describe themselves; what they do not say stays unknown."""
    return [_spec_of(name, child) for name, child in given.items()]


def _spec_of(name: str, child: BaseChatModel) -> ModelSpec:
    described = child._get_ls_params()  # noqa: SLF001  the only place where a chat model names its provider
    provider, _, rest = name.partition(":")
    if not rest:
        provider, rest = str(described.get("ls_provider") or "custom"), name
    profile: Mapping[str, Any] = getattr(child, "profile", None) or {}
    capabilities = ["generation.text.chat"]
    if type(child).bind_tools is not BaseChatModel.bind_tools and profile.get("tool_calling") is not False:
        capabilities += ["tools", "json"]
    capabilities += [ours for theirs, ours in _PROFILE_CAPABILITIES.items() if profile.get(theirs)]
    return ModelSpec(
        name=rest,
        provider=_NOT_IN_A_PROVIDER.sub("-", provider) or "custom",
        capabilities=tuple(capabilities),
        max_input_tokens=profile.get("max_input_tokens"),
        context_window=profile.get("max_input_tokens"),
        max_output_tokens=_output_limit(profile),
    )


def _output_limit(profile: Mapping[str, Any]) -> int | None:
    limit: int | None = profile.get("max_output_tokens")
    window: int | None = profile.get("max_input_tokens")
    return limit if limit is None or window is None else min(limit, window)
