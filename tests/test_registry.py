"""The registry: registering, looking up, inheriting, pools, files; and that indexes agree with a scan."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_spec

from pointsman import (
    AmbiguousModelError,
    CatalogError,
    DuplicateModelError,
    InvalidModelError,
    ModelNotFoundError,
    ModelRegistry,
    ModelSpec,
    Request,
    Router,
)


def test_a_model_is_found_by_key_name_and_alias(registry: ModelRegistry) -> None:
    registry.register_model(make_spec("claude-3-5-sonnet", provider="anthropic", aliases=["claude-3.5-sonnet"]))
    for name in ("claude-3-5-sonnet", "anthropic:claude-3-5-sonnet", "claude-3.5-sonnet"):
        assert registry.get_model(name).provider == "anthropic"
        assert name in registry
    assert registry.find_model("gpt-9") is None


def test_an_unknown_name_names_the_nearest(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match="cheap") as caught:
        registry.get_model("chaep")
    assert caught.value.code == "E4001"
    assert not caught.value.retryable


def test_registering_twice_is_an_error_unless_asked_for(registry: ModelRegistry) -> None:
    with pytest.raises(DuplicateModelError):
        registry.register_model(make_spec("cheap"))
    assert registry.register_model(make_spec("cheap", context_window=5), replace=True).context_window == 5
    assert len(registry) == 4


def test_a_bare_name_of_several_providers_is_ambiguous_until_one_is_the_users_own(tmp_path: Path) -> None:
    registry = ModelRegistry.builtin("openai", "azure")
    with pytest.raises(AmbiguousModelError, match="azure:gpt-4o, openai:gpt-4o"):
        registry.get_model("gpt-4o")
    assert registry.get_model("gpt-4o", provider="azure").key == "azure:gpt-4o"
    registry.register_model(make_spec("gpt-4o", provider="custom"))
    assert registry.get_model("gpt-4o").key == "custom:gpt-4o"


def test_a_capability_finds_the_node_and_everything_below_it(registry: ModelRegistry) -> None:
    assert len(registry.get_models_by_capability("generation.text")) == 4
    assert [spec.name for spec in registry.get_models_by_capability("json")] == ["good", "fast"]
    assert [spec.name for spec in registry.get_models_by_capabilities(["supports_vision", "tool_use"])] == ["good"]
    assert registry.get_models_by_capability("teleportation") == []


def test_removing_and_changing_is_seen_by_every_index(registry: ModelRegistry) -> None:
    events: list[tuple[str, str | None]] = []
    stop = registry.subscribe(lambda event: events.append((event.kind, event.key)))
    before = registry.version
    registry.update_model_status("good", "maintenance", reason="upgrade")
    assert registry.get_model("good").status_reason == "upgrade"
    registry.unregister_model("fast")
    stop()
    registry.unregister_model("plain")
    assert events == [("changed", "openai:good"), ("removed", "openai:fast")]
    assert [spec.name for spec in registry.list_models(status="active")] == ["cheap"]
    assert registry.version != before
    with pytest.raises(ModelNotFoundError):
        registry.unregister_model("fast")


def test_the_version_is_a_hash_of_the_content_not_of_its_history(registry: ModelRegistry) -> None:
    before = registry.version
    removed = registry.unregister_model("fast")
    assert registry.version != before
    registry.register_model(removed)
    assert registry.version == before


def test_a_snapshot_never_changes_once_taken(registry: ModelRegistry) -> None:
    taken = registry.snapshot
    registry.unregister_model("cheap")
    assert taken.bits.keys() == {"openai:cheap", "openai:good", "openai:fast", "openai:plain"}
    assert "openai:cheap" not in registry.snapshot.bits


def test_a_model_inherits_abilities_and_prices_but_not_identity_and_keys(registry: ModelRegistry) -> None:
    tuned = registry.register_model(make_spec("tuned", base="good", api_key="env:TUNED", max_output_tokens=99))
    assert (tuned.context_window, tuned.max_output_tokens, tuned.cost_per_1m_input_tokens) == (128_000, 99, 5)
    assert (tuned.name, tuned.api_key, tuned.has_capability("vision")) == ("tuned", "env:TUNED", True)
    with pytest.raises(InvalidModelError, match="did you mean 'good'"):
        registry.register_model(make_spec("other", base="goood"))


CONFIG = """
include: [ollama]
models:
  - {name: house, provider: openai, base: small, api_base: "http://127.0.0.1:1/v1"}
  - {name: small, provider: openai, context_window: 8000, cost_per_1m_input_tokens: 0.1, tags: [eu]}
