"""Wrong arguments at the LiteLLM doors: refused where they are given."""

from __future__ import annotations

from typing import Any

import litellm
import pytest

from pointsman import ConfigError, ModelRegistry, Router
from pointsman.litellm import install, litellm_cache, provide_custom


@pytest.fixture
def host() -> litellm.Router:
    params = {"model": "openai/a", "api_key": "none", "api_base": "http://127.0.0.1:9"}
    return litellm.Router(model_list=[{"model_name": "a", "litellm_params": params}])


@pytest.mark.parametrize("wrong", ["x", None, 3, Router(ModelRegistry())], ids=["text", "none", "number", "ours"])
def test_install_wants_a_litellm_router(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"router is of type \w+; expected a litellm.Router"):
        install(wrong)


def test_install_says_what_else_is_wrong_and_leaves_the_router_alone(host: litellm.Router) -> None:
    before = dict(vars(host))
    with pytest.raises(TypeError, match=r"pointsman_router is of type str; expected a pointsman.Router"):
        install(host, pointsman_router="pointsman.yaml")  # type: ignore[arg-type]
    for attempts in (0, -1, "many"):
        with pytest.raises(ConfigError, match=r"attempts is .*; expected a whole number from 1 up"):
            install(host, attempts=attempts)  # type: ignore[arg-type]
    assert vars(host) == before


def test_the_other_ways_in_say_what_they_want() -> None:
    providers = list(litellm.custom_provider_map)
    with pytest.raises(TypeError, match=r"cache is of type str; expected a pointsman.cache.ModelCache"):
        litellm_cache("memory")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="registry is of type str; expected a ModelRegistry"):
        provide_custom("x")  # type: ignore[arg-type]
    assert litellm.custom_provider_map == providers
