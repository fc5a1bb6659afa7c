"""What notebooks and terminals show: registry, decision, statistics, replay, each as a table and as plain text."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from samples import make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.replay import compare

ODD = "<b>&odd"


@pytest.fixture(scope="module")
def router() -> Router:
    registry = ModelRegistry([make_spec(ODD), make_spec("other")])
    router, chance = Router(registry, {"name": "thompson", "floor": 0.4}, seed=1), Random(2)
    for _ in range(300):
        decision = router.decide(Request(input_tokens=10))
        router.observe(decision, Outcome(seconds=0.1, input_tokens=10, output_tokens=5))
        router.feedback(decision.id, chance.random())
    return router


SHOWN: dict[str, Callable[[Router], Any]] = {
    "registry": lambda router: router.registry,
    "decision": lambda router: router.decide("hello"),
    "statistics": lambda router: router.statistics(),
    "comparison": lambda router: compare(router, ["thompson", "weighted"]),
    "evaluation": lambda router: compare(router, ["weighted"])["weighted"],
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_one_escaped_table_and_short_text(name: str, router: Router) -> None:
    shown = SHOWN[name](router)
    html = shown._repr_html_()
    assert html.count("<table>") == html.count("</table>") == 1
    assert ODD not in html
    assert 0 < len(str(shown)) < 2_000


def test_statistics_are_a_dict_that_prints_its_arms(router: Router) -> None:
    statistics = router.statistics()
    assert json.loads(json.dumps(statistics)) == statistics
    totals, head, *arms = str(statistics).splitlines()
    assert totals.startswith("300 attempts; 2 of 2 models are well")
    assert head.split()[:2] == ["model", "attempts"]
    assert sum(int(line.split()[1]) for line in arms) == 300


def test_before_anything_was_learnt_there_are_totals_alone() -> None:
    assert str(Router(ModelRegistry([make_spec("m")]), "cheapest").statistics()).count("\n") == 0
