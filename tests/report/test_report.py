"""The report: what it says is what the ledger holds, nothing in it comes from elsewhere, and nothing in it can act."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report.ledgers import PROMPT, play

from pointsman import Router
from pointsman.cli import main
from pointsman.learning.ledger import ATTEMPTS, DECISIONS, FEEDBACK, HEALTH
from pointsman.report import gather, page_of
from pointsman.report.sums import Curve, Sketch, Timeline
from pointsman.stores.base import Write
from pointsman.stores.memory import MemoryStore
from pointsman.stores.urls import open_store

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """Tags in their order, ids, and whether every tag is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "pointsman.db"
    play(f"sqlite:///{path}", calls=240).close()
    return path


@pytest.fixture(scope="module")
def page(ledger: Path) -> str:
    store = open_store(f"sqlite:///{ledger}")
    html = page_of(store, name="pointsman.db", decisions=40)
    store.close()
    return html


def test_sums_are_those_of_the_rows(ledger: Path) -> None:
    store = open_store(f"sqlite:///{ledger}")
    found = gather(store, opened=10)
    attempts = [row for _, row in store.items(ATTEMPTS)]
    scores = [row["score"] for _, row in store.items(FEEDBACK)]
    assert found.decisions == store.count(DECISIONS) == 240
    assert found.attempts == len(attempts)
    for model, sums in found.models.items():
        mine = [row for row in attempts if row["model"] == model]
        assert sums.answered == sum(row["fault"] is None for row in mine)
        assert sums.faults.total() == sum(row["fault"] is not None for row in mine)
        assert sums.cost == pytest.approx(sum(row["cost"] or 0.0 for row in mine))
    assert sum(sums.scored for sums in found.models.values()) == len(scores)
    assert found.scores.so_far()[-1] == pytest.approx(sum(scores) / len(scores))
    assert sum(sum(row.values()) for _, row in found.answers) == sum(each.answered for each in found.models.values())
    assert len(found.opened) <= 10
    store.close()


def test_a_model_that_fell_ill_is_in_the_report(ledger: Path, page: str) -> None:
    store = open_store(f"sqlite:///{ledger}")
    assert ("openai:large", "unhealthy") in {(row["model"], row["new"]) for _, row in store.items(HEALTH)}
    store.close()
    assert "unhealthy" in page


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(page: str) -> None:
    parsed = Page(page)
    assert not parsed.all("link")
    assert not parsed.all("img")
    assert not [each for each in parsed.all("script") if "src" in each]
    for _, attributes in parsed.tags:
        assert not (attributes.get("src") or "").strip()
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in re.sub(r"http-equiv", "", page)
    policy = next(each["content"] for each in parsed.all("meta") if "http-equiv" in each) or ""
    assert policy.startswith("default-src 'none'")


def test_the_page_can_be_used_by_keyboard_and_by_readers(page: str) -> None:
    parsed = Page(page)
    assert all(each.get("scope") in ("col", "row") for each in parsed.all("th"))
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    assert all(each.get("aria-label") for each in parsed.all("svg") if each.get("class") == "chart")
    assert len(parsed.all("details")) == len(parsed.all("summary")) == 40
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for each in parsed.all("a"):
        assert (each["href"] or "").removeprefix("#") in ids
    assert parsed.all("html")[0]["lang"] == "en"
    assert "prefers-color-scheme: dark" in page
    assert "focus-visible" in page


def test_a_decision_opens_to_its_why_and_why_not(ledger: Path) -> None:
    store = open_store(f"sqlite:///{ledger}")
    html = page_of(store, name="x", decisions=240)
    key, row = next((key, row) for key, row in store.items(DECISIONS) if row["excluded"])
    store.close()
    own = html[html.index(f'id="{key}"') :]
    own = own[: own.index("</details>")]
    assert "Why not the others" in own
    assert "does not declare vision" in own
    assert f"{row['probability']:.3f}" in own


def test_prompts_are_nowhere(page: str) -> None:
    assert PROMPT not in page


def test_what_rows_hold_cannot_act_whatever_it_is() -> None:
    store = MemoryStore()
    decision = {
        **dict.fromkeys(("model", "policy", "override", "registry", "pool"), EVIL),
        "at": 1.7e9,
        "probability": 0.5,
        "probabilities": {EVIL: 0.5},
        "needs": [EVIL],
        "excluded": {EVIL: EVIL},
        "behind": [EVIL],
        "excluded_count": 3,
    }
    attempt = {"model": EVIL, "fault": EVIL, "at": 1.7e9, "seconds": 1.0, "cost": 1.0, "status": EVIL}
    store.put_all(
        [
            Write(DECISIONS, EVIL, decision),
            Write(ATTEMPTS, f"{EVIL}:1", attempt),
            Write(FEEDBACK, EVIL, {"score": 0.5, "source": EVIL}),
            Write(HEALTH, EVIL, {"model": EVIL, "old": EVIL, "new": EVIL, "at": 1.0}),
        ]
    )
    parsed = Page(page_of(store, name=EVIL))
    assert len(parsed.all("script")) == 1
    assert not parsed.all("img")
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]


