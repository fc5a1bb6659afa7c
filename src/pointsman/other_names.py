"""Other registries' names for our methods: the classes through which `ModelRegistry` and `Router` answer to them.

Nothing here has logic of its own, it calls ours. A name that means something else there than here (`get_model`,
`list_models`) keeps our meaning; `docs/coming-from.md` says the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from pointsman.catalog.difference import CatalogDiff
from pointsman.catalog.parameters import ParameterIssue, name_for
from pointsman.catalog.prices import Cost
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import ModelNotFoundError, NoEligibleModelsError
from pointsman.health.states import HealthReport
from pointsman.types import Messages, Request


class _Registry(Protocol):
    """What the names below call."""

    def register_model(self, spec: ModelSpec | Mapping[str, Any], *, replace: bool = False) -> ModelSpec: ...
    def unregister_model(self, name: str, provider: str | None = None) -> ModelSpec: ...
    def get_model(self, name: str, provider: str | None = None) -> ModelSpec: ...
    def find_model(self, name: str, provider: str | None = None) -> ModelSpec | None: ...
    def list_models(self, *, provider: str | None = None) -> list[ModelSpec]: ...
    def get_models_by_capability(self, capability: str) -> list[ModelSpec]: ...
    def list_providers(self) -> list[str]: ...
    def list_capabilities(self) -> list[str]: ...
    def reload(self) -> CatalogDiff: ...
    def stats(self) -> dict[str, Any]: ...
    def validate_parameters(self, name: str, parameters: Mapping[str, Any]) -> list[ParameterIssue]: ...
    def map_parameters(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]: ...
    def request_cost(self, name: str, input_tokens: int, output_tokens: int) -> Cost: ...
    def migrate(self, name: str) -> str: ...
    def __contains__(self, name: object) -> bool: ...
    def __len__(self) -> int: ...


class RegistryNames:
    """Other registries' names for methods of `ModelRegistry`."""

    def register(self: _Registry, definition: ModelSpec | Mapping[str, Any]) -> ModelSpec:
        """`register_model`."""
        return self.register_model(definition)

    def unregister(self: _Registry, model_name: str) -> bool:
        """`unregister_model`, but says whether the model was there."""
        try:
            self.unregister_model(model_name)
        except ModelNotFoundError:
            return False
        return True

    def find_by_capability(self: _Registry, capability: str) -> list[ModelSpec]:
        """`get_models_by_capability`."""
        return self.get_models_by_capability(capability)

    def find_by_provider(self: _Registry, provider: str) -> list[ModelSpec]:
        """`list_models(provider=...)`."""
        return self.list_models(provider=provider)

    def refresh(self: _Registry) -> CatalogDiff:
        """`reload`."""
        return self.reload()

    def get_model_or_raise(self: _Registry, model_id: str) -> ModelSpec:
        """`get_model`."""
        return self.get_model(model_id)

    def get_models_by_provider(self: _Registry, provider: str) -> list[ModelSpec]:
        """`list_models(provider=...)`."""
        return self.list_models(provider=provider)

    def get_providers(self: _Registry) -> list[str]:
        """`list_providers`."""
        return self.list_providers()

    def get_capabilities(self: _Registry) -> list[str]:
        """`list_capabilities`."""
        return self.list_capabilities()

    def is_initialized(self: _Registry) -> bool:
        """Whether a model is registered."""
        return len(self) > 0

    def get_stats(self: _Registry) -> dict[str, Any]:
        """`stats`."""
        return self.stats()

    def get_model_statistics(self: _Registry) -> dict[str, Any]:
        """`stats`."""
        return self.stats()

    def get_model_metadata(self: _Registry, model_name: str) -> ModelSpec | None:
        """`find_model`."""
        return self.find_model(model_name)

    def get_provider_models(self: _Registry, provider: str) -> list[str]:
        """Names of `list_models(provider=...)`."""
        return [spec.name for spec in self.list_models(provider=provider)]

    def get_all_models(self: _Registry) -> dict[str, ModelSpec]:
        """`list_models`, by key."""
        return {spec.key: spec for spec in self.list_models()}

    def is_model_supported(self: _Registry, model_name: str) -> bool:
        """`name in registry`."""
        return model_name in self

    def get_parameter_mapping(self: _Registry, model_name: str, param_name: str) -> str:
        """The provider's name of a standard parameter; `map_parameters` for all of them, with their values."""
        return name_for(self.get_model(model_name), param_name)

    def validate_parameters_for_model(self: _Registry, model_name: str, parameters: Mapping[str, Any]) -> list[str]:
        """`validate_parameters` as texts; a model that is not registered is one of them."""
        try:
            return [str(issue) for issue in self.validate_parameters(model_name, parameters)]
        except ModelNotFoundError as error:
            return [str(error)]

    def validate_model_parameters(self: _RegistryOfTexts, model_name: str, parameters: Mapping[str, Any]) -> list[str]:
        """`validate_parameters_for_model`."""
        return self.validate_parameters_for_model(model_name, parameters)

    def convert_request_for_model(
        self: _Registry, messages: Messages, model_name: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`map_parameters`; messages are the caller's to send."""
        del messages
        return self.map_parameters(model_name, parameters)

    def calculate_request_cost(self: _Registry, model_name: str, input_tokens: int, output_tokens: int) -> float | None:
        """`request_cost(...).total`: USD, or None where a price is not known."""
        return self.request_cost(model_name, input_tokens, output_tokens).total

    def migrate_to_supported_model(self: _Registry, model_name: str) -> str:
        """`migrate`; a name that is not registered stays as it is."""
        return self.migrate(model_name) if model_name in self else model_name


class _RegistryOfTexts(Protocol):
    def validate_parameters_for_model(self, model_name: str, parameters: Mapping[str, Any]) -> list[str]: ...


class _Decided(Protocol):
    """What feedback needs of a decision."""

    @property
    def id(self) -> str: ...


DecisionT_co = TypeVar("DecisionT_co", covariant=True)


class _Router(Protocol[DecisionT_co]):
    """What the names below call."""

    @property
    def available_models(self) -> Iterable[ModelSpec]: ...
    def decide(self, request: Request | str) -> DecisionT_co: ...
    def select_model(self, requirements: Mapping[str, Any] | None = None, **keywords: Any) -> ModelSpec: ...
    def feedback(self, decision_id: str, score: float) -> None: ...
    def statistics(self) -> dict[str, Any]: ...
    async def check_health(self, names: list[str] | None = None) -> dict[str, HealthReport]: ...
    async def aask(self, prompt: str | Messages | Request) -> str: ...


class RouterNames:
    """Other registries' and routers' names for methods of `Router`."""

    def route(self: _Router[DecisionT_co], request: Request | str) -> DecisionT_co:
        """`decide`."""
        return self.decide(request)

    def update_reward(self: _Router[Any], decision: _Decided | str, reward: float) -> None:
        """`feedback`."""
        self.feedback(decision if isinstance(decision, str) else decision.id, reward)

    def get_model_statistics(self: _Router[Any]) -> dict[str, Any]:
        """`statistics`."""
        return self.statistics()

    async def get_available_models(self: _Router[Any]) -> list[str]:
        """Keys of `available_models`."""
        return [spec.key for spec in self.available_models]

    async def get_model_health(self: _Router[Any], name: str) -> HealthReport:
        """`check_health` of one model."""
        (report,) = (await self.check_health([name])).values()
        return report

    async def generate_response(self: _Router[Any], prompt: str) -> str:
        """`aask`."""
        return await self.aask(prompt)

    def select_cost_effective_model(self: _Router[Any], task: str, max_tokens: int) -> str | None:
        """Name of `select_model` for a task that takes tools and so many tokens of answer; None if there is none."""
        try:
            return self.select_model(messages=task, needs={"tools"}, max_output_tokens=max_tokens).name
        except NoEligibleModelsError:
            return None
