"""One configuration per kind of registry there was before, in its own words: it loads, and means the right thing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pointsman import CatalogError, InvalidModelError, ModelRegistry, ModelSpec, Request, Router

BANDIT = """
# a bandit-driven registry with UCBModelSelector
policy: {name: ucb, exploration: 2.0}
models:
  - name: llama-7b
    provider: ollama
    capabilities: {text_generation: true}
    expertise: [coding, general]
    size: 7B
    metrics: {success_rate: 0.95, latency_p50: 1.5, cost_per_token: 0.000002}
  - name: mixtral
    provider: ollama
    capabilities: [text_generation]
    expertise: [creative]
    size: 8x7B
    metrics: {latency_p50: 4.0}
"""

ORCHESTRATOR = """
# an orchestrator with ModelCapabilities, ModelHealthMonitor and ModelCache
policy: ucb
health: {interval: 300, failure_threshold: 3, recovery_threshold: 2}
models:
  - name: custom-model
    provider: custom
    capabilities: {text_generation: true, code_generation: true, supports_streaming: true, supports_vision: false, max_tokens: 4096}
    context_length: 8000
"""

TREE = """
# a capability-tree registry with register and unregister
models:
  - name: writer
    provider: openai
    capabilities: [generation.text-generation.summarization, generation.code-generation]
    delivery: async
    batch: true
    features: {house_style: true}
    constraints: {max_images: 4}
pools:
  text: {needs: [generation.text-generation]}
"""

GATEWAY = """
# a gateway registry with ModelConfig
models:
  - model_id: claude-3-opus
    provider: anthropic
    display_name: Claude 3 Opus
    capabilities: {supports_streaming: true, supports_vision: true, supports_tool_use: true, supports_json_mode: true}
    context_window: 200000
    max_output_tokens: 4096
    cost_per_1m_input_tokens: 15.0
    cost_per_1m_output_tokens: 75.0
    rate_limit_rpm: 60
    rate_limit_tpm: 100000
    latency_p50_ms: 2000
    latency_p99_ms: 8000
    status: ACTIVE
    quality_scores: {reasoning: 0.95, coding: 0.92, creative: 0.90, summarization: 0.93}
"""

FAMILIES = """
# a provider-family registry with ModelMetadata
models:
  - model_name: gpt-3.5-turbo
    provider: azure_openai
    model_family: azure_gpt_35
    display_name: GPT-3.5 Turbo
    supported_input_types: [text]
    supported_output_types: [text, json]
    supports_streaming: true
    supports_function_calling: true
    supports_vision: false
    supports_json_mode: true
    max_context_length: 16384
    max_output_tokens: 4096
    supports_temperature: true
    supports_frequency_penalty: false
    supports_stop_sequences: false
    parameter_mappings: {max_tokens: max_length}
    default_parameters: {temperature: 0.7, max_tokens: 1000}
    api_requirements: {uses_deployment_name: false, max_batch_size: 20}
    cost_per_1k_input_tokens: 0.0005
    cost_per_1k_output_tokens: 0.0015
    is_deprecated: false
  - model_name: gpt-3.5-turbo-16k
    provider: azure_openai
    model_family: azure_gpt_35
    is_deprecated: true
    deprecation_date: "2024-06-01"
    replacement_model: gpt-3.5-turbo
