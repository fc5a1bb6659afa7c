"""Discovery on real loopback servers: what is new, gone, changed or too different to believe, and what is applied."""

from __future__ import annotations

import json

import pytest
from discovery.listings import TODAY, ask, at, serving
from samples import make_spec

from pointsman import InvalidRequestError, ModelRegistry, ModelSpec, Router
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.discovery import Discovery, adiscover, apply
from pointsman.testing import ServedModel, serve


def test_a_server_of_openais_api_is_asked_for_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "made-up")
    served = ServedModel("house", requires_key="made-up", aliases=("house-2",))
    with serve([served], seed=1) as fleet:
        url = fleet["house"].url
        registry = ModelRegistry(
            [
                make_spec("house", api_base=url, api_key="env:HOUSE_KEY"),
                make_spec("gone", api_base=url, api_key="env:HOUSE_KEY"),
            ]
        )
        before = registry.version
        found = ask(registry)
    assert [spec.key for spec in found.removals] == ["openai:gone"]
    assert found.asked == (f"{url}/models",)
    assert registry.version == before, "asking changes nothing"
    assert not found.changes


def test_additions_carry_what_the_server_says_and_where_it_is() -> None:
    listed = {
        "data": [
            {"id": "known"},
            {"id": "new-7b", "max_model_len": 40_960, "root": "org/new-7b"},
            {
                "id": "router/x",
                "context_length": 100_000,
                "top_provider": {"max_completion_tokens": 8_000},
                "pricing": {"prompt": "0.0000025", "completion": "0.00001", "request": "0"},
                "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
                "supported_parameters": ["tools", "temperature"],
            },
            {"id": "text-embed-1"},
        ]
    }
    with serving(listed) as server:
        registry = at(server.base, {"name": "known", "litellm_model": "hosted_vllm/known"})
        found = ask(registry)
    new = {spec.name: spec for spec in found.additions}
    assert sorted(new) == ["new-7b", "router/x", "text-embed-1"]
    assert new["new-7b"].model_dump(exclude_unset=True) == {
        "name": "new-7b",
        "provider": "openai",
        "context_window": 40_960,
        "api_base": f"{server.base}/v1",
        "litellm_model": "hosted_vllm/new-7b",
        "source": f"{server.base}/v1/models",
        "as_of": TODAY,
    }
    routed = new["router/x"]
    assert (routed.context_window, routed.max_output_tokens) == (100_000, 8_000)
    assert (routed.cost_per_1m_input_tokens, routed.cost_per_1m_output_tokens) == (2.5, 10.0)
    assert routed.capabilities == ("tools",)
    assert routed.input_modalities == ("text", "image")
    assert new["text-embed-1"].capabilities == ("embedding.text",)


TAGS = {
    "models": [
        {
            "name": "llama3.1:8b",
            "model": "llama3.1:8b",
            "details": {
                "family": "llama",
                "families": ["llama"],
                "parameter_size": "8.0B",
                "quantization_level": "Q4_K_M",
            },
        },
        {
            "name": "nomic-embed-text:latest",
            "details": {
                "family": "nomic-bert",
                "families": ["nomic-bert"],
                "parameter_size": "137M",
                "quantization_level": "F16",
            },
        },
        {"name": "big:cloud", "remote_host": "https://ollama.com", "details": {"parameter_size": ""}},
    ]
}


def test_ollama_is_asked_for_its_tags_and_its_details_are_read() -> None:
    with serving(TAGS) as server:
        registry = ModelRegistry(
            [make_spec("llama3.1:8b", provider="ollama", api_base=server.base, litellm_model="ollama_chat/llama3.1:8b")]
        )
        found = ask(registry)
    assert server.asked == [("/api/tags", None)]
    assert not found.removals
    (change,) = found.changes
    assert [str(each) for each in change.fields] == ["size_billions: - -> 8.0"]
    embedding, remote = found.additions
    assert embedding.key == "ollama:nomic-embed-text:latest"
    assert embedding.aliases == ("nomic-embed-text",)
    assert embedding.size_billions == pytest.approx(0.137)
    assert embedding.tags == ("f16",)
    assert embedding.capabilities == ("embedding.text",)
    assert embedding.cost_per_1m_input_tokens == 0, "a call to one's own machine costs nothing"
    assert remote.cost_per_1m_input_tokens is None, "what runs elsewhere has a price that is not known"


