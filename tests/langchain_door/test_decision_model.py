"""The router as a decision model, where langchain-core has them (since 1.8)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from pointsman import InvalidRequestError, ModelNotFoundError, Router
from pointsman.errors import MissingDependencyError
from pointsman.langchain import ChatPointsman
from pointsman.testing import ModelFleet

HAS_DECISIONS = find_spec("langchain_core.decisions") is not None
only_with_decisions = pytest.mark.skipif(not HAS_DECISIONS, reason="this langchain-core has no decision models")


def ask(router: Router, state: Any, *labels: str, kind: str = "Choice") -> Any:
    from langchain_core import decisions  # type: ignore[attr-defined, unused-ignore]

    from pointsman.langchain import PointsmanDecisionModel

    question = (
        decisions.Choice(instructions="Which model?", criteria=dict.fromkeys(labels))
        if kind == "Choice"
        else decisions.Noul(instructions="Is it?")
    )
    return PointsmanDecisionModel(router=router).invoke({"state": state, "questions": {"model": question}})


@pytest.mark.skipif(HAS_DECISIONS, reason="this langchain-core has decision models")
def test_an_older_core_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"langchain-core>=1\.8"):
        from pointsman.langchain import PointsmanDecisionModel  # noqa: F401


@only_with_decisions
def test_a_choice_between_models_is_routed(router: Router) -> None:
    response = ask(router, "hello", "first", "third")
    answer = response.choices["model"]
    assert (answer.choice, answer.probabilities, answer.confidence) == ("first", {"first": 1.0, "third": 0.0}, 1.0)
    router.feedback(response.request_id, 0.5)
    assert ask(router, "word " * 60_000, "first", "third").choices["model"].choice == "third"


@only_with_decisions
def test_what_is_no_choice_between_models_is_refused(router: Router) -> None:
    with pytest.raises(InvalidRequestError, match="noul"):
        ask(router, "hello", kind="Noul")
    with pytest.raises(ModelNotFoundError):
        ask(router, "hello", "first", "unheard-of")


@only_with_decisions
def test_langchains_model_router_takes_it(router: Router, fleet: ModelFleet) -> None:
    from langchain.agents import create_agent
    from langchain.agents.middleware import model_router  # type: ignore[attr-defined, unused-ignore]

    from pointsman.langchain import PointsmanDecisionModel

    llm = ChatPointsman(router=router)
    middleware = model_router.ModelRouterMiddleware(
        choices={
            name: model_router.ModelChoice(model=llm.require(model=name), criteria=None) for name in ("second", "third")
        },
        instructions="Take what is cheapest.",
        classifier=PointsmanDecisionModel(router=router),
    )
    state: Any = {"messages": [("user", "hello")]}
    answer = create_agent(llm, middleware=[middleware]).invoke(state)
    assert answer["messages"][-1].response_metadata["model_name"] == "second"