"""


def load(text: str, folder: Path) -> Path:
    path = folder / "pointsman.yaml"
    path.write_text(text)
    return path


def test_a_bandit_driven_registry(tmp_path: Path) -> None:
    router = Router.from_config(load(BANDIT, tmp_path))
    spec = router.registry.get_model("llama-7b")
    assert spec.size_billions == 7
    assert spec.latency_p50 == 1.5
    assert (spec.cost_per_1m_input_tokens, spec.cost_per_1m_output_tokens) == (2.0, 2.0)
    assert spec.has_capability("generation.text")
    wishes = {"expertise": ["coding"], "capabilities": ["text_generation"]}
    assert router.select_model(wishes).name == "llama-7b"
    assert router.select_model(min_size=10).name == "mixtral"
    assert router.decide("hi").policy == "ucb"


def test_an_orchestrator(tmp_path: Path) -> None:
    router = Router.from_config(load(ORCHESTRATOR, tmp_path))
    spec = router.registry.get_model("custom-model")
    assert spec.capabilities == ("generation.text", "generation.code", "streaming")
    assert (spec.max_output_tokens, spec.context_window) == (4096, 8000)
    chosen = router.select_model(
        capabilities=["text_generation", "code_generation"], max_cost=0.05, context_length=8000
    )
    assert chosen is spec
    assert router.monitor().interval == 300


def test_a_capability_tree_registry(tmp_path: Path) -> None:
    registry = ModelRegistry.load(load(TREE, tmp_path))
    (spec,) = registry.get_models_by_capability("generation.text-generation")
    assert spec.capabilities == ("generation.text.summarization", "generation.code")
    assert (spec.delivery, spec.batch, spec.constraints) == ("async", True, {"max_images": 4})
    assert registry.pools_of("writer") == ["text"]
    assert Router(registry, "cheapest").decide(Request(input_tokens=1, needs={"feature:house_style"})).spec is spec


def test_a_gateway_registry(tmp_path: Path) -> None:
    spec = ModelRegistry.load(load(GATEWAY, tmp_path)).get_model("claude-3-opus")
    assert set(spec.capabilities) == {"streaming", "vision", "tools", "json"}
    assert (spec.latency_p50, spec.latency_p99) == (2.0, 8.0)
    assert spec.quality == {"reasoning": 0.95, "coding": 0.92, "creative": 0.90, "summarization": 0.93}
    assert (spec.cost_per_1m_output_tokens, spec.rate_limit_rpm, spec.status) == (75, 60, "active")


def test_a_provider_family_registry(tmp_path: Path) -> None:
    registry = ModelRegistry.load(load(FAMILIES, tmp_path))
    spec = registry.get_model("gpt-3.5-turbo")
    assert [each.name for each in registry.get_family_models("azure_gpt_35")] == ["gpt-3.5-turbo", "gpt-3.5-turbo-16k"]
    assert (spec.context_window, spec.max_output_tokens) == (16_384, 4096)
    assert set(spec.capabilities) == {"streaming", "tools", "json"}
    assert (spec.input_modalities, spec.output_modalities) == (("text",), ("text", "json"))
    assert spec.unsupported_parameters == ("frequency_penalty", "stop")
    assert registry.map_parameters(spec.name, {"max_tokens": 10}) == {"temperature": 0.7, "max_length": 10}
    assert registry.request_cost(spec.name, 1000, 1000).total == pytest.approx(0.002)
    assert [issue.limit for issue in registry.validate_parameters(spec.name, {"max_tokens": 20_000})] == [4096]
    old = registry.get_model("gpt-3.5-turbo-16k")
    assert (old.is_deprecated, old.deprecation_date) == (True, date(2024, 6, 1))
    assert registry.migrate("gpt-3.5-turbo-16k") == "gpt-3.5-turbo"


@pytest.mark.parametrize(
    "contradiction",
    [
        "context_window: 1, context_length: 2",
        "max_output_tokens: 1, max_tokens: 2",
        "max_output_tokens: 1, capabilities: {max_tokens: 2}",
        "latency_p50: 1, latency_p50_ms: 2000",
        "latency_p50: 1, metrics: {latency_p50: 2}",
        "cost_per_1m_input_tokens: 1, cost_per_1k_input_tokens: 1",
        "cost_per_token: 0.001, input_cost_per_token: 0.002",
        "status: active, is_deprecated: true",
        "status: deprecated, is_deprecated: false",
        "quality: {coding: 1}, quality_scores: {coding: 0}",
        "replacement: a, replacement_model: b",
    ],
)
def test_spellings_that_disagree_are_an_error_with_its_line(contradiction: str, tmp_path: Path) -> None:
    path = load(f"models:\n  - {{name: m, provider: openai, {contradiction}}}\n", tmp_path)
    with pytest.raises(InvalidModelError, match="disagree") as caught:
        ModelRegistry.load(path)
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_deprecated": "yes"},
        {"capabilities": "vision", "supports_vision": True},
        {"unsupported_parameters": 5, "supports_temperature": False},
        {"features": 5, "supports_tool_choice": True},
        {"size": "big"},
        {"metrics": {"colour": 1}},
    ],
)
def test_what_cannot_be_read_is_a_typed_error(wrong: dict[str, object]) -> None:
    with pytest.raises(CatalogError):
        ModelSpec(name="m", provider="openai", **wrong)


def test_a_capability_that_is_denied_is_not_declared() -> None:
    spec = ModelSpec(name="m", provider="openai", capabilities={"supports_vision": False, "streaming": True})
    assert spec.capabilities == ("streaming",)
