"""Names in a request that nobody has: no error, but said in the decision, and once in the log."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from samples import make_spec

from pointsman import ModelRegistry, Pool, Request, Router


@pytest.fixture
def router() -> Router:
    return Router(ModelRegistry([make_spec("gpt-4o", aliases=["omni"]), make_spec("other")]), "cheapest", seed=1)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"exclude": {"gtp-4o"}}, "exclude names 'gtp-4o', which is not registered and has no effect"),
        ({"prefer": {"gtp-4o"}}, "prefer names 'gtp-4o', which is not registered and has no effect"),
        ({"exclude_providers": {"opnai"}}, "exclude_providers names 'opnai', of which no model is registered"),
        ({"prefer_providers": {"opnai"}}, "prefer_providers names 'opnai', of which no model is registered"),
        ({"providers": {"opnai", "openai"}}, "providers names 'opnai', of which no model is registered"),
    ],
)
def test_a_decision_names_what_had_no_effect_and_what_was_meant(
    router: Router, wish: dict[str, set[str]], says: str
) -> None:
    decision = router.decide(Request(messages="hi", **wish))  # type: ignore[arg-type]
    meant = "'openai'" if "opnai" in says else "'openai:gpt-4o'"
    assert decision.warnings == (f"{says}; did you mean {meant}?",)
    assert f"  warning     {says}" in str(decision)
    assert says in decision._repr_html_().replace("&#x27;", "'")


def test_known_names_are_not_worth_a_word(router: Router, caplog: pytest.LogCaptureFixture) -> None:
    request = Request(messages="hi", exclude={"openai:other", "other"}, prefer={"omni"}, providers={"openai"})
    decision = router.decide(request)
    assert (decision.model, decision.warnings) == ("openai:gpt-4o", ())
    assert "warning" not in str(decision)
    assert not caplog.records


def test_the_log_has_one_line_per_name(router: Router, caplog: pytest.LogCaptureFixture) -> None:
    one, two = f"one-{uuid4()}", f"two-{uuid4()}"
    with caplog.at_level(logging.WARNING, "pointsman"):
        for _ in range(3):
            router.decide(Request(messages="hi", exclude={one}, prefer={two}))
            router.registry.register_model(make_spec(f"new-{uuid4()}"))
            router.decide(Request(messages="hi", exclude={one}, language="de"))
    assert sorted(one in each.message for each in caplog.records) == [False, True]


def test_a_model_that_was_there_a_moment_ago_fails_no_call(router: Router) -> None:
    router.registry.unregister_model("other")
    decision = router.decide(Request(messages="hi", exclude={"other"}))
    assert decision.model == "openai:gpt-4o"
    assert "'other'" in decision.warnings[0]


def test_a_pool_is_no_model_to_exclude(router: Router) -> None:
    registry = ModelRegistry(list(router.registry))
    registry._snapshot = registry.snapshot.with_words({"all": Pool(models=("gpt-4o",))}, {})
    decision = Router(registry, "cheapest").decide(Request(messages="hi", exclude={"all"}))
    assert decision.warnings == ("exclude names 'all', which is a pool; it has no effect, name its models",)


def test_a_very_long_name_is_cut(router: Router) -> None:
    assert len(router.decide(Request(messages="hi", exclude={"x" * 100_000})).warnings[0]) < 200
