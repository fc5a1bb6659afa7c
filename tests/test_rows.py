"""One test per row of the table of features for the registry (R1 to R14) and for parameters (P1 to P5)."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from samples import make_spec

from pointsman import (
    AmbiguousModelError,
    DuplicateModelError,
    InvalidModelError,
    InvalidParametersError,
    ModelNotFoundError,
    ModelRegistry,
    ModelSpec,
    NoEligibleModelsError,
    Outcome,
    PromptTooLongError,
    Request,
    Router,
)
from pointsman.discovery import apply, discover
from pointsman.testing import FakeClock, ServedModel, serve
from pointsman.watch import FileWatch

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def clock_at(text: str) -> FakeClock:
    return FakeClock(epoch=datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pointsman.yaml"


def test_r1_models_are_registered_found_listed_and_removed() -> None:
    registry = ModelRegistry([make_spec("gpt-4o", family="gpt-4o", aliases=["4o"], capabilities=["vision"])])
    azure = registry.register_model({"name": "gpt-4o", "provider": "azure", "status": "deprecated"})
    assert registry.get_model("azure:gpt-4o") is registry.get_model("gpt-4o", provider="azure") is azure
    assert registry.get_model("4o").key == "openai:gpt-4o"
    with pytest.raises(AmbiguousModelError) as ambiguous:
        registry.get_model("gpt-4o")
    assert ambiguous.value.keys == ("azure:gpt-4o", "openai:gpt-4o")
    with pytest.raises(ModelNotFoundError, match="did you mean"):
        registry.get_model("gpt-4oo")
    assert registry.find_model("nothing") is None
    for wish in ({"provider": "openai"}, {"family": "gpt-4o"}, {"status": "active"}, {"capability": "vision"}):
        assert [spec.key for spec in registry.list_models(**wish)] == ["openai:gpt-4o"]  # type: ignore[arg-type]
    with pytest.raises(DuplicateModelError):
        registry.register_model(azure)
    assert registry.unregister_model("azure:gpt-4o") is azure
    assert "azure:gpt-4o" not in registry
    builtin = ModelRegistry.builtin("openai", "azure")
    builtin.register_model(make_spec("gpt-4o", provider="test"))
    assert builtin.get_model("gpt-4o").key == "test:gpt-4o", "what a user registers goes before what is built in"


def test_r2_every_fact_has_a_typed_place_and_what_is_not_said_is_unknown(path: Path) -> None:
    path.write_text("""
models:
  - {name: m, provider: openai, display_name: M, family: f, input_modalities: [text, image], output_modalities: [text],
     features: {json_lines: true}, context_window: 1000, max_input_tokens: 900, max_output_tokens: 100,
     input_cost_per_token: 0.000001, cost_per_1k_output_tokens: 0.002, cached_cost_per_1m_input_tokens: 0.5,
     batch_cost_per_1m_input_tokens: 0.4, long_context_threshold: 500, long_context_cost_per_1m_input_tokens: 3,
     rate_limit_rpm: 10, rate_limit_tpm: 1000, latency_p50_ms: 300, latency_p99: 2, tokens_per_second: 80,
     quality: {reasoning: 0.5, coding: 0.6}, expertise: [coding], size: 8x7B, languages: [en], regions: [eu-west-1],
     delivery: async, batch: true, constraints: {max_images: 2}, memory_gb: 24,
     evidence: {context_window: {source: the documentation, as_of: 2026-01-31}}}
  - {name: silent, provider: openai}
