"""What other registries call things, and what is here in their place: one table for `docs/coming-from.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

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
    Name("bandit", "list_models", "registry.list_models", note=f"{_SPECS}; `provider=` by its keyword"),
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
    Name("bandit", "get_model_confidence", "router.policy.confidence", note="of the policies `ucb` and `thompson`"),
    Name("bandit", 'min_size="7B"', 'min_size="7B"', note="or 7, in billions; an unknown size satisfies no wish"),
    Name(
        "bandit",
        "UCBModelSelector(exploration_factor=2.0)",
        "policy: {name: ucb, exploration_factor: 2.0}",
        note="or `exploration`; the default is 0.25",
    ),
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
        "registry.register_model(spec, implementation=CustomModel)",
        note="no base class needed; `generate_response`, `health_check` are found; `base:` for what is fine-tuned",
    ),
    Name("orchestrator", "ModelCache", "pointsman.cache.ModelCache", note="the same keywords; levels are a list"),
    Name("orchestrator", "enable_caching", "Router(registry, cache=cache)", note="or `cache:`; of all models at once"),
    Name(
        "orchestrator",
        "LazyOllamaModel, LazyHuggingFaceModel",
        "ChatPointsman",
        note="the models behind it are built when first used; `loading:` says how many are held",
    ),
    Name(
        "orchestrator",
        'OpenAIModel(name=..., api_key=os.environ["OPENAI_API_KEY"])',
        'ModelSpec(name=..., provider="openai", api_key="env:OPENAI_API_KEY")',
        note="a reference to the key, never the key",
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
        note="deprecated ones are among them",
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
