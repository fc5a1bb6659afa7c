"""The model map inside LiteLLM's wheel: what becomes of its entries, and that LiteLLM stays unimported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from datetime import date
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import ModelRegistry, ModelSpec
from pointsman.catalog.difference import compare
from pointsman.catalog.export import SCHEMA_LINE, catalogue_text
from pointsman.catalog.families import family_of
from pointsman.catalog.files import parse_catalogue
from pointsman.catalog.litellm_map import LiteLLMMap, read_entries, read_litellm_map
from pointsman.catalog.loader import load_text
from pointsman.errors import CatalogError


@pytest.fixture(scope="module")
def whole() -> LiteLLMMap:
    return read_litellm_map()


@pytest.fixture(scope="module")
def by_key(whole: LiteLLMMap) -> dict[str, ModelSpec]:
    return {spec.key: spec for spec in whole.models}


def one(key: str, **entry: Any) -> ModelSpec:
    (spec,) = read_entries({key: {"mode": "chat", "litellm_provider": "openai", **entry}}, "1.2.3").models
    return spec


def why_not(key: str, **entry: Any) -> str:
    found = read_entries({key: {"mode": "chat", "litellm_provider": "openai", **entry}}, "1.2.3")
    assert not found.models
    (reason,) = found.skipped
    assert found.skipped[reason] == (key,)
    return reason


def test_over_two_thousand_chat_models_come_without_importing_litellm() -> None:
    code = (
        "import sys; from pointsman.catalog.litellm_map import read_litellm_map; found = read_litellm_map().models; "
        "print(sum(spec.has_capability('generation.text.chat') for spec in found), 'litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    chat, imported = done.stdout.split()
    assert int(chat) > 2_000
    assert imported == "False"


def test_every_entry_becomes_a_model_of_its_own_or_is_skipped_with_a_reason(whole: LiteLLMMap) -> None:
    keys = [spec.key for spec in whole.models]
    assert len(set(keys)) == len(keys)
    assert whole.version == version("litellm")
    entries = {entry for keys in whole.skipped.values() for entry in keys}
    entries |= {str(spec.source).partition(", entry ")[2] for spec in whole.models}
    assert len(entries) == len(whole.models) + sum(map(len, whole.skipped.values())), "each is counted once"
    assert "sample_spec" in whole.skipped["documentation or rules"]
    assert not [reason for reason in whole.skipped if reason.startswith("not valid")]


def test_it_agrees_with_the_built_in_catalogues_where_both_name_a_model(by_key: dict[str, ModelSpec]) -> None:
    limits = ("context_window", "max_input_tokens", "max_output_tokens")
    prices = ("cost_per_1m_input_tokens", "cost_per_1m_output_tokens", "cached_cost_per_1m_input_tokens")
    more = ("batch_cost_per_1m_input_tokens", "long_context_threshold", "long_context_cost_per_1m_output_tokens")
    common = [(spec, by_key[spec.key]) for spec in ModelRegistry.builtin() if spec.key in by_key]
    assert len(common) > 60
    differ = {
        (ours.key, name)
        for ours, theirs in common
        for name in ("family", *limits, *prices, *more)
        if getattr(ours, name) != getattr(theirs, name)
    }
    assert differ == {
        # the built-in one is deployed as gpt-35-turbo, and what Google gives away is free by its own word
        ("azure:gpt-3.5-turbo", "context_window"),
        ("gemini:gemma-4-31b-it", "cost_per_1m_input_tokens"),
        ("gemini:gemma-4-31b-it", "cost_per_1m_output_tokens"),
    }


def test_every_built_in_models_family_follows_from_its_name() -> None:
    specs = [*ModelRegistry.builtin(), *ModelRegistry.builtin("legacy")]
    assert [spec.key for spec in specs if family_of(spec.provider, spec.name) != spec.family] == []


@pytest.mark.parametrize(
    ("provider", "name", "family"),
    [
        ("openai", "gpt-5.4-mini", "gpt-5"),
        ("openai", "o4-mini-deep-research", "o-series"),
        ("azure", "eu/gpt-4.1-mini", "azure_gpt_4_1_mini"),
        ("bedrock", "us.anthropic.claude-3-7-sonnet-20250219-v1:0", "bedrock_claude_37"),
        ("vertex_ai", "claude-opus-4@20250514", "claude-4"),
        ("fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-3"),
        ("together_ai", "Qwen/Qwen2.5-72B-Instruct-Turbo", "qwen-2.5"),
        ("together_ai", "togethercomputer/CodeLlama-34b", None),
        ("mistral", "codestral-latest", None),
        ("openai", "whisper-1", None),
    ],
)
def test_a_family_is_named_only_where_the_name_is_clear(provider: str, name: str, family: str | None) -> None:
    assert family_of(provider, name) == family


def test_prices_per_token_become_prices_per_million() -> None:
    spec = one(
        "gpt-x",
        input_cost_per_token=1.5e-07,
        output_cost_per_token=6e-07,
        cache_read_input_token_cost=7.5e-08,
        input_cost_per_token_batches=7.5e-08,
        output_cost_per_token_batches=3e-07,
        input_cost_per_token_above_200k_tokens=3e-07,
        output_cost_per_token_above_200k_tokens=9e-07,
    )
    assert spec.cost_per_1m_input_tokens == 0.15
    assert spec.cost_per_1m_output_tokens == 0.6
    assert spec.cached_cost_per_1m_input_tokens == 0.075
    assert (spec.batch_cost_per_1m_input_tokens, spec.batch_cost_per_1m_output_tokens) == (0.075, 0.3)
    assert spec.long_context_threshold == 200_000
    assert (spec.long_context_cost_per_1m_input_tokens, spec.long_context_cost_per_1m_output_tokens) == (0.3, 0.9)
    assert spec.batch


def test_two_tiers_are_a_long_context_price_and_more_are_unknown() -> None:
    tiers = [
        {"input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07, "range": [0, 256000.0]},
        {"input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06, "range": [256000.0, 1e6]},
    ]
    two = one("qwen", tiered_pricing=tiers)
    assert (two.cost_per_1m_input_tokens, two.long_context_threshold) == (0.05, 256_000)
    assert two.long_context_cost_per_1m_output_tokens == 2.0
    three = one("qwen", tiered_pricing=[*tiers, tiers[1]])
    assert three.cost_per_1m_input_tokens is three.long_context_threshold is None


def test_a_zero_is_a_price_only_where_calls_are_free() -> None:
    free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
    assert one("hosted", **free).cost_per_1m_input_tokens is None
    assert one("ollama/llama3", litellm_provider="ollama", **free).cost_per_1m_input_tokens == 0
    assert one("ollama/big:1t-cloud", litellm_provider="ollama", **free).cost_per_1m_input_tokens is None
    embedding = one("embed", mode="embedding", input_cost_per_token=2e-08, output_cost_per_token=0.0)
    assert embedding.cost_per_1m_output_tokens == 0, "there is no output to pay for"


@pytest.mark.parametrize(
    ("reads", "writes", "expected"),
    [
        (128_000, 16_384, (128_000, None, 16_384)),
        (272_000, 128_000, (400_000, 272_000, 128_000)),
        (8_000, 32_000, (None, 8_000, 32_000)),
        (0, 0, (None, None, None)),
        (None, None, (None, None, None)),
        (131_072, None, (131_072, None, None)),
    ],
)
def test_limits_are_read_as_the_map_means_them(
    reads: int | None, writes: int | None, expected: tuple[int | None, ...]
) -> None:
    mode = "moderation" if reads == 0 else "chat"
    spec = one("m", mode=mode, max_input_tokens=reads, max_output_tokens=writes)
    assert (spec.context_window, spec.max_input_tokens, spec.max_output_tokens) == expected


def test_flags_become_capabilities_and_an_absent_or_false_one_none() -> None:
    spec = one(
        "m",
        supports_function_calling=True,
        supports_parallel_function_calling=True,
        supports_response_schema=True,
        supports_native_structured_output=True,
        supports_vision=False,
        supports_pdf_input=True,
        supports_tool_choice=True,
        supports_system_messages=False,
        supports_sampling_params=False,
    )
    assert spec.capabilities == ("generation.text.chat", "pdf", "tools", "tools.parallel", "json.schema")
    assert spec.features == {"tool_choice": True, "system_messages": False}
    assert spec.unsupported_parameters == ("temperature", "top_p", "top_k")
    assert one("m").model_fields_set == {"name", "provider", "capabilities", "litellm_model", "source"}


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("chat", "generation.text.chat"),
        ("responses", "generation.text.chat"),
        ("completion", "generation.text.completion"),
        ("embedding", "embedding.text"),
        ("rerank", "rerank"),
        ("moderation", "moderation"),
        ("image_generation", "generation.image"),
        ("audio_transcription", "transcription"),
        ("audio_speech", "generation.audio"),
        ("video_generation", "generation.video"),
    ],
)
def test_a_mode_is_a_kind(mode: str, kind: str) -> None:
    assert one("m", mode=mode).capabilities == (kind,)


@pytest.mark.parametrize(
    ("key", "theirs", "ours", "called"),
    [
        ("gpt-4o", "openai", "openai:gpt-4o", "openai/gpt-4o"),
        ("azure/eu/gpt-4o", "azure", "azure:eu/gpt-4o", "azure/eu/gpt-4o"),
        (
            "us.amazon.nova-pro-v1:0",
            "bedrock_converse",
            "bedrock:us.amazon.nova-pro-v1:0",
            "bedrock/us.amazon.nova-pro-v1:0",
        ),
        ("vertex_ai/claude-opus-5", "vertex_ai-anthropic_models", "vertex_ai:claude-opus-5", "vertex_ai/claude-opus-5"),
        ("gemini-2.5-pro", "vertex_ai-language-models", "vertex_ai:gemini-2.5-pro", "vertex_ai/gemini-2.5-pro"),
        ("gemini/gemini-2.5-pro", "gemini", "gemini:gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("command-a", "cohere_chat", "cohere:command-a", "cohere_chat/command-a"),
        ("fireworks_ai/accounts/x", "fireworks_ai", "fireworks:accounts/x", "fireworks_ai/accounts/x"),
        ("amazon-nova/nova-pro-v1", "amazon_nova", "amazon_nova:nova-pro-v1", "amazon_nova/nova-pro-v1"),
        ("perplexity/perplexity/sonar", "perplexity", "perplexity:perplexity/sonar", "perplexity/perplexity/sonar"),
        ("ollama/llama3:8b", "ollama", "ollama:llama3:8b", "ollama_chat/llama3:8b"),
    ],
)
def test_a_key_is_split_into_our_provider_a_name_and_what_litellm_calls_it(
    key: str, theirs: str, ours: str, called: str
) -> None:
    spec = one(key, litellm_provider=theirs)
    assert (spec.key, spec.litellm_model) == (ours, called)


def test_litellm_knows_the_models_by_these_names(by_key: dict[str, ModelSpec]) -> None:
    import litellm

    names = ("openai", "azure", "bedrock", "anthropic", "gemini", "vertex_ai", "mistral", "groq", "xai", "deepseek")
    some = [spec for spec in by_key.values() if spec.provider in names][::40]
    assert len(some) > 20
    wrong = [spec.key for spec in some if litellm.get_llm_provider(str(spec.litellm_model))[1] != spec.provider]
    assert wrong == []


@pytest.mark.parametrize(
    ("key", "entry", "reason"),
    [
        ("sample_spec", {}, "documentation"),
        ("rules", {"litellm_provider": None}, "documentation"),
        ("high/1024-x-1024/gpt-image-1", {"mode": "image_generation"}, "a price"),
        ("together-ai-4.1b-8b", {}, "a price"),
        ("ft:gpt-4o", {}, "a price"),
        ("bedrock/us-east-1/1-month-commitment/anthropic.claude-v1", {}, "a price"),
        ("openai/container", {}, "a price"),
        ("m", {"mode": None}, "no mode"),
        ("gpt-realtime", {"mode": "realtime"}, "mode realtime"),
        ("x/embed", {"max_input_tokens": 0}, "reads nothing"),
        ("m", {"deprecation_date": "soon"}, "not valid: deprecation_date"),
        ("m", {"litellm_provider": "no such thing!"}, "not valid: provider"),
        ("n" * 300, {}, "not valid: name"),
    ],
)
def test_what_is_no_model_is_skipped_with_the_reason(key: str, entry: dict[str, Any], reason: str) -> None:
    assert reason in why_not(key, **entry)


def test_the_second_of_two_entries_for_one_model_is_skipped() -> None:
    entry = {"mode": "chat", "litellm_provider": "deepseek"}
    found = read_entries({"deepseek-chat": entry, "deepseek/deepseek-chat": entry}, "1")
    assert [spec.key for spec in found.models] == ["deepseek:deepseek-chat"]
    assert found.skipped == {"the same model under another key": ("deepseek/deepseek-chat",)}


def test_dates_and_places_and_the_source_are_kept(by_key: dict[str, ModelSpec]) -> None:
    spec = one("bedrock/eu-west-1/x", litellm_provider="bedrock", deprecation_date="2027-01-31")
    assert (spec.deprecation_date, spec.sunset_date, spec.region) == (date(2027, 1, 31), date(2027, 1, 31), "eu-west-1")
    assert by_key["azure:eu/gpt-4o"].regions == ("eu",)
    assert re.fullmatch(r"litellm \S+ model map, entry azure/eu/gpt-4o", str(by_key["azure:eu/gpt-4o"].source))
    assert all(spec.replacement is None and not spec.quality for spec in by_key.values()), "the map says neither"


def test_providers_and_capabilities_narrow_it() -> None:
    found = read_litellm_map(providers=["bedrock"], capabilities=["embedding"])
    assert found.models
    assert {spec.provider for spec in found.models} == {"bedrock"}
    assert all(spec.has_capability("embedding") for spec in found.models)
    assert read_litellm_map(providers=["bedrock_converse"]).models, "LiteLLM's own name will do"


# -- written down


def test_a_written_catalogue_is_read_back_as_the_same_models(whole: LiteLLMMap) -> None:
    some = whole.models[::7]
    text = catalogue_text(some, note="two\nlines")
    assert text.startswith(f"{SCHEMA_LINE}\n# two\n# lines\nmodels:\n")
    again = parse_catalogue(load_text(text)).models
    assert not compare(some, again)
    assert [spec.model_fields_set for spec in again] == [spec.model_fields_set for spec in some]


def test_nothing_written_is_nothing_read() -> None:
    assert parse_catalogue(load_text(catalogue_text([]))).models == ()


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)


names = words.filter(lambda word: all(unicodedata.category(each) != "Cc" for each in word))


@given(
    names,
    words,
    st.dictionaries(words.filter(lambda word: word != "<<"), st.none() | st.integers() | words, max_size=3),
)
def test_any_text_survives_being_written(name: str, source: str, constraints: dict[str, Any]) -> None:
    spec = ModelSpec(name=name, provider="openai", source=source, constraints=constraints)
    (again,) = parse_catalogue(load_text(catalogue_text([spec]))).models
    assert again == spec


def test_a_broken_map_is_a_catalogue_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    # A distribution of its own, found before the installed one, as a damaged installation would be.
    info = tmp_path / "litellm-9.9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: litellm\nVersion: 9.9.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CatalogError, match=r"9\.9\.9 holds no readable model map"):
        read_litellm_map()
    (tmp_path / "litellm").mkdir()
    file = tmp_path / "litellm" / "model_prices_and_context_window_backup.json"
    file.write_text("[]")
    with pytest.raises(CatalogError, match="no mapping"):
        read_litellm_map()
    file.write_text(json.dumps({"gpt-x": {"mode": "chat", "litellm_provider": "openai"}}))
    assert [spec.source for spec in read_litellm_map().models] == ["litellm 9.9.9 model map, entry gpt-x"]
