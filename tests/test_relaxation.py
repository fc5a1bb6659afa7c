"""The ladder: when nobody can serve, soft requirements give way in order and no further, hard ones never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import LONG, StatusError, make_spec

from pointsman import (
    ConfigError,
    HealthSettings,
    InvalidRequestError,
    ModelRegistry,
    NoEligibleModelsError,
    Outcome,
    Request,
    Router,
)
from pointsman.eligibility.masks import eligible, needs_of
from pointsman.eligibility.question import Question, Rules
from pointsman.eligibility.relaxation import relax, rungs
from pointsman.eligibility.tokens import PromptSize
from pointsman.learning.ledger import DECISIONS
from pointsman.wishes import SOFT

Make = Callable[..., Router]
LADDER = tuple(name for name in SOFT if not name.startswith("prefer"))


def question_of(registry: ModelRegistry, rules: Rules | None = None, **wishes: Any) -> Question:
    request = Request(**wishes)
    snapshot = registry.snapshot
    return Question(snapshot, request, needs_of(request, snapshot), PromptSize(request), rules or Rules())


def test_a_number_gives_way_by_doubling_and_says_so(make_router: Make) -> None:
    request = Request(input_tokens=10, max_latency=0.1, needs={"tools"}, soft=["max_latency"])
    decision = make_router("cheapest").decide(request)
    assert decision.model == "openai:fast", "0.3 s is within four times 0.1 s, 1 s is not"
    assert [(each.name, each.asked, each.instead) for each in decision.relaxed] == [("max_latency", 0.1, 0.4)]
    assert "relaxed     max_latency from 0.1 to 0.4, or nobody could serve" in str(decision)
    assert "max_latency from 0.1 to 0.4" in decision._repr_html_()
    assert decision.request.max_latency == 0.1
    assert decision.excluded["openai:cheap"].check == "latency"


def test_the_ledger_keeps_what_was_relaxed(make_router: Make) -> None:
    router = make_router()
    router.decide(Request(expertise=["law"], needs={"tools"}, soft=["expertise"]))
    router.decide("hi")
    rows = [row for _, row in router.ledger.rows(DECISIONS)]
    assert [row["relaxed"] for row in rows] == [[{"name": "expertise", "asked": ["law"], "instead": None}], None]


def test_nothing_is_relaxed_while_somebody_can_serve(make_router: Make) -> None:
    decision = make_router().decide(Request(input_tokens=10, max_latency=1.5, soft=["max_latency"]))
    assert decision.relaxed == ()
    assert "relaxed" not in str(decision)


def test_without_soft_names_everything_is_hard(make_router: Make) -> None:
    with pytest.raises(NoEligibleModelsError):
        make_router().decide(Request(max_latency=0.1, needs={"tools"}))


def test_what_was_not_in_the_way_is_asked_for_again() -> None:
    registry = ModelRegistry([make_spec("m", latency_p50=0.2, regions=["eu"])])
    wishes = Request(max_latency=0.5, region="us", soft=["max_latency", "region"])
    decision = Router(registry, "cheapest").decide(wishes)
    assert [each.name for each in decision.relaxed] == ["region"]


def test_the_order_is_the_requests_then_the_routers(registry: ModelRegistry) -> None:
    registry.register_model(make_spec("slow-eu", regions=["eu"], latency_p50=9.0))
    registry.register_model(make_spec("quick-us", regions=["us"], latency_p50=0.1))
    wishes: dict[str, Any] = {"region": "eu", "max_latency": 0.2, "model": "group"}
    registry._snapshot = registry.snapshot.with_words({"group": _pool("slow-eu", "quick-us")}, {})
    router = Router(registry, "cheapest", rules=Rules(relax=("max_latency", "region")))
    assert router.decide(Request(**wishes)).model == "openai:slow-eu"
    assert router.decide(Request(**wishes, soft=["region", "max_latency"])).model == "openai:quick-us"
    with pytest.raises(NoEligibleModelsError):
        router.decide(Request(**wishes, soft=()))


def _pool(*names: str) -> Any:
    from pointsman import Pool

    return Pool(models=names)


def test_a_ladder_that_does_not_reach_says_what_was_tried(make_router: Make) -> None:
    with pytest.raises(NoEligibleModelsError, match="even without max_latency"):
        make_router().decide(Request(max_latency=0.1, needs={"teleportation"}, soft=["max_latency"]))


def test_the_budget_is_hard_where_the_requests_own_limit_is_soft(registry: ModelRegistry) -> None:
    request = Request(input_tokens=1_000_000, model="good", max_cost=0.01, soft=["max_cost"], context_length=1)
    small = request.replace(input_tokens=100_000)
    assert Router(registry, "cheapest").decide(small).relaxed[0].instead == 0.64
    with pytest.raises(NoEligibleModelsError):
        Router(registry, "cheapest", rules=Rules(max_cost=0.02)).decide(small)


def test_models_out_of_health_are_relaxed_past_where_they_may_not_serve(make_router: Make) -> None:
    registry = ModelRegistry([make_spec("eu", regions=["eu"]), make_spec("us", regions=["us"])])
    router = make_router("cheapest", registry=registry, health=HealthSettings(last_resort=False))
    first = router.decide(Request(region="eu"))
    for _ in range(20):
        router.observe(first, Outcome(error=StatusError(500)))
    decision = router.decide(Request(region="eu", soft=["region"]))
    assert (decision.model, decision.relaxed[0].name) == ("openai:us", "region")


@pytest.mark.parametrize("soft", [["colour"], ["needs"], ["exclude"], ["context_length"], ["model"], 5, [7]])
def test_only_what_can_give_way_may_be_called_soft(soft: Any) -> None:
    with pytest.raises(InvalidRequestError, match="soft") as caught:
        Request(soft=soft)
    assert caught.value.field == "soft"


def test_a_set_has_the_usual_order_and_size_means_both() -> None:
    assert Request(soft={"region", "max_latency"}).soft == ("max_latency", "region")
    assert Request(soft="size").soft == ("max_size", "min_size")


def test_the_configuration_gives_the_ladder_and_wrong_names_are_located(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    text = "models:\n  - {name: m, provider: openai, latency_p50: 2}\nrelax:\n  - max_latency\n"
    path.write_text(text)
    assert Router.from_config(path, policy="cheapest").decide(Request(max_latency=1.5)).relaxed[0].instead == 3.0
    path.write_text(text + "  - colour\n  - needs\n")
    with pytest.raises(ConfigError) as caught:
        Router.from_config(path)
    assert [(each.line, each.message.split(",")[0]) for each in caught.value.problems] == [
        (5, "relax names 'colour'"),
        (6, "relax names 'needs'"),
    ]
    path.write_text("relax: max_latency\n")
    with pytest.raises(ConfigError, match="expected a list"):
        Router.from_config(path)


amounts = st.sampled_from([0.01, 0.5, 3.0, 40.0])
words = st.sampled_from(["eu", "us", "law"])
models = st.lists(
    st.builds(
        make_spec,
        st.sampled_from("abcdef"),
        latency_p50=st.none() | amounts,
        tokens_per_second=st.none() | amounts,
        size_billions=st.none() | amounts,
        regions=st.none() | st.lists(words, max_size=2),
        languages=st.none() | st.lists(words, max_size=2),
        expertise=st.none() | st.lists(words, max_size=2),
        capabilities=st.sampled_from([["generation.text"], ["generation.text", "tools"]]),
        context_window=st.none() | st.sampled_from([2_000, 100_000]),
        cost_per_1m_input_tokens=st.none() | amounts,
        cost_per_1m_output_tokens=st.none() | amounts,
    ),
    max_size=5,
    unique_by=lambda spec: spec.name,
)
soft_wishes = st.fixed_dictionaries(
    {},
    optional={
        "max_latency": amounts,
        "min_speed": amounts,
        "min_size": amounts,
        "max_size": amounts,
        "region": words,
        "language": words,
        "expertise": st.lists(words, min_size=1, max_size=2),
        "max_cost": st.sampled_from([0.0, 0.0001, 0.01]),
    },
)
hard_wishes = st.fixed_dictionaries(
    {},
    optional={
        "needs": st.just({"tools"}),
        "input_tokens": st.sampled_from([10, 50_000]),
        "context_length": st.just(3_000),
        "exclude": st.sets(st.sampled_from("abc"), max_size=2),
    },
)


@given(models, soft_wishes, hard_wishes, st.permutations(LADDER), st.sampled_from(["allow", "exclude"]))
@settings(max_examples=2_000 if LONG else 300, deadline=None)
def test_a_relaxed_decision_keeps_every_hard_requirement_and_gives_up_no_more_than_it_must(
    specs: list[Any], soft: dict[str, Any], hard: dict[str, Any], ladder: list[str], on_unknown: Any
) -> None:
    question = question_of(ModelRegistry(specs), Rules(on_unknown=on_unknown), **soft, **hard, soft=ladder)
    if eligible(question):
        return
    hard_only = eligible(question_of(ModelRegistry(specs), Rules(on_unknown=on_unknown), **hard))
    found = relax(question)
    assert (found is None) == (not hard_only), "the ladder reaches exactly if somebody meets what is hard"
    if found is None:
        return
    relaxed, steps = found
    mask = eligible(relaxed)
    assert mask
    assert not mask & ~hard_only, "whoever is eligible meets everything that is hard"
    order = rungs(question)
    assert steps
    assert [each.name for each in steps] == [name for name in order if name in {each.name for each in steps}]
    for each in steps:
        again = relaxed.request.replace(**{each.name: each.asked})
        assert not eligible(relaxed._replace(request=again)), f"{each.name} need not have given way"
        assert getattr(relaxed.request, each.name) in (each.instead, ())
    highest = max(order.index(each.name) for each in steps)
    before = dict.fromkeys(order[:highest], None)
    if "expertise" in before:
        before["expertise"] = ()
    below = question.request.replace(**before)
    assert not eligible(question._replace(request=below)), "a rung lower would have done"