""")
    registry = ModelRegistry.load(path)
    spec = registry.get_model("m")
    assert (spec.cost_per_1m_input_tokens, spec.cost_per_1m_output_tokens) == (1.0, 2.0)
    assert (spec.latency_p50, spec.size_billions, spec.batch) == (0.3, 56.0, True)
    assert spec.evidence["context_window"].as_of == date(2026, 1, 31)
    assert registry.request_cost("m", 600, 0).input == pytest.approx(0.0018), "the price of a long context"
    silent = registry.get_model("silent")
    told = {name for name, value in silent if value not in (None, (), {})}
    assert told == {"name", "provider", "status"}
    with pytest.raises(InvalidModelError, match="less than or equal to 1"):
        ModelSpec(name="m", provider="openai", quality={"coding": 7})


def test_r3_a_request_for_a_node_finds_what_is_registered_below_it(path: Path) -> None:
    path.write_text("""
capabilities: {generation.text.legal: null, lawyer: generation.text.legal}
models:
  - {name: lawyer-model, provider: openai, capabilities: [lawyer]}
  - {name: painter, provider: openai, capabilities: [generation.image]}
""")
    registry = ModelRegistry.load(path)
    for node in ("generation.text.legal", "generation.text", "lawyer"):
        assert [spec.name for spec in registry.get_models_by_capability(node)] == ["lawyer-model"], node
    assert len(registry.get_models_by_capability("generation")) == 2
    assert Router(registry, "cheapest").decide(Request(input_tokens=1, needs={"lawyer"})).model == "openai:lawyer-model"


def test_r4_pools_follow_every_change(path: Path) -> None:
    path.write_text("""
models:
  - {name: a, provider: openai, capabilities: [vision], cost_per_1m_output_tokens: 1}
  - {name: b, provider: openai, cost_per_1m_output_tokens: 1}
pools:
  chosen: {models: [a, b]}
  eyes: {needs: [vision], max_cost_per_1m_output_tokens: 2}
