"""Names that other registries have for our methods mean what they meant there."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable

import pytest
from samples import make_spec

import pointsman
from pointsman import ModelNotFoundError, ModelRegistry, ModelSpec, Router
from pointsman.health.states import HealthReport
from pointsman.other_names import RegistryNames, RouterNames
from pointsman.policies.names import policy_names
from pointsman.reference.names import NAMES
from pointsman.testing import ServedModel, serve

CLASSES = {"registry": (ModelRegistry, RegistryNames), "router": (Router, RouterNames)}


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


@pytest.mark.parametrize("where", CLASSES)
def test_every_name_we_answer_to_is_in_the_table_and_every_such_row_is_answered(where: str) -> None:
    ours, names = CLASSES[where]
    rows = {row.theirs.rpartition(".")[2] for row in NAMES if row.on == where}
    assert rows == public(names)
    assert not public(names) & set(vars(ours)), "our own names keep our own meaning"


@pytest.mark.parametrize("row", NAMES, ids=lambda row: f"{row.system}-{row.theirs}")
def test_what_the_table_points_at_exists(row: object) -> None:
    text = row.ours  # type: ignore[attr-defined]
    head, _, rest = text.partition(".")
    name = rest.partition("(")[0]
    if head in ("registry", "router") and rest:
        kind = CLASSES[head][0]
        if name.startswith("policy."):
            from pointsman.policies.ucb import UCBPolicy

            assert hasattr(UCBPolicy, name.removeprefix("policy."))
        else:
            # Also in what our class is built on, but not among the other registries' names.
            assert any(name in vars(base) for base in kind.__mro__ if base is not CLASSES[head][1])
            if head == "registry":
                assert callable(getattr(kind, name))
    elif text.startswith("policy: "):
        assert text.removeprefix("policy: ").removeprefix("{name: ").partition(",")[0] in (*policy_names(), "best")
    elif head in ("ModelSpec", "default_registry()", "ModelRegistry"):
        assert head.partition("(")[0] in pointsman.__all__


def test_registering_and_looking_up(registry: ModelRegistry) -> None:
    spec = registry.register({"name": "new", "provider": "ollama", "capabilities": ["vision"]})
    assert registry.get_model_or_raise("new") is spec
    assert registry.find_by_provider("ollama") == registry.get_models_by_provider("ollama") == [spec]
    assert registry.find_by_capability("vision") == registry.get_models_by_capability("vision")
    assert registry.get_provider_models("ollama") == ["new"]
    assert registry.get_all_models()["ollama:new"] is spec
    assert registry.get_model_metadata("new") is spec
    assert registry.get_model_metadata("nothing") is None
    assert registry.is_model_supported("new")
    assert registry.get_providers() == registry.list_providers()
    assert registry.get_capabilities() == registry.list_capabilities()
    assert registry.get_stats() == registry.get_model_statistics() == registry.stats()
    assert not registry.refresh()
    assert registry.is_initialized()
    assert registry.unregister("new")
    assert not registry.unregister("new")
    assert not registry.is_model_supported("new")
    assert not ModelRegistry().is_initialized()
    with pytest.raises(ModelNotFoundError):
        registry.get_model_or_raise("new")


def test_parameters_prices_and_migration() -> None:
    registry = ModelRegistry.builtin("legacy")
    assert registry.get_parameter_mapping("gemini-1.5-pro", "max_tokens") == "max_output_tokens"
    assert registry.get_parameter_mapping("gpt-4o", "max_tokens") == "max_tokens"
    (text,) = registry.validate_model_parameters("gpt-3.5-turbo", {"max_tokens": 20_000, "temperature": 0.7})
    assert "20000" in text
    assert "4096" in text
    assert registry.validate_parameters_for_model("gpt-4o", {"max_tokens": 100}) == []
    (text,) = registry.validate_parameters_for_model("gpt-99", {})
    assert "gpt-99" in text
    converted = registry.convert_request_for_model([], "gemini-1.5-pro", {"max_tokens": 5, "stop": ["x"]})
    assert converted == {"max_output_tokens": 5, "stop_sequences": ["x"]}, "no JSON format that nobody asked for"
    assert registry.calculate_request_cost("gpt-4o", input_tokens=1000, output_tokens=500) == pytest.approx(0.0125)
    assert registry.calculate_request_cost("gpt-4", input_tokens=1000, output_tokens=500) is None
    assert registry.migrate_to_supported_model("gpt-3.5-turbo-16k") == "gpt-3.5-turbo"
    assert registry.migrate_to_supported_model("somebody-elses") == "somebody-elses"


async def test_routing_and_learning(make_router: Callable[..., Router]) -> None:
    router = make_router("cheapest")
    decision = router.route("hello")
    assert decision.model == "openai:cheap"
    router.update_reward(decision, 0.5)
    router.update_reward(router.route("again").id, 0.9)
    assert router.get_model_statistics() == router.statistics()
    assert await router.get_available_models() == [spec.key for spec in router.available_models]
    assert router.select_cost_effective_model("a task", 2000) == "cheap"
    assert router.select_cost_effective_model("a task", 10**6) is None


async def test_health_and_answers_are_awaited_as_there() -> None:
    with serve([ServedModel("m")], seed=1) as fleet:
        spec = ModelSpec(name="m", provider="openai", api_base=fleet["m"].url)
        router = Router(ModelRegistry([spec]), "cheapest")
        health = await router.get_model_health("m")
        assert isinstance(health, HealthReport)
        assert (health.healthy, health.issues) == (True, ())
        assert await router.generate_response("Hello") != ""


def test_the_default_registry_is_made_once_and_only_when_it_is_asked_for() -> None:
    found: list[ModelRegistry] = []
    threads = [threading.Thread(target=lambda: found.append(pointsman.default_registry())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in found}) == 1
    registry = found[0]
    assert {"azure", "bedrock", "gemini", "openai", "anthropic", "ollama"} <= set(registry.list_providers())
    assert registry.get_model_metadata("azure:gpt-4o") is not None
    assert {spec.name for spec in registry.get_family_models("azure_gpt_4o")} >= {"gpt-4o", "gpt-4o-mini"}
    registry.register_model(make_spec("of-this-process"))
    assert "of-this-process" in pointsman.default_registry()
    registry.unregister_model("of-this-process")


def test_the_names_say_in_one_line_what_they_call() -> None:
    for _, names in CLASSES.values():
        for name in public(names):
            assert (inspect.getdoc(getattr(names, name)) or "").count("\n") == 0, name
