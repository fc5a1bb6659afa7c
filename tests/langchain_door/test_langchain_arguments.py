"""Wrong arguments at the LangChain door: refused where they are given, with the name that was meant."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import ConfigurableField, RunnableLambda

from pointsman import ConfigError, InvalidRequestError, ModelRegistry, ModelSpec, Router
from pointsman.langchain import (
    ChatPointsman,
    PointsmanCache,
    PointsmanEmbeddings,
    PointsmanEvaluator,
    PointsmanFeedback,
    PointsmanMiddleware,
    RouteRunnable,
    RunnableRouter,
)
from pointsman.testing import ModelFleet

ECHO: RunnableLambda[Any, Any] = RunnableLambda(lambda value: value)


@pytest.fixture
def quiet() -> Router:
    """A router over two models that nobody serves."""
    facts: dict[str, Any] = {"provider": "openai", "capabilities": ["generation.text"]}
    return Router(ModelRegistry([ModelSpec(name=name, **facts) for name in ("a", "b")]), "priority", seed=1)


@pytest.fixture
def children() -> dict[str, FakeListChatModel]:
    return {name: FakeListChatModel(responses=[f"I am {name}"] * 9) for name in ("a", "b")}


@pytest.mark.parametrize(
    ("build", "wrong", "meant"),
    [
        (lambda router, **given: ChatPointsman(router=router, **given), "tiemout", "timeout"),
        (lambda router, **given: ChatPointsman(router=router, **given), "model_name", "model"),
        (lambda router, **given: PointsmanMiddleware(router=router, **given), "tiemout", "timeout"),
        (RouteRunnable, "requirments", "requirements"),
        (lambda router, **given: RunnableRouter(router, {"a": ECHO}, **given), "dead_line", "deadline"),
    ],
    ids=["chat", "model_name", "middleware", "route", "runnables"],
)
def test_a_misspelt_argument_is_refused_with_the_one_that_was_meant(
    quiet: Router, build: Callable[..., Any], wrong: str, meant: str
) -> None:
    with pytest.raises(ConfigError, match=f"has no field '{wrong}' .did you mean '{meant}'"):
        build(quiet, **{wrong: None})


def test_a_misspelt_argument_of_from_config_is_refused_likewise(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("models: [{name: a, provider: openai}]")
    with pytest.raises(ConfigError, match="did you mean 'timeout'"):
        ChatPointsman.from_config(path, tiemout=3)
    assert ChatPointsman.from_config(path, timeout=3, policy="cheapest").timeout == 3


def test_what_every_chat_model_takes_is_taken(quiet: Router, children: dict[str, Any]) -> None:
    taken: dict[str, Any] = {"name": "x", "tags": ["t"], "metadata": {}, "verbose": False, "callbacks": []}
    more: dict[str, Any] = {"disable_streaming": True, "rate_limiter": None, "output_version": "v1", "profile": None}
    model = ChatPointsman(router=quiet, models=children, max_retries=0, stop=[], temperature=0, **taken, **more)
    assert model.invoke("hi").text.startswith("I am")


def test_a_key_for_all_models_is_said_to_reach_none(quiet: Router) -> None:
    with pytest.warns(UserWarning, match="each model has its own"):
        ChatPointsman(router=quiet, api_key="secret")  # type: ignore[call-arg]


def test_max_retries_says_how_often_a_model_is_asked_again(llm: ChatPointsman, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("server_error_503")
    with pytest.raises(ExceptionGroup) as caught:
        ChatPointsman(router=llm.router, max_retries=0).invoke("hi")
    assert len(caught.value.exceptions) == len(fleet)


@pytest.mark.parametrize(
    "build",
    [
        lambda wrong, _: ChatPointsman(router=wrong),
        lambda wrong, _: RouteRunnable(wrong),
        lambda wrong, _: RunnableRouter(wrong, {"a": ECHO}),
        lambda wrong, _: PointsmanEmbeddings(wrong),
        lambda wrong, _: PointsmanFeedback(wrong),
        lambda wrong, _: PointsmanEvaluator(wrong, lambda *_: {}),
        lambda wrong, _: PointsmanMiddleware(wrong),
        lambda wrong, _: PointsmanCache(wrong),
        lambda wrong, router: ChatPointsman(router=router, models=wrong),
        lambda wrong, router: ChatPointsman(router=router, models={"a": wrong}),
        lambda wrong, router: ChatPointsman(router=router, requirements=wrong),
        lambda wrong, router: RunnableRouter(router, wrong),
        lambda wrong, router: RunnableRouter(router, {"a": wrong}),
        lambda wrong, router: PointsmanEmbeddings(router, models=wrong),
        lambda wrong, router: PointsmanFeedback(router, judge=wrong),
        lambda wrong, router: PointsmanEvaluator(router, wrong),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_where_it_is_given(
    build: Callable[[Any, Router], Any], quiet: Router
) -> None:
    with pytest.raises(TypeError, match="is of type int; expected"):
        build(3, quiet)


@pytest.mark.parametrize(
    "build",
    [
        lambda router, wishes: RouteRunnable(router, requirements=wishes),
        lambda router, wishes: RunnableRouter(router, {"a": ECHO}, requirements=wishes),
        lambda router, wishes: PointsmanMiddleware(router=router, requirements=wishes),
    ],
)
def test_requirements_are_checked_when_they_are_stated(build: Callable[..., Any], quiet: Router) -> None:
    with pytest.raises(InvalidRequestError, match=r"'ned' is no requirement .did you mean 'needs'"):
        build(quiet, {"ned": {"vision"}})


def test_copies_route_as_the_model_does(quiet: Router, children: dict[str, Any]) -> None:
    model = ChatPointsman(router=quiet, models=children, requirements={"exclude": {"a"}})
    shallow = copy.copy(model)
    assert shallow.router is quiet
    for each in (shallow, model.model_copy(), model.model_copy(update={"timeout": 2.0})):
        assert each.invoke("hi").text == "I am b"
    configurable = model.configurable_fields(timeout=ConfigurableField(id="timeout"))
    assert configurable.with_config(configurable={"timeout": 1.0}).invoke("hi").content == "I am b"