pools:
  auto: {}
  house: {models: [house, small]}
  eu: {tags: [eu]}
"""


def test_a_file_brings_models_bases_pools_and_builtin_catalogues(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(CONFIG)
    registry = ModelRegistry.load(path)
    assert registry.get_model("house").context_window == 8000
    assert "llama3.1:8b" in registry
    assert registry.pools_of("small") == ["auto", "eu", "house"]
    registry.register_model(make_spec("new", tags=["eu"]))
    assert registry.pools_of("new") == ["auto", "eu"], "membership follows every change"


def test_r3_a_file_may_bring_words_and_nodes_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(
        "capabilities: {contract_review: legal.contracts, legal.patents: {}}\n"
        "models:\n  - {name: lawyer, provider: openai, capabilities: [contract_review]}\n"
        "  - {name: clerk, provider: openai, capabilities: [legal.patents]}\n"
        "pools: {reviewers: {needs: [contract_review]}}\n"
    )
    registry = ModelRegistry.load(path)
    assert [spec.name for spec in registry.get_models_by_capability("legal")] == ["lawyer", "clerk"]
    assert [spec.name for spec in registry.get_models_by_capability("contract_review")] == ["lawyer"]
    assert registry.pools_of("lawyer") == ["reviewers"]
    assert Router(registry, "cheapest").decide(Request(needs={"contract_review"})).eligible == ("openai:lawyer",)


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("capabilities: {x: a b}", "no capability", 1),
        ("modles: []", "did you mean 'models'", 1),
        ("models: {}", "expected a list", 1),
        (
            "models:\n  - {name: a, provider: openai}\n  - {name: a, provider: openai}",
            "declared twice, first in line 2",
            3,
        ),
        ("models:\n  - name: a\n    provider: openai\n    contxt: 1", "no field", 4),
        ("models:\n  - name: a", "'provider' is missing", 2),
        ("models:\n  - name: a\n    provider: openai\n    context_window: many", "found 'many'", 4),
        ("include: [opnai]", "no built-in catalogue 'opnai'", 1),
        ("pools:\n  x:\n    neds: [vision]", "did you mean 'needs'", 3),
        ("pools:\n  x: {models: [ghost]}", "lists 'ghost', which is not registered", None),
        ("- a list", "expected sections", 1),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, says: str, line: int | None) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=says) as caught:
        ModelRegistry.load(path)
    assert caught.value.path == str(path)
    if line is not None:
        assert caught.value.line == line


def test_prices_say_what_is_unknown(registry: ModelRegistry) -> None:
    cost = registry.request_cost("good", input_tokens=1000, output_tokens=500)
    assert cost.total == pytest.approx(0.015)
    registry.register_model(make_spec("mystery", cost_per_1m_input_tokens=1))
    unknown = registry.request_cost("mystery", 1000, 500)
    assert unknown.total is None
    assert unknown.unknown == ("output price",)
    assert unknown.input == pytest.approx(0.001)


NAMES = st.sampled_from([f"m{number}" for number in range(6)])
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop"]),
        NAMES,
        st.sets(st.sampled_from(["vision", "tools", "json.schema"])),
        st.sampled_from([None, 1000, 2000]),
    ),
    max_size=25,
)


@given(CHANGES)
@settings(max_examples=80, deadline=None)
def test_indexes_agree_with_a_scan_after_any_changes(changes: list[tuple[str, str, set[str], int | None]]) -> None:
    registry, plain = ModelRegistry(), dict[str, ModelSpec]()
    for kind, name, capabilities, window in changes:
        if kind == "put":
            spec = make_spec(name, capabilities=sorted(capabilities), context_window=window)
            plain[name] = registry.register_model(spec, replace=True)
        elif name in plain:
            registry.unregister_model(name)
            del plain[name]
    assert {spec.name for spec in registry} == set(plain)
    for capability in ("vision", "tools", "json", "json.schema"):
        scanned = {name for name, spec in plain.items() if spec.has_capability(capability)}
        assert {spec.name for spec in registry.get_models_by_capability(capability)} == scanned
    snapshot = registry.snapshot
    wide = snapshot.arms(snapshot.bound("context_window").at_least(1500))
    assert {spec.name for spec in wide} == {name for name, spec in plain.items() if (spec.context_window or 0) >= 1500}
    assert registry.version == ModelRegistry(plain.values()).version
