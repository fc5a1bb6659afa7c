"""The ledger: bounded by number and age, and each decision names the version of what its policy had learnt."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman import AllModelsFailedError, CatalogError, Outcome, Request, Router
from pointsman.config import load_config
from pointsman.errors import UnknownVersionError
from pointsman.learning.ledger import ATTEMPTS, DECISIONS, FEEDBACK, Ledger, LedgerSettings
from pointsman.policies.names import make_policy
from pointsman.replay import learnt_at, teach
from pointsman.stores import Write, open_store
from pointsman.stores.memory import MemoryStore, Unspelled
from pointsman.testing import FakeClock

Make = Callable[..., Router]


def serve(router: Router, times: int) -> None:
    for _ in range(times):
        decision = router.decide("hi")
        router.observe(decision, Outcome(seconds=0.1))
        router.feedback(decision.id, 0.5)


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{0}/l.db", "jsonl:///{0}/l.jsonl"])
def test_no_more_decisions_are_kept_than_wanted(make_router: Make, tmp_path: Path, url: str) -> None:
    router = make_router(store=url.format(tmp_path), ledger=LedgerSettings(keep=100))
    serve(router, 1_000)
    assert router.store.count(DECISIONS) <= 100 + 256
    router.ledger.trim()
    assert [router.store.count(space) for space in (DECISIONS, FEEDBACK, ATTEMPTS)] == [100, 100, 200]


def test_what_is_too_old_goes_and_what_is_young_stays(make_router: Make, clock: FakeClock) -> None:
    router = make_router(ledger=LedgerSettings(max_age="1h"))  # type: ignore[arg-type]
    serve(router, 5)
    clock.advance(3_000.0)
    serve(router, 3)
    clock.advance(1_000.0)
    assert router.ledger.trim() == 15
    assert [router.store.count(space) for space in (DECISIONS, FEEDBACK, ATTEMPTS)] == [3, 3, 3]
    assert router.ledger.trim() == 0


def test_rows_of_an_earlier_version_have_no_age_and_go_first(clock: FakeClock) -> None:
    store = MemoryStore()
    store.put_all([Write(ATTEMPTS, "old", {"model": "m"}), Write(ATTEMPTS, "new", {"at": clock.time()})])
    Ledger(store, LedgerSettings(max_age=60.0), clock).trim()
    assert [key for key, _ in store.items(ATTEMPTS)] == ["new"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000.0), ("90m", 5_400.0), ("12h", 43_200.0), ("5s", 5.0), (60, 60.0)]
)
def test_an_age_is_read_with_its_unit(text: Any, seconds: float) -> None:
    assert LedgerSettings(max_age=text).max_age == seconds


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{max_age: soon}", "such as 30d"),
        ("{max_age: -1}", "greater than 0"),
        ("{keep: 0}", "greater than or equal to 1"),
        ("{kept: 5}", "kept"),
    ],
)
def test_a_wrong_setting_is_located(tmp_path: Path, section: str, words: str) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"models: []\nledger: {section}\n")
    with pytest.raises(CatalogError, match=words) as caught:
        load_config(path)
    assert (caught.value.line, caught.value.code) == (2, "E4006")


def test_the_section_reaches_the_router(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("models: [{name: m, provider: openai}]\nledger: {keep: 7, max_age: 2h}\n")
    assert Router.from_config(path).ledger.settings == LedgerSettings(keep=7, max_age=7_200.0)


def test_a_score_keeps_its_source_and_what_it_was_made_of(make_router: Make) -> None:
    router = make_router()
    decision = router.decide("hi")
    router.ledger.scored(decision.id, 0.75, "judge", {"style": 0.5, "truth": 1.0})
    (row,) = (row for _, row in router.ledger.rows(FEEDBACK))
    assert (row["source"], row["parts"]) == ("judge", {"style": 0.5, "truth": 1.0})


@pytest.mark.parametrize("policy", ["thompson", "adaptive"])
def test_a_decision_names_a_version_of_what_its_policy_had_learnt(make_router: Make, policy: str) -> None:
    router = make_router(policy)
    serve(router, 260)
    serve(router, 1)
    rows = [row for _, row in router.ledger.rows(DECISIONS)]
    version = rows[-1]["policy_version"]
    assert rows[0]["policy_version"] is None
    assert version is not None
    learnt = learnt_at(router.store, version)
    assert learnt["policy"] == policy
    again: Any = make_policy(policy)
    teach(again, learnt)
    attempts = sum(row["attempts"] for row in again.statistics().values())
    assert attempts == 250  # a version every 500 lessons, two lessons per request
    with pytest.raises(UnknownVersionError):
        learnt_at(router.store, "nowhere-1")


def test_the_newest_fifty_versions_are_kept(tmp_path: Path) -> None:
    from pointsman.learning.versions import VERSIONS, PolicyVersions
    from pointsman.policies.base import Lesson

    store = open_store("memory://")
    policy: Any = make_policy("ucb")
    versions = PolicyVersions(store, "ucb", "learnt.ucb", "me")
    for number in range(60 * 500):
        policy.learn(Lesson(arm="m", key="m", decision_id=str(number), ok=True, reward=1.0))
        versions.taught(policy, float(number))
    assert (versions.current, store.count(VERSIONS)) == ("me-60", 50)
    assert learnt_at(store, "me-60")["rows"]["me/m"]["n"] == 30_000


class Prompt(str):
    """A prompt that tells when it is gone."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("policy", ["weighted", "adaptive"])
def test_rows_that_nobody_has_read_yet_hold_no_prompt(make_router: Make, policy: str) -> None:
    router = make_router(policy)
    prompt = Prompt("What is 12 times 12?")
    router.run(Request(messages=[{"role": "user", "content": prompt}]), lambda _: "144")
    with pytest.raises(AllModelsFailedError):
        router.run(Request(messages=[{"role": "user", "content": prompt}]), _fail)
    gone = weakref.ref(prompt)
    del prompt
    gc.collect()
    assert gone() is None
    assert len(list(router.ledger.rows())) == 2


def _fail(attempt: Any) -> None:
    raise ValueError(f"a mistake about {attempt.messages[0]['content']}")


def test_memory_and_a_file_hold_the_same_rows(make_router: Make, tmp_path: Path) -> None:
    def rows(url: str) -> list[Any]:
        router = make_router("adaptive", store=url)
        for number in range(5):
            router.run(Request(messages=f"question {number}", expertise="law", max_cost=1.0), lambda _: "answer")
        found = [*router.ledger.rows(DECISIONS), *router.ledger.rows(ATTEMPTS)]
        return [{name: value for name, value in row.items() if name not in ("decision", "seconds")} for _, row in found]

    assert rows("memory://") == rows(f"sqlite:///{tmp_path}/l.db")


def test_an_unspelled_value_is_made_once_and_one_that_is_no_json_is_not_kept() -> None:
    class Value(Unspelled):
        def __init__(self, content: object) -> None:
            self.content, self.asked = content, 0

        def value(self) -> Any:
            self.asked += 1
            return self.content

    good, bad = Value({"a": 1}), Value(object())
    store = MemoryStore()
    store.put_all([Write("s", "good", good), Write("s", "bad", bad)])
    assert (good.asked, store.count("s")) == (0, 2)
    assert list(store.items("s")) == [("good", {"a": 1})]
    assert (store.get("s", "good"), store.get("s", "bad"), store.count("s")) == ({"a": 1}, None, 1)
    assert (good.asked, bad.asked) == (1, 1)
