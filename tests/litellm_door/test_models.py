"""From LiteLLM's model list to models of the registry."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman import ConfigError, ModelSpec
from pointsman.litellm.models import match, spec_of, specs_for


def deployment(model: str, name: str = "chat", ident: str = "d1", **info: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model}, "model_info": {"id": ident, **info}}


def declared(name: str, **fields: Any) -> ModelSpec:
    return ModelSpec(**{"name": name, "provider": "openai", **fields})


def test_litellm_s_map_tells_prices_windows_and_abilities() -> None:
    spec = spec_of(deployment("openai/gpt-4o"))
    assert (spec.key, spec.cost_per_1m_input_tokens, spec.max_input_tokens) == ("openai:gpt-4o", 2.5, 128_000)
    assert spec.max_output_tokens == 16_384
    assert spec.has_capability("vision")
    assert spec.has_capability("tools")


def test_model_info_wins_over_the_map() -> None:
    spec = spec_of(deployment("openai/gpt-4o", max_input_tokens=8_000, max_output_tokens=1_000))
    assert (spec.max_input_tokens, spec.context_window, spec.max_output_tokens) == (8_000, 8_000, 1_000)


def test_an_unknown_model_has_unknown_limits_and_the_abilities_most_servers_have() -> None:
    spec = spec_of(deployment("openai/house-model"))
    assert spec.context_window is None
    assert spec.cost_per_1m_input_tokens is None
    assert spec.has_capability("tools")
    assert not spec.has_capability("vision")
    assert not spec_of(deployment("openai/house-model", supports_function_calling=False)).has_capability("tools")


def test_an_embedding_model_is_no_chat_model() -> None:
    assert "embedding.text" in spec_of(deployment("openai/text-embedding-3-small")).capabilities


def test_what_edits_images_is_no_chat_model_either() -> None:
    assert spec_of(deployment("openai/house-model", mode="image_edit")).capabilities == ("generation.image.edit",)


def test_several_deployments_of_a_model_have_their_own_keys_and_one_arm() -> None:
    pairs = specs_for([deployment("openai/gpt-4o", ident="eu"), deployment("openai/gpt-4o", ident="us")], [])
    assert [spec.key for spec, _ in pairs] == ["openai:gpt-4o@eu", "openai:gpt-4o@us"]
    assert {spec.arm for spec, _ in pairs} == {"openai:gpt-4o"}


def test_deployments_with_other_keys_are_other_accounts_and_the_keys_stay_out() -> None:
    entries = [deployment("openai/gpt-4o", ident=str(number)) for number in range(3)]
    for entry, key in zip(entries, ("sk-canary-one", "sk-canary-one", "sk-canary-two"), strict=True):
        entry["litellm_params"]["api_key"] = key
    first, second, third = (spec for spec, _ in specs_for(entries, []))
    assert first.credential == second.credential != third.credential
    assert "canary" not in repr((first, second, third))


def test_an_address_comes_without_whoever_logs_in_there() -> None:
    entry = deployment("openai/house")
    entry["litellm_params"]["api_base"] = "https://me:canary@house.test:8000/v1"
    assert spec_of(entry).api_base == "https://house.test:8000/v1"


def test_what_is_declared_wins_and_the_rest_is_filled_in() -> None:
    own = declared("gpt-4o", context_window=50_000, cost_per_1m_input_tokens=1.0)
    spec = specs_for([deployment("openai/gpt-4o")], [own])[0][0]
    assert (spec.key, spec.context_window, spec.cost_per_1m_input_tokens) == ("openai:gpt-4o", 50_000, 1.0)
    assert spec.cost_per_1m_output_tokens == 10.0
    assert spec.max_input_tokens is None


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (deployment("openai/x", ident="openai:a"), "a"),
        (deployment("openai/x", ident="b"), "b"),
        (deployment("openai/x", name="b"), "b"),
        (deployment("openai/a"), "a"),
        (deployment("azure/whatever"), "c"),
        (deployment("openai/b", ident="a"), "a"),
        (deployment("openai/unheard-of"), None),
    ],
)
def test_a_deployment_is_matched_by_id_then_by_name_then_by_model(entry: dict[str, Any], found: str | None) -> None:
    specs = [declared("a"), declared("b"), declared("c", litellm_model="azure/whatever")]
    spec = match(entry, specs)
    assert (None if spec is None else spec.name) == found


def test_a_deployment_that_could_be_several_models_is_an_error_that_names_them() -> None:
    specs = [declared("a", litellm_model="openai/x"), declared("b", litellm_model="openai/x")]
    with pytest.raises(ConfigError, match="openai:a, openai:b"):
        match(deployment("openai/x"), specs)


def test_keys_never_enter_a_spec() -> None:
    entry = deployment("openai/gpt-4o")
    entry["litellm_params"]["api_key"] = "sk-secret-value"
    assert "sk-secret-value" not in spec_of(entry).model_dump_json()
