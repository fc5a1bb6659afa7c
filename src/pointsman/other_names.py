"""Names that other registries have for our methods: one table, and the two classes that answer to them.

Nothing here has logic of its own. A name that means something else here than there (`get_model`, `list_models`) keeps
our meaning; the table says the difference, and `docs/coming-from.md` is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from pointsman.catalog.difference import CatalogDiff
from pointsman.catalog.parameters import ParameterIssue, name_for
from pointsman.catalog.prices import Cost
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import ModelNotFoundError
from pointsman.health import HealthReport
from pointsman.types import Messages, Request

System = Literal["bandit", "orchestrator", "tree", "gateway", "families"]

SYSTEMS: Mapping[System, str] = {
    "bandit": "A bandit-driven registry with `UCBModelSelector`",
    "orchestrator": "An orchestrator with `ModelHealthMonitor` and `ModelCache`",
    "tree": "A capability-tree registry with `register` and `unregister`",
    "gateway": "A gateway registry with `ModelConfig`",
    "families": "A provider-family registry with `ModelMetadata`",
}


class Name(NamedTuple):
    """What something is called in another system, and here.

    Attributes:
        system: whose name it is.
        theirs: what they write.
        ours: what to write here.
        on: the class that answers to their name as well, where one does.
        note: what differs.
    """

    system: System
    theirs: str
    ours: str
    on: Literal["registry", "router"] | None = None
    note: str = ""


_SPECS = "returns specs, not keys"
_POSITIONAL = "pass the name without its keyword"

NAMES: tuple[Name, ...] = (
    # -- bandit
    Name("bandit", "register_model", "registry.register_model", note="`DuplicateModelError` is a `ValueError` too"),
    Name("bandit", "unregister_model", "registry.unregister_model", note="returns what the model was"),
    Name("bandit", "get_model", "registry.get_model", note=_POSITIONAL),
    Name("bandit", "list_models", "registry.list_models", note=f"{_SPECS}; `spec.key` is the key"),
    Name("bandit", "list_providers", "registry.list_providers"),
    Name(
        "bandit", "get_available_models", "router.available_models", on="router", note="keys, as there; ours are specs"
    ),
    Name("bandit", "select_model", "router.select_model", note="on the router and not async; takes the same dict"),
    Name("bandit", "get_model_statistics", "registry.stats", on="registry", note="the registry's part of the keys"),
    Name("bandit", "get_model_statistics", "router.statistics", on="router", note="all of the keys"),
    Name("bandit", "reset_statistics", "router.reset_statistics"),
    Name(
        "bandit",
        "update_reward",
        "router.feedback",
        on="router",
        note="of a decision, since a model may have several open",
    ),
    Name("bandit", "get_model_confidence", "policy.confidence", note="of the policies `ucb` and `thompson`"),
    Name("bandit", "UCBModelSelector(exploration_factor=2.0)", "policy: {name: ucb, exploration: 2.0}"),
    # -- orchestrator
    Name(
        "orchestrator",
        "ModelRegistry(selection_strategy=...)",
        "Router(registry, policy)",
        note="`ucb`, `cheapest`, `best`, `fastest`",
    ),
    Name("orchestrator", "UCBModelSelector", "policy: {name: ucb, min_trials: 5}"),
    Name("orchestrator", "CostBasedSelector", "policy: cheapest"),
    Name("orchestrator", "PerformanceSelector", "policy: best", note="`fastest` where performance is speed"),
    Name("orchestrator", "select_model", "router.select_model", note="the same keywords"),
    Name(
        "orchestrator",
        "get_model_health",
        "router.health",
        on="router",
        note="awaited, it checks now; `.healthy` and `.issues` are there",
    ),
    Name(
        "orchestrator",
        "ModelHealthMonitor(check_interval=300, ...)",
        "health: {interval: 300, ...}",
        note="the two thresholds have the same names; `router.monitor().start()`",
    ),
    Name(
        "orchestrator",
        "generate_response",
        "router.aask",
        on="router",
        note="the router chooses who answers, and fails over",
    ),
    Name(
        "orchestrator",
        "CustomModel(Model)",
        "router.run(request, call)",
        note="`call` is your code; `base:` for what is fine-tuned",
    ),
    # -- tree
    Name("tree", "register", "registry.register_model", on="registry"),
    Name(
        "tree", "unregister", "registry.unregister_model", on="registry", note="says whether it was there; ours raises"
    ),
    Name("tree", "get_model", "registry.find_model", note="ours of the same name raises where theirs is None"),
    Name("tree", "list_models", "registry.list_models"),
    Name("tree", "find_by_capability", "registry.get_models_by_capability", on="registry"),
    Name("tree", "find_by_provider", "registry.list_models(provider=...)", on="registry"),
    Name("tree", "refresh", "registry.reload", on="registry", note="pools follow every change without it"),
    Name("tree", "model.pools", "registry.pools_of(name)"),
    Name("tree", "ModelDefinition, Model", "ModelSpec"),
    # -- gateway
    Name("gateway", "register_model", "registry.register_model"),
    Name("gateway", "get_model", "registry.find_model", note="ours of the same name raises where theirs is None"),
    Name("gateway", "get_model_or_raise", "registry.get_model", on="registry"),
    Name("gateway", "list_models", "registry.list_models", note="not async"),
    Name("gateway", "get_models_by_capability", "registry.get_models_by_capability", note="the node or below it"),
    Name("gateway", "get_models_by_capabilities", "registry.get_models_by_capabilities"),
    Name("gateway", "get_models_by_provider", "registry.list_models(provider=...)", on="registry"),
    Name(
        "gateway",
        "get_available_models",
        "registry.get_available_models",
        note="deprecated models are available until their sunset",
    ),
    Name("gateway", "get_providers", "registry.list_providers", on="registry"),
    Name("gateway", "get_capabilities", "registry.list_capabilities", on="registry"),
    Name("gateway", "update_model_status", "registry.update_model_status", note="takes a reason; statuses are texts"),
    Name("gateway", "load_default_models", "registry.load_default_models"),
    Name("gateway", "is_initialized", "len(registry) > 0", on="registry"),
    Name("gateway", "get_stats", "registry.stats", on="registry"),
    Name("gateway", "LLMRouter.route", "router.decide", on="router"),
    Name(
        "gateway",
        "ModelConfig, ModelCapabilities, QualityScores",
        "ModelSpec",
        note="their fields are read as they are",
    ),
    Name(
        "gateway",
        "E4001, E4003",
        "ModelNotFoundError, InvalidModelError",
        note="the same codes; see [errors](errors.md)",
    ),
    # -- families
    Name(
        "families",
        "get_model_registry",
        "default_registry()",
        note="all built-in catalogues; nothing is made before the first call",
    ),
    Name("families", "register_model", "registry.register_model", note="a duplicate is an error unless `replace=True`"),
    Name("families", "get_model", "registry.find_model", note="ours of the same name raises where theirs is None"),
    Name("families", "get_model_metadata", "registry.find_model", on="registry"),
    Name("families", "get_family_models", "registry.get_family_models", note="returns specs, not names"),
    Name(
        "families",
        "get_provider_models",
        "registry.list_models(provider=...)",
        on="registry",
        note="names, as there; ours are specs",
    ),
    Name(
        "families",
        "get_all_models",
        "registry.list_models",
        on="registry",
        note="by key `provider:name`, since providers share names",
    ),
    Name("families", "is_model_supported", "name in registry", on="registry"),
    Name(
        "families",
        "get_parameter_mapping",
        "registry.map_parameters",
        on="registry",
        note="one name; ours translates values too",
    ),
    Name("families", "get_model_defaults", "registry.get_model_defaults"),
    Name(
        "families",
        "validate_parameters_for_model",
        "registry.validate_parameters",
        on="registry",
        note="texts, as there; ours are issues with parameter, value, limit, hint",
    ),
    Name("families", "validate_model_parameters", "registry.validate_parameters", on="registry", note="likewise"),
    Name(
        "families",
        "convert_request_for_model",
        "registry.map_parameters",
        on="registry",
        note="asks for JSON only where JSON was asked for",
    ),
    Name(
        "families",
        "calculate_request_cost",
        "registry.request_cost",
        on="registry",
        note="an unknown price gives None, never 0",
    ),
    Name(
        "families",
        "migrate_to_supported_model",
        "registry.migrate",
        on="registry",
        note="follows the chain to its end, as of today",
    ),
    Name(
        "families",
        "select_cost_effective_model",
        "router.select_model",
        on="router",
        note="as the router's policy says: `cheapest` is what it did",
    ),
    Name("families", "converter_fn", "registry.attach_converter", note="the model names it, the code is attached"),
    Name("families", "ModelMetadata", "ModelSpec", note="its fields are read as they are"),
    Name("families", "ModelFamily.AZURE_GPT_4O", '"azure_gpt_4o"', note="every value of the enumeration is a family"),
    Name(
        "families",
        "LLMProvider.AZURE_OPENAI, BEDROCK, GEMINI",
        '"azure", "bedrock", "gemini"',
        note="providers of the built-in catalogues",
    ),
    Name(
        "families",
        "register_azure_models, register_bedrock_models, register_gemini_models",
        'ModelRegistry.builtin("azure", "bedrock", "gemini")',
        note='the values of its document: `ModelRegistry.builtin("legacy")`',
    ),
)


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
    """Other registries' names for methods of `ModelRegistry`; see `NAMES`."""

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
    """Other registries' and routers' names for methods of `Router`; see `NAMES`."""

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

    def select_cost_effective_model(self: _Router[Any], task: str, max_tokens: int) -> str:
        """Key of `select_model` for a task that takes tools and so many tokens of answer."""
        return self.select_model(messages=task, needs={"tools"}, max_output_tokens=max_tokens).key