def test_ten_times_is_the_largest_jump_that_is_no_quarantine() -> None:
    listed = {
        "data": [
            {"id": "grown", "context_length": 80_000},
            {"id": "jumped", "context_length": 80_001},
            {"id": "shrunk", "context_length": 799},
            {"id": "filled", "context_length": 1_000_000},
            {"id": "free-now", "pricing": {"prompt": "0", "completion": "0"}},
            {"id": "same", "context_length": 8_000},
        ]
    }
    known = [{"name": name, "context_window": 8_000} for name in ("grown", "jumped", "shrunk", "same")]
    with serving(listed) as server:
        registry = at(server.base, *known, {"name": "filled"}, {"name": "free-now", "cost_per_1m_input_tokens": 5})
        found = ask(registry)
    assert [change.key for change in found.changes] == ["openai:grown", "openai:filled"]
    assert [change.key for change in found.quarantined] == ["openai:jumped", "openai:shrunk", "openai:free-now"]
    assert set(found.to_dict()["quarantined"]) == {"openai:jumped", "openai:shrunk", "openai:free-now"}


def test_a_smaller_window_takes_the_output_limit_along() -> None:
    with serving({"data": [{"id": "m", "max_model_len": 2_000}]}) as server:
        registry = at(server.base, {"name": "m", "context_window": 8_000, "max_output_tokens": 4_000})
        (change,) = ask(registry).changes
    assert (change.new.context_window, change.new.max_output_tokens) == (2_000, 2_000)
    assert change.new.evidence["context_window"].source == f"{server.base}/v1/models"


def test_only_additions_are_applied_and_the_rest_only_by_name() -> None:
    listed = {"data": [{"id": "a", "context_length": 9_000}, {"id": "b", "context_length": 900_000}, {"id": "new"}]}
    with serving(listed) as server:
        fields = {"context_window": 8_000}
        registry = at(server.base, {"name": "a", **fields}, {"name": "b", **fields}, {"name": "gone"})
        found = ask(registry)
    assert apply(registry, found) == ("openai:new",)
    assert registry.get_model("a").context_window == registry.get_model("b").context_window == 8_000
    assert "gone" in registry
    assert apply(registry, found, approve=["openai:b", "openai:gone"]) == ("openai:b", "openai:gone")
    assert registry.get_model("b").context_window == 900_000
    assert "gone" not in registry
    with pytest.raises(InvalidRequestError, match="openai:zzz"):
        apply(registry, found, approve=["openai:zzz", "openai:a"])
    assert registry.get_model("a").context_window == 8_000


def test_what_was_changed_since_is_left_as_it_is() -> None:
    with serving({"data": [{"id": "a", "context_length": 9_000}, {"id": "new"}]}) as server:
        registry = at(server.base, {"name": "a"})
        found = ask(registry)
    mine = registry.register_model(make_spec("a", context_window=7), replace=True)
    own = registry.register_model(make_spec("new", context_window=8))
    assert apply(registry, found, approve=["openai:a"]) == ()
    assert registry.get_model("a") == mine
    assert registry.get_model("new") == own


def test_a_key_that_another_address_has_is_no_addition() -> None:
    with serving({"data": [{"id": "here"}, {"id": "gpt-4o"}]}) as server:
        registry = at(server.base, {"name": "here"})
        registry.register_model(make_spec("gpt-4o"))
        found = ask(registry)
    assert not found.additions
    assert "registered for another address" in found.ignored["openai:gpt-4o"]


async def test_it_can_be_awaited_or_called_inside_a_running_loop() -> None:
    with serving({"data": [{"id": "a"}]}) as server:
        registry = at(server.base, {"name": "a"})
        assert (await adiscover(registry, today=TODAY)).asked == ask(registry).asked


def test_a_discovery_prints_itself_for_people_and_programs() -> None:
    with serving({"data": [{"id": "new"}]}) as server:
        found = ask(at(server.base, {"name": "gone"}))
    assert str(found).splitlines() == [
        "1 new, 1 not listed, 0 changed, 0 quarantined, 1 servers asked",
        "new: openai:new",
        "not listed: openai:gone: stays registered",
    ]
    assert json.loads(json.dumps(found.to_dict()))["removals"] == ["openai:gone"]
    assert "openai:new" in found._repr_html_()


async def test_r11_rounds_register_what_is_new_only_if_the_settings_allow() -> None:
    with serve([ServedModel("known"), ServedModel("other")], seed=1) as fleet:
        entry = {"name": "renamed", "provider": "openai", "api_base": fleet["known"].url}
        for auto_apply, expected in (("none", {"renamed"}), ("additions", {"renamed", "known"})):
            router = Router(
                ModelRegistry([ModelSpec(**entry)]),
                "weighted",
                discovery=DiscoverySettings.model_validate({"auto_apply": auto_apply}),
            )
            told: list[Discovery] = []
            found = await router.discovery(told.append).round()
            assert [spec.name for spec in found.additions] == ["known"]
            assert {spec.name for spec in router.registry} == expected, "and what is gone there stays here"
            assert told == [found]
