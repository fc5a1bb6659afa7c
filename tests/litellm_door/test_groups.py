"""The proxy's model names as models of a registry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pointsman import ConfigError
from pointsman.catalog.files import parse_catalogue
from pointsman.litellm.groups import Groups


def entry(name: str, model: str, ident: str, **info: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model}, "model_info": {"id": ident, **info}}


def groups(tree: dict[str, Any], *entries: dict[str, Any]) -> Groups:
    made = Groups(parse_catalogue(tree))
    made.refresh(SimpleNamespace(model_list=list(entries)))
    return made


def test_without_declared_models_every_name_takes_part() -> None:
    made = groups({}, entry("big", "openai/gpt-4o", "1"), entry("small", "openai/gpt-4o-mini", "2"))
    assert dict(made.name_of) == {"openai:big": "big", "openai:small": "small"}
    assert made.key_of("2") == "openai:small"
    assert made.is_virtual("auto", "auto")
    assert not made.is_virtual("big", "auto")


def test_with_declared_models_only_those_take_part() -> None:
    tree = {"models": [{"name": "gpt-4o", "provider": "openai"}, {"name": "elsewhere", "provider": "openai"}]}
    made = groups(tree, entry("big", "openai/gpt-4o", "1"), entry("other", "openai/unheard-of", "2"))
    assert dict(made.name_of) == {"openai:gpt-4o": "big"}
    assert len(made.registry) == 1


def test_a_pool_may_list_the_proxy_s_names() -> None:
    made = groups({"pools": {"quick": {"models": ["small"]}}}, entry("small", "openai/gpt-4o-mini", "1"))
    assert made.is_virtual("quick", "auto")


def test_a_pool_keeps_what_is_served_of_what_it_lists() -> None:
    tree = {
        "models": [{"name": "gpt-4o", "provider": "openai"}, {"name": "elsewhere", "provider": "openai"}],
        "pools": {"both": {"models": ["gpt-4o", "elsewhere"]}},
    }
    made = groups(tree, entry("big", "openai/gpt-4o", "1"))
    assert made.registry.snapshot.pools["both"].models == ("gpt-4o",)


def test_several_deployments_behind_a_name_promise_what_all_can_do() -> None:
    made = groups(
        {},
        entry("mixed", "openai/gpt-4o", "1", supports_vision=True),
        entry("mixed", "openai/house", "2", max_input_tokens=8_000),
    )
    spec = made.registry.get_model("mixed")
    assert spec.context_window == 8_000
    assert spec.cost_per_1m_input_tokens is None
    assert not spec.has_capability("vision")


def test_an_entry_named_like_a_pool_is_only_there_to_be_listed() -> None:
    made = groups({"pools": {"auto": {}}}, entry("auto", "openai/gpt-4o", "1"), entry("big", "openai/gpt-4o", "2"))
    assert list(made.name_of.values()) == ["big"]


def test_a_model_that_could_be_several_names_is_an_error() -> None:
    tree = {"models": [{"name": "gpt-4o", "provider": "openai"}]}
    with pytest.raises(ConfigError, match="'eu' as well as 'us'"):
        groups(tree, entry("eu", "openai/gpt-4o", "1"), entry("us", "openai/gpt-4o", "2"))


def test_names_that_come_and_go_are_noticed() -> None:
    made = Groups(parse_catalogue({}))
    host = SimpleNamespace(model_list=[entry("big", "openai/gpt-4o", "1")])
    made.refresh(host)
    registry = made.registry
    host.model_list.append(entry("small", "openai/gpt-4o-mini", "2"))
    made.refresh(host)
    assert made.registry is registry
    assert set(made.name_of.values()) == {"big", "small"}
    del host.model_list[0]
    made.refresh(host)
    assert [spec.name for spec in registry] == ["small"]


def test_only_a_lone_deployment_is_kept_from_litellm_s_cool_downs() -> None:
    lone, first, second = (entry(name, "openai/gpt-4o", ident) for name, ident in (("a", "1"), ("b", "2"), ("b", "3")))
    groups({}, lone, first, second)
    assert lone["model_info"]["cooldown_time"] == 0
    assert "cooldown_time" not in first["model_info"]


def test_a_wildcard_is_a_route_and_no_model() -> None:
    made = groups(
        {}, entry("openai/*", "openai/*", "1"), entry("small", "openai/gpt-4o-mini", "2"), entry("*", "*", "3")
    )
    assert dict(made.name_of) == {"openai:small": "small"}