""")
    registry = ModelRegistry.load(path)
    assert (registry.pools_of("a"), registry.pools_of("b")) == (["chosen", "eyes"], ["chosen"])
    registry.register_model(make_spec("c", capabilities=["vision"], cost_per_1m_output_tokens=1))
    registry.register_model(make_spec("dear", capabilities=["vision"], cost_per_1m_output_tokens=9))
    registry.unregister_model("a")
    decision = Router(registry, "cheapest").decide(Request(model="eyes", input_tokens=1))
    assert decision.plan == ("openai:c",)
    assert registry.pools_of("dear") == []


def test_r5_look_ups_agree_with_a_scan() -> None:
    registry = ModelRegistry.builtin()
    everything = list(registry)
    for capability in registry.list_capabilities():
        scanned = [
            spec for spec in everything if not capability.startswith("feature:") and spec.has_capability(capability)
        ]
        assert registry.get_models_by_capability(capability) == scanned
    for provider in registry.list_providers():
        assert registry.list_models(provider=provider) == [spec for spec in everything if spec.provider == provider]
    wanted = ["tools", "vision", "streaming"]
    both = [spec for spec in everything if all(spec.has_capability(each) for each in wanted)]
    assert registry.get_models_by_capabilities(wanted) == both != []
    for family in {spec.family for spec in everything if spec.family}:
        assert registry.get_family_models(family) == [spec for spec in everything if spec.family == family]


def test_r6_catalogues_are_built_in_and_litellms_map_is_read_without_litellm() -> None:
    registry = ModelRegistry.builtin("azure", "bedrock", "gemini")
    assert registry.get_model("gemini-1.5-pro").context_window == 2_097_152
    assert {spec.name for spec in registry.get_family_models("bedrock_claude_3")} >= {"claude-3-opus", "claude-3-haiku"}
    local = ModelRegistry()
    local.load_default_models()
    assert {"llama3.1:8b", "llama3.2:3b", "llava-llama3:latest"} <= {spec.name for spec in local}
    code = (
        "import sys; from pointsman.catalog.litellm_map import read_litellm_map as read; "
        "print(len(read(capabilities=['generation.text']).models), 'litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    models, imported = done.stdout.split()
    assert int(models) > 2000
    assert imported == "False"


def test_r7_a_status_has_a_reason_and_maintenance_has_hours() -> None:
    window = {"start": "2026-01-01T10:00", "end": "2026-01-01T12:00", "reason": "upgrade"}
    registry = ModelRegistry([make_spec("a", maintenance=[window]), make_spec("b")])
    router = Router(registry, "cheapest", clock=clock_at("2026-01-01T11:00"))
    changed = registry.update_model_status("b", "disabled", reason="too dear")
    assert (changed.status, changed.status_reason) == ("disabled", "too dear")
    assert changed.status_since is not None
    with pytest.raises(NoEligibleModelsError) as caught:
        router.decide("hello")
    reasons = {key: why.reason for key, why in caught.value.excluded.items()}
    assert reasons["openai:b"] == "its status is disabled: too dear"
    assert "until 2026-01-01 12:00 UTC: upgrade" in reasons["openai:a"]
    assert Router(registry, "cheapest", clock=clock_at("2026-01-01T12:00")).decide("hello").model == "openai:a"


def test_r8_what_is_deprecated_stays_behind_ends_at_its_sunset_and_migrates() -> None:
    old = make_spec("old", deprecation_date="2025-06-01", sunset_date="2025-12-01", replacement="new")
    registry = ModelRegistry([old, make_spec("new")])

    def plan(moment: str) -> list[str]:
        return [spec.name for spec in Router(registry, "cheapest", clock=clock_at(moment)).decide("hi").specs]

    assert set(plan("2025-05-01")) == {"old", "new"}
    assert plan("2025-06-01") == ["new", "old"]
    assert plan("2025-12-01") == ["new"]
    assert registry.migrate("old", as_of=date(2025, 5, 31)) == "old"
    assert registry.migrate("old", as_of=date(2025, 6, 1)) == "new"
    assert ModelRegistry.builtin("legacy").migrate("gpt-3.5-turbo-16k") == "gpt-3.5-turbo"


def test_r9_a_file_is_reloaded_while_it_serves_and_a_broken_one_is_not(path: Path) -> None:
    text = "models:\n  - {name: a, provider: openai, context_window: 1000}\n"
    path.write_text(text)
    router = Router.from_config(path)
    watch = FileWatch(router.registry)
    path.write_text(text.replace("1000", "2000"))
    assert watch.poll()
    assert router.decide("hello").spec.context_window == 2000
    path.write_text("models: [{name: a}]\n")
    assert not watch.poll()
    assert router.decide("hello").spec.context_window == 2000
    path.with_suffix(".json").write_text('{"models": [{"name": "j", "provider": "openai"}]}')
    assert "j" in ModelRegistry.load(path.with_suffix(".json"))


def test_r10_what_changed_outlives_a_restart_and_can_be_undone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    first = Router(ModelRegistry(), "cheapest", store=url)
    first.registry.register_model(make_spec("kept", context_window=1000))
    version = first.registry.version
    first.registry.register_model(make_spec("kept", context_window=2000), replace=True)
    first.registry.register_model(make_spec("more"))
    first.close()
    again = Router(ModelRegistry(), "cheapest", store=url).registry
    assert {spec.name for spec in again} == {"kept", "more"}
    difference = again.diff(version)
    assert [spec.name for spec in difference.removed] == ["more"]
    assert "context_window: 2000 -> 1000" in str(difference)
    again.rollback(version)
    assert again.version == version
    assert [(spec.name, spec.context_window) for spec in again] == [("kept", 1000)]


def test_r11_servers_are_asked_and_nothing_is_deleted_silently() -> None:
    with serve([ServedModel("here"), ServedModel("new")], seed=1) as fleet:
        url = fleet["here"].url
        registry = ModelRegistry([make_spec("here", api_base=url), make_spec("gone", api_base=url)])
        found = discover(registry)
        assert "openai:gone" in {spec.key for spec in found.removals}
        apply(registry, found)
        assert {"here", "gone"} <= {spec.name for spec in registry}
        apply(registry, found, approve=["openai:gone"])
        assert "gone" not in registry


def test_r12_a_fine_tuned_model_inherits_what_it_does_not_say(path: Path) -> None:
    path.write_text("""
