"""The built-in catalogues: complete, dated, consistent, and equal to the source that they name."""

from __future__ import annotations

import json
import re
from datetime import date
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.catalog.capabilities import TREE, expand
from pointsman.catalog.files import builtin_names, read_builtin
from pointsman.catalog.spec import ModelSpec
from pointsman.registry.models import ModelRegistry

DATA = Path(str(resources.files("pointsman.catalog") / "data"))
NAMES = ("anthropic", "azure", "bedrock", "gemini", "huggingface", "legacy", "ollama", "openai")
CURRENT = tuple(name for name in NAMES if name != "legacy")
WRITTEN = date(2026, 11, 21)

# The families a user of Azure, Bedrock and Gemini knows, with the models that must be found in each.
FAMILIES = {
    "azure_gpt_4o": {"azure:gpt-4o", "azure:gpt-4o-mini"},
    "azure_gpt_4": {"azure:gpt-4-turbo", "azure:gpt-4"},
    "azure_gpt_4_1": {"azure:gpt-4.1"},
    "azure_gpt_4_1_mini": {"azure:gpt-4.1-mini"},
    "azure_gpt_35": {"azure:gpt-3.5-turbo", "azure:gpt-3.5-turbo-16k"},
    "bedrock_claude_35": {"bedrock:claude-3.5-sonnet"},
    "bedrock_claude_3": {"bedrock:claude-3-opus", "bedrock:claude-3-sonnet", "bedrock:claude-3-haiku"},
    "gemini_1_5": {"gemini:gemini-1.5-pro", "gemini:gemini-1.5-flash"},
    "gemini_pro": {"gemini:gemini-pro", "gemini:gemini-pro-vision"},
}
GONE = {
    *FAMILIES["azure_gpt_4"],
    *FAMILIES["azure_gpt_35"],
    *FAMILIES["bedrock_claude_35"],
    *FAMILIES["bedrock_claude_3"],
    *FAMILIES["gemini_1_5"],
    *FAMILIES["gemini_pro"],
}

# Window, longest answer, input and output price as the legacy catalogue states them.
LEGACY: dict[str, tuple[int | None, int | None, float | None, float | None]] = {
    "azure:gpt-4o": (128_000, 16_384, 5.0, 15.0),
    "azure:gpt-4o-mini": (None, None, None, None),
    "azure:gpt-4-turbo": (128_000, None, None, None),
    "azure:gpt-4": (8_192, None, None, None),
    "azure:gpt-4.1": (None, None, None, None),
    "azure:gpt-4.1-mini": (None, None, None, None),
    "azure:gpt-3.5-turbo": (16_384, 4_096, None, None),
    "azure:gpt-3.5-turbo-16k": (16_384, None, None, None),
    "bedrock:claude-3.5-sonnet": (200_000, 4_096, 3.0, 15.0),
    "bedrock:claude-3-opus": (200_000, None, None, None),
    "bedrock:claude-3-sonnet": (200_000, None, None, None),
    "bedrock:claude-3-haiku": (200_000, None, None, None),
    "gemini:gemini-1.5-pro": (2_097_152, 8_192, 1.25, 5.0),
    "gemini:gemini-1.5-flash": (1_048_576, None, None, None),
    "gemini:gemini-pro": (None, None, None, None),
    "gemini:gemini-pro-vision": (None, None, None, None),
}

MODEL_MAP = json.loads(
    Path(
        str(metadata.distribution("litellm").locate_file("litellm/model_prices_and_context_window_backup.json"))
    ).read_text(encoding="utf-8")
)
MAP_SOURCE = re.compile(
    r"litellm (?P<version>\S+?) model map(?:, (?P<window>window of )?entry (?P<entry>[^;\s]+))?(?:;|$)"
)

PRICES = {
    "cost_per_1m_input_tokens": "input_cost_per_token",
    "cost_per_1m_output_tokens": "output_cost_per_token",
    "cached_cost_per_1m_input_tokens": "cache_read_input_token_cost",
    "batch_cost_per_1m_input_tokens": "input_cost_per_token_batches",
    "batch_cost_per_1m_output_tokens": "output_cost_per_token_batches",
}


def specs(*names: str) -> list[ModelSpec]:
    return [spec for name in names for spec in read_builtin(name).models]


def raw(name: str) -> list[dict[str, Any]]:
    tree: dict[str, list[dict[str, Any]]] = yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))
    return tree["models"]