@pytest.mark.parametrize(
    "junk", [None, 3, [], "x", {}, {"at": float("nan")}, {"at": 1e308, "seconds": 1e308}, {"at": "x"}]
)
def test_rows_that_no_ledger_writes_do_no_harm(junk: Any) -> None:
    class Junk(MemoryStore):
        def items(self, space: str) -> Iterator[tuple[str, Any]]:
            return iter([("k", junk), ("l", junk)] if space.startswith("ledger.") else [])

        def get(self, space: str, key: str) -> Any:
            return junk

    Page(page_of(Junk(), name="junk"))


def test_an_empty_ledger_has_a_page_too() -> None:
    assert "no decision yet" in page_of(MemoryStore(), name="empty")


def test_100_000_decisions_are_summed_and_few_are_kept() -> None:
    class Long(MemoryStore):
        def items(self, space: str) -> Iterator[tuple[str, Any]]:
            rows = {DECISIONS: _decision, ATTEMPTS: _attempt}.get(space)
            return (
                ((f"{number}:1" if space == ATTEMPTS else f"{number}", rows(number)) for number in range(100_000))
                if rows
                else iter(())
            )

    found = gather(Long(), opened=50)
    assert found.decisions == found.attempts == 100_000
    assert len(found.opened) == 50
    assert len(list(found.answers)) <= 40
    assert len(found.models) == 5


def _decision(number: int) -> dict[str, Any]:
    model = f"m{number % 5}"
    return {"at": 1.7e9 + number * 30, "model": model, "policy": "p", "probability": 0.4, "probabilities": {model: 0.4}}


def _attempt(number: int) -> dict[str, Any]:
    return {"at": 1.7e9 + number * 30, "model": f"m{number % 5}", "fault": None, "seconds": 1.0, "cost": 0.1}


def test_the_command_writes_the_page(ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["report", str(ledger), "-o", "out.html"], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.startswith("out.html: pointsman.db, ")
    Page((tmp_path / "out.html").read_text())
    found = json.loads(CliRunner().invoke(main, ["report", str(ledger), "--json"]).stdout)
    assert found["decisions"] == 240
    assert not (tmp_path / "report.html").exists()


def test_the_command_reads_the_store_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pointsman.yaml").write_text("store: sqlite:///p.db\nmodels: [{name: a, provider: openai}]\n")
    missing = CliRunner().invoke(main, ["report"])
    assert missing.exit_code == 1
    assert "there is no ledger p.db" in missing.stderr
    assert not Path("p.db").exists()
    router = Router.from_config("pointsman.yaml")
    router.decide("hello")
    router.close()
    assert CliRunner().invoke(main, ["report"], catch_exceptions=False).exit_code == 0
    Page(Path("report.html").read_text())


def test_the_command_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no ledger is named" in CliRunner().invoke(main, ["report"]).stderr


# -- sums


def test_a_timeline_widens_and_loses_nothing() -> None:
    timeline = Timeline(most=10)
    for second in range(100_000):
        timeline.add(1e9 + second, "a", 2.0)
    slots = list(timeline)
    assert len(slots) <= 10
    assert sum(row.get("a", 0.0) for _, row in slots) == 200_000
    assert timeline.width == 10_800
    timeline.add(float("nan"), "a")
    timeline.add(1e300, "a")
    timeline.add(None, "a")
    assert len(list(timeline)) == len(slots)


def test_a_sketch_knows_quantiles_to_five_per_cent() -> None:
    sketch = Sketch()
    for value in range(1, 10_001):
        sketch.add(value / 100)
    assert sketch.quantile(0.5) == pytest.approx(50, rel=0.05)
    assert sketch.quantile(0.95) == pytest.approx(95, rel=0.05)
    assert Sketch().quantile(0.5) is None


def test_a_curve_keeps_the_mean_whatever_its_length() -> None:
    curve = Curve(most=8)
    for number in range(1000):
        curve.add(float(number % 2))
    assert len(curve.points()) <= 8
    assert curve.points()[-1][0] == 1000
    assert curve.so_far()[-1] == 0.5