include: openai
models:
  - {name: "ft:gpt-4o:acme", provider: openai, base: "openai:gpt-4o", quality: {support: 0.95}}
""")
    registry = ModelRegistry.load(path)
    own, base = registry.get_model("openai:ft:gpt-4o:acme"), registry.get_model("openai:gpt-4o")
    assert own.quality == {"support": 0.95}
    assert own.context_window == base.context_window is not None
    assert own.capabilities == base.capabilities
    assert own.litellm_model != base.litellm_model, "an address is a model's own"


def test_r13_statistics_count_and_can_be_reset(registry: ModelRegistry) -> None:
    router = Router(registry, "ucb", seed=1)
    for _ in range(4):
        router.observe(router.decide("hello"), Outcome(seconds=0.5))
    found = router.statistics()
    assert {"total_models", "active_models", "providers", "capabilities", "provider_breakdown"} <= set(registry.stats())
    assert (found["total_models"], found["healthy_models"], found["provider_breakdown"]) == (4, 4, {"openai": 4})
    learnt = found["selection_stats"]
    assert (learnt["total_attempts"], learnt["models_tracked"]) == (4, 4)
    assert all(row["success_rate"] == 1 for row in learnt["model_performance"].values())
    router.reset_statistics()
    assert router.statistics()["selection_stats"]["total_attempts"] == 0


def test_r14_threads_route_while_others_register_and_remove(registry: ModelRegistry) -> None:
    router = Router(registry, "cheapest", seed=1)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(40):
                key = registry.register_model(make_spec(f"m{number}-{turn}", cost_per_1m_input_tokens=9)).key
                decision = router.decide("hello")
                router.observe(decision, Outcome(seconds=0.1))
                assert set(decision.plan) <= {*decision.eligible}
                assert registry.unregister_model(key).key == key
        except BaseException as error:  # noqa: BLE001  whatever it is, the test fails with it
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {spec.name for spec in registry} == {"cheap", "good", "fast", "plain"}


def test_p1_a_caller_gets_names_and_values_as_its_provider_spells_them() -> None:
    registry = ModelRegistry(
        [
            ModelSpec(name="claude-x", provider="anthropic", capabilities=["generation.text", "tools"]),
            ModelSpec(name="gemini-x", provider="gemini", capabilities=["generation.text", "tools"]),
            ModelSpec(name="o9-x", provider="openai", capabilities=["generation.text", "tools"]),
        ]
    )
    router = Router(registry, "cheapest", seed=1, clock=FakeClock())
    request = Request(messages="hi", max_output_tokens=50, parameters={"stop": "END"}, tools=[TOOL])
    sent: dict[str, dict[str, Any]] = {}

    def call(attempt: Any) -> str:
        sent[attempt.spec.name] = attempt.parameters
        raise ConnectionRefusedError

    with pytest.raises(ExceptionGroup):
        router.run(request, call)
    schema = TOOL["function"]["parameters"]  # type: ignore[index]
    assert sent["claude-x"] == {
        "max_tokens": 50,
        "stop_sequences": ["END"],
        "tools": [{"name": "weather", "input_schema": schema}],
    }
    assert sent["gemini-x"] == {
        "max_output_tokens": 50,
        "stop_sequences": ["END"],
        "tools": [{"function_declarations": [{"name": "weather", "parameters": schema}]}],
    }
    assert sent["o9-x"] == {"max_completion_tokens": 50, "stop": "END", "tools": [TOOL]}
    decision = router.decide(request)
    assert decision.parameters_for(registry.get_model("claude-x"), "openai") == {"max_tokens": 50, "stop": "END"}


def test_p2_every_issue_is_reported_at_once_or_raised_typed() -> None:
    registry = ModelRegistry.builtin("legacy")
    (issue,) = registry.validate_parameters("gpt-3.5-turbo", {"max_tokens": 20_000})
    assert (issue.parameter, issue.value, issue.limit) == ("max_tokens", 20_000, 4096)
    wrong = {"max_tokens": 20_000, "temperature": 9, "stop": [1]}
    issues = registry.validate_parameters("gpt-3.5-turbo", wrong, input_tokens=17_000)
    assert [each.parameter for each in issues] == ["max_tokens", "temperature", "stop", "input_tokens"]
    assert all(each.hint for each in issues)
    registry.register_model(make_spec("strict", unsupported_parameters=["temperature"]))
    with pytest.raises(InvalidParametersError, match="temperature"):
        registry.map_parameters("strict", {"temperature": 1})
    with pytest.raises(ModelNotFoundError):
        registry.validate_parameters("gpt-99", {})


def test_p3_defaults_requirements_and_converters(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_REGION", "AWS_REGION_NAME", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    registry = ModelRegistry(
        [
            make_spec("odd", default_parameters={"temperature": 0.1}, converter="wrap"),
            ModelSpec(name="far", provider="bedrock", api_requirements={"requires_region": True}),
        ]
    )
    router = Router(registry, "cheapest")
    with pytest.raises(NoEligibleModelsError) as caught:
        router.decide("hi")
    assert "needs a region" in caught.value.excluded["bedrock:far"].reason
    assert "'wrap' is not attached" in caught.value.excluded["openai:odd"].reason
    registry.attach_converter("wrap", lambda parameters, spec: {spec.name: parameters})
    assert registry.get_model_defaults("odd") == {"temperature": 0.1}
    decision = router.decide("hi")
    assert decision.parameters == {"openai:odd": {"odd": {"temperature": 0.1}}}


def test_p4_a_call_has_a_price_before_and_after_and_unknown_is_said() -> None:
    priced = make_spec("priced", cost_per_1m_input_tokens=1, cost_per_1m_output_tokens=10, max_output_tokens=1000)
    registry = ModelRegistry([priced, make_spec("unpriced")])
    cost = registry.request_cost("priced", input_tokens=1000, output_tokens=500)
    assert (cost.input, cost.output, cost.total) == (0.001, 0.005, 0.006)
    unknown = registry.request_cost("unpriced", input_tokens=1000, output_tokens=500)
    assert (unknown.total, unknown.unknown) == (None, ("input price", "output price"))
    router = Router(registry, "cheapest")
    with pytest.raises(NoEligibleModelsError) as caught:
        router.decide(Request(model="priced", input_tokens=1000, max_output_tokens=500, max_cost=0.005))
    assert caught.value.excluded["openai:priced"].reason == "could cost $0.006000, more than $0.005000"
    decision = router.decide(Request(model="priced", input_tokens=1000, max_output_tokens=500))
    router.observe(decision, Outcome(input_tokens=1000, output_tokens=100, seconds=1))
    (row,) = (row for _, row in router.ledger.rows("ledger.attempts"))
    assert row["cost"] == pytest.approx(0.002)


def test_p5_token_limits_hold_for_the_first_choice_and_for_each_fallback(registry: ModelRegistry) -> None:
    router = Router(registry, "cheapest", clock=FakeClock())
    called: list[str] = []

    def call(attempt: Any) -> str:
        called.append(attempt.spec.name)
        raise ConnectionRefusedError

    with pytest.raises(ExceptionGroup):
        router.run(Request(input_tokens=20_000, max_output_tokens=6_000), call)
    assert set(called) == {"good", "fast"}, "never `cheap` or `plain`, whose limits are smaller"
    called.clear()
    with pytest.raises(PromptTooLongError) as caught:
        router.run(Request(input_tokens=500_000), call)
    assert (caught.value.tokens, caught.value.largest) == (500_000, 128_000)
    assert called == []