def is_answering(spec: ModelSpec) -> bool:
    return "generation.text" in expand(spec.capabilities)


# -- every entry


def test_the_catalogues_that_ship_are_these() -> None:
    assert set(NAMES) <= set(builtin_names())


@pytest.mark.parametrize("name", NAMES)
def test_a_catalogue_says_first_what_it_is_and_loads(name: str) -> None:
    _, first, *_ = (DATA / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert len(ModelRegistry.builtin(name)) == len(raw(name)) > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_says_who_it_is_and_where_its_facts_come_from(name: str) -> None:
    providers = {"azure", "bedrock", "gemini"} if name == "legacy" else {name}
    for spec in specs(name):
        assert spec.provider in providers, spec.key
        assert spec.family, spec.key
        assert spec.display_name, spec.key
        assert spec.source, spec.key
        assert spec.as_of is not None, spec.key
        assert spec.as_of <= WRITTEN, spec.key


@pytest.mark.parametrize("name", NAMES)
def test_entries_use_the_canonical_fields_and_capabilities(name: str) -> None:
    nodes = expand(TREE)
    for entry in raw(name):
        assert set(entry) <= set(ModelSpec.model_fields), entry["name"]
        assert set(entry["capabilities"]) <= nodes, entry["name"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_or_alias_means_two_models_of_a_catalogue(name: str) -> None:
    taken = [alias for spec in specs(name) for alias in {spec.name, *spec.aliases}]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("name", NAMES)
def test_no_catalogue_holds_a_secret(name: str) -> None:
    text = (DATA / f"{name}.yaml").read_text(encoding="utf-8")
    assert not re.search(r"\b(?:sk-|hf_|ghp_|AKIA|AIza)[A-Za-z0-9_-]{8,}", text)
    assert all(spec.api_key is None or spec.api_key.startswith("env:") for spec in specs(name))


def test_credentials_are_references_where_a_provider_takes_keys_and_absent_where_not() -> None:
    variables = {
        "anthropic": "env:ANTHROPIC_API_KEY",
        "azure": "env:AZURE_API_KEY",
        "bedrock": None,
        "gemini": "env:GEMINI_API_KEY",
        "huggingface": "env:HF_TOKEN",
        "ollama": None,
        "openai": "env:OPENAI_API_KEY",
    }
    assert {(spec.provider, spec.api_key) for spec in specs(*CURRENT)} == set(variables.items())


def test_every_current_entry_says_how_litellm_reaches_it() -> None:
    assert [spec.key for spec in specs(*CURRENT) if not spec.litellm_model] == []


def test_current_models_of_openai_anthropic_and_gemini_are_in_the_model_map() -> None:
    current = [spec for spec in specs("openai", "anthropic", "gemini") if spec.status != "disabled"]
    assert len(current) >= 30
    assert [spec.key for spec in current if map_key(spec) not in MODEL_MAP] == []


# -- lifecycle


@pytest.mark.parametrize("name", CURRENT)
def test_the_status_follows_from_the_shutdown_date(name: str) -> None:
    for spec in specs(name):
        days = None if spec.deprecation_date is None else (spec.deprecation_date - WRITTEN).days
        expected = "active" if days is None or days > 90 else "deprecated" if days > 0 else "disabled"
        assert spec.status == expected, spec.key
        assert spec.sunset_date == spec.deprecation_date, spec.key
        assert (spec.status_reason is not None) == (expected != "active"), spec.key


@pytest.mark.parametrize("name", NAMES)
def test_replacements_resolve_and_their_chains_end(name: str) -> None:
    registry = ModelRegistry.builtin(name)
    for spec in registry:
        if spec.replacement is not None:
            assert registry.find_model(spec.replacement, spec.provider), f"{spec.key} -> {spec.replacement}"
        end = registry.migrate(spec.key, as_of=date(2100, 1, 1))
        assert registry.get_model(end).replacement is None, f"{spec.key} -> {end}"


@pytest.mark.parametrize("name", CURRENT)
def test_what_is_disabled_has_a_successor(name: str) -> None:
    registry = ModelRegistry.builtin(name)
    for spec in registry.list_models(status="disabled"):
        assert registry.get_model(registry.migrate(spec.key, as_of=WRITTEN)).status != "disabled", spec.key


# -- Azure, Bedrock, Gemini


@pytest.mark.parametrize("catalogues", [("azure", "bedrock", "gemini"), ("legacy",)], ids=["current", "legacy"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_finds_its_models(family: str, catalogues: tuple[str, ...]) -> None:
    found = {spec.key for spec in ModelRegistry.builtin(*catalogues).get_family_models(family)}
    assert found >= FAMILIES[family]


def test_models_the_providers_retired_exist_and_are_not_available() -> None:
    registry = ModelRegistry.builtin("azure", "bedrock", "gemini")
    assert {key for key in GONE if registry.get_model(key).status != "disabled"} == set()
    assert not GONE & {spec.key for spec in registry.get_available_models()}
    assert registry.get_model("gemini-1.5-pro").status_reason == "retired on 2025-09-24 by the provider"


def test_both_spellings_of_claude_3_5_sonnet_are_one_model() -> None:
    for catalogue in ("bedrock", "legacy"):
        registry = ModelRegistry.builtin(catalogue)
        assert registry.get_model("claude-3-5-sonnet") is registry.get_model("claude-3.5-sonnet")


def test_requirements_of_each_api_are_stated() -> None:
    needed = {
        "azure": {"uses_deployment_name", "requires_api_version"},
        "bedrock": {"requires_region"},
        "gemini": {"requires_project_id"},
    }
    for spec in specs("azure", "bedrock", "gemini", "legacy"):
        assert needed[spec.provider] <= set(spec.api_requirements), spec.key
    for spec in specs("azure"):
        assert ("supports_response_format" in spec.api_requirements) == spec.has_capability("json"), spec.key
    registry = ModelRegistry.builtin("azure", "bedrock", "gemini")
    assert registry.get_model("claude-3-haiku").api_requirements["supports_batch_api"] is True
    assert registry.get_model("gemini-1.5-pro").api_requirements == {
        "requires_project_id": True,
        "supports_system_instruction": True,
    }
    # A key is enough for what the Gemini API serves today.
    assert registry.get_model("gemini-3.8-flash").api_requirements["requires_project_id"] is False


# -- the legacy catalogue


def test_the_legacy_catalogue_has_these_models_and_limits_and_no_others() -> None:
    found = {
        spec.key: (
            spec.context_window,
            spec.max_output_tokens,
            spec.cost_per_1m_input_tokens,
            spec.cost_per_1m_output_tokens,
        )
        for spec in specs("legacy")
    }
    assert found == LEGACY


def test_the_legacy_catalogue_reproduces_its_document() -> None:
    registry = ModelRegistry.builtin("legacy")
    assert registry.migrate("gpt-3.5-turbo-16k") == "gpt-3.5-turbo"
    assert registry.migrate("gpt-3.5-turbo-16k", as_of=date(2024, 5, 31)) == "gpt-3.5-turbo-16k"
    assert [spec.name for spec in registry if spec.status != "active"] == ["gpt-3.5-turbo-16k"]
    (issue,) = registry.validate_parameters("gpt-3.5-turbo", {"max_tokens": 20_000})
    assert "4096" in str(issue)
    (issue,) = registry.validate_parameters("gpt-4o", {"temperature": 0.7, "max_tokens": 20_000})
    assert issue.limit == 16_384
    assert registry.request_cost("gpt-4o", input_tokens=1000, output_tokens=500).total == pytest.approx(0.0125)
    assert {spec.as_of for spec in registry} == {date(2024, 6, 1)}


def test_the_legacy_catalogue_renames_parameters_as_its_document_does() -> None:
    registry = ModelRegistry.builtin("legacy")
    asked = {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "stop": ["x"]}
    for model, output, stop in (
        ("gpt-4o", "max_tokens", "stop"),
        ("claude-3-5-sonnet", "max_tokens", "stop_sequences"),
        ("gemini-1.5-pro", "max_output_tokens", "stop_sequences"),
    ):
        assert registry.map_parameters(model, asked) == {output: 100, "temperature": 0.5, "top_p": 0.9, stop: ["x"]}


# -- local development, open weights


def test_the_defaults_for_local_development() -> None:
    registry = ModelRegistry()
    registry.load_default_models()
    assert registry.get_model("llama3.1:8b").quality == {"reasoning": 0.75}
    assert registry.get_model("llama3.2:3b").quality == {"reasoning": 0.65}
    assert (
        registry.get_model("llama3.1:8b").context_window == registry.get_model("llama3.2:3b").context_window == 131_072
    )
    assert registry.get_model("llava-llama3:latest").context_window == 8_192
    defaults = {"llama3.1:8b", "llama3.2:3b", "llava-llama3:latest"}
    assert {spec.name for spec in registry.get_models_by_capability("streaming")} >= defaults
    assert [spec.name for spec in registry.get_models_by_capability("vision")] == ["llava-llama3:latest"]
    assert {spec.name for spec in registry.get_models_by_capability("json_mode")} == {"llama3.1:8b", "llama3.2:3b"}
    for spec in registry:
        assert spec.api_base == "http://localhost:11434", spec.key
        assert registry.request_cost(spec.key, 1000, 1000).total == 0, spec.key


def test_prices_behind_the_hugging_face_router_are_unknown() -> None:
    registry = ModelRegistry.builtin("huggingface")
    assert all(registry.request_cost(spec.key, 10, 10).total is None for spec in registry)


def test_embedding_models_do_not_claim_to_answer() -> None:
    embedding = [spec for spec in specs(*CURRENT) if spec.has_capability("embedding")]
    assert {spec.provider for spec in embedding} == {"azure", "bedrock", "gemini", "huggingface", "openai"}
    assert [spec.key for spec in embedding if is_answering(spec)] == []
    assert all(is_answering(spec) or spec in embedding for spec in specs(*NAMES))


# -- equal to what they cite


def map_key(spec: ModelSpec) -> str:
    """The model map's key of an entry: named in its source, else LiteLLM's name with the prefix that the map leaves out."""
    match = MAP_SOURCE.match(spec.source or "")
    if match and match["entry"]:
        return match["entry"]
    name = spec.litellm_model or spec.name
    return name if name in MODEL_MAP else name.partition("/")[2]


def cited(spec: ModelSpec, version: str) -> dict[str, Any] | None:
    """What an entry must agree with, if it cites this version of the model map."""
    match = MAP_SOURCE.match(spec.source or "")
    if match is None or match["version"] != version:
        return None
    entry: dict[str, Any] = MODEL_MAP[map_key(spec)]
    return {"max_input_tokens": entry["max_input_tokens"]} if match["window"] else entry


def per_million(price: float | None) -> float | None:
    return None if price is None else float(f"{price * 1e6:.12g}")


def disagreements(spec: ModelSpec, entry: dict[str, Any]) -> list[str]:
    """Fields of a catalogue entry that differ from the entry of the model map it cites."""
    wrong = []
    window, output = entry["max_input_tokens"], entry.get("max_output_tokens")
    if spec.max_input_tokens is None:
        wrong += ["context_window"] * (spec.context_window != window)
    else:
        wrong += ["max_input_tokens"] * (spec.max_input_tokens != window)
        wrong += ["context_window"] * (spec.context_window != window + (output or 0))
    if is_answering(spec) and output is not None:
        wrong += ["max_output_tokens"] * (spec.max_output_tokens != output)
    for field, source in PRICES.items():
        if source in entry or getattr(spec, field) is not None:
            wrong += [field] * (getattr(spec, field) != per_million(entry.get(source)))
    tier = next(
        (re.search(r"above_(\d+)k", key) for key in entry if key.startswith("input_cost_per_token_above_")), None
    )
    wrong += ["long_context_threshold"] * (spec.long_context_threshold != (int(tier[1]) * 1000 if tier else None))
    if tier:
        for side in ("input", "output"):
            price = per_million(entry[f"{side}_cost_per_token_above_{tier[1]}k_tokens"])
            wrong += [f"long context {side} price"] * (
                getattr(spec, f"long_context_cost_per_1m_{side}_tokens") != price
            )
    if "deprecation_date" in entry:
        wrong += ["deprecation_date"] * (str(spec.deprecation_date) != entry["deprecation_date"])
    return wrong


@pytest.mark.parametrize("name", CURRENT)
def test_windows_prices_and_dates_equal_the_model_map_that_is_cited(name: str) -> None:
    version = metadata.version("litellm")
    compared = {spec.key: entry for spec in specs(name) if (entry := cited(spec, version)) is not None}
    if not compared:
        pytest.skip(f"no entry cites the model map of litellm {version}, which is installed")
    found = {spec.key: disagreements(spec, compared[spec.key]) for spec in specs(name) if spec.key in compared}
    assert {key: wrong for key, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.yaml")), ids=lambda path: path.stem)
def test_editors_find_the_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve().name == "pointsman.schema.json"
