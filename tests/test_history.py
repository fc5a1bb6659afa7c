"""R10, R9, R14: versions, rollback, persistence, hot reload while others read, and a sudden end at any moment."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from samples import LONG, make_spec

from pointsman import CatalogError, ModelNotFoundError, ModelRegistry, Outcome, Router
from pointsman.errors import UnknownVersionError
from pointsman.events import RegistryEvent
from pointsman.stores import open_store
from pointsman.watch import FileWatch

FILE = "models:\n  - {name: a, provider: openai, context_window: 1000}\n  - {name: b, provider: openai}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pointsman.yaml"
    path.write_text(FILE)
    return path


def test_r10_every_change_is_a_version_and_can_be_undone(registry: ModelRegistry) -> None:
    first = registry.version
    registry.unregister_model("cheap")
    registry.register_model(make_spec("new"))
    registry.register_model(make_spec("good", context_window=5), replace=True)
    difference = registry.diff(first)
    assert [spec.name for spec in difference.added] == ["cheap"]
    assert [spec.name for spec in difference.removed] == ["new"]
    assert "context_window: 5 -> 128000" in str(difference)
    registry.rollback(first[:8])
    assert registry.version == first
    assert not registry.diff(first)
    assert [each.reason for each in registry.history()][-2:] == [
        "registered openai:good",
        f"rolled back to {first[:8]}",
    ]
    with pytest.raises(UnknownVersionError):
        registry.rollback("nonsense")


def test_r10_what_is_registered_by_hand_persists_and_the_file_keeps_the_rest(path: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/p.db")
    registry = ModelRegistry.load(path, store)
    registry.register_model(make_spec("mine", context_window=7))
    registry.register_model(make_spec("a", context_window=9), replace=True)
    registry.register_model(make_spec("gone"))
    registry.unregister_model("gone")
    old = registry.version
    again = ModelRegistry.load(path, open_store(f"sqlite:///{tmp_path}/p.db"))
    assert again.version == old
    assert again.get_model("a").context_window == 9, "by hand goes before the file"
    assert "gone" not in again
    again.unregister_model("mine")
    again.rollback(old)
    assert "mine" in ModelRegistry.load(path, open_store(f"sqlite:///{tmp_path}/p.db"))


def test_r10_any_version_can_be_put_together_from_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    registry = ModelRegistry()
    registry.attach(open_store(url))
    versions = []
    for number in range(230):
        registry.register_model(make_spec(f"m{number % 7}", context_window=number + 1), replace=True)
        versions.append((registry.version, {spec.name: spec.context_window for spec in registry}))
    later = ModelRegistry()
    later.attach(open_store(url))
    for version, content in versions[::37]:
        later.rollback(version)
        assert {spec.name: spec.context_window for spec in later} == content


def test_r10_what_is_exported_is_read_back_to_the_same_version(tmp_path: Path) -> None:
    registry = ModelRegistry.builtin("openai", "ollama")
    registry.export(tmp_path / "export.yaml")
    assert ModelRegistry.load(tmp_path / "export.yaml").version == registry.version


def test_r9_a_changed_file_is_taken_over_and_a_broken_one_is_not(path: Path) -> None:
    registry = ModelRegistry.load(path)
    registry.register_model(make_spec("mine"))
    events: list[RegistryEvent] = []
    registry.subscribe(events.append)
    watch = FileWatch(registry)
    assert not watch.poll()
    path.write_text(FILE.replace("1000", "2000").replace("name: b", "name: c"))
    assert watch.poll()
    assert registry.get_model("a").context_window == 2000
    assert "b" not in registry
    assert "mine" in registry
    path.write_text("models: [")
    assert not watch.poll()
    with pytest.raises(CatalogError):
        registry.reload()
    assert registry.get_model("a").context_window == 2000
    assert [event.kind for event in events] == ["reloaded", "reload_failed", "reload_failed"]
    assert events[1].error is not None
    assert events[1].error.path == str(path)


def test_r9_a_file_that_is_being_written_is_not_read_half(path: Path) -> None:
    registry = ModelRegistry.load(path)
    reloaded, failed = threading.Event(), threading.Event()

    def told(event: RegistryEvent) -> None:
        if event.kind == "reloaded":
            reloaded.set()
            raise RuntimeError("a listener's own trouble")
        failed.set()

    registry.subscribe(told)
    watch = FileWatch(registry)
    path.write_text("")
    assert not watch.poll()
    assert "a" in registry, "an editor empties a file before it writes it"
    with FileWatch(registry, interval=0.01):
        path.write_text(FILE.replace("1000", "2000"))
        assert reloaded.wait(30)
        assert registry.get_model("a").context_window == 2000
        path.write_text("models: [")
        assert failed.wait(30), "it goes on after a listener has failed"
    assert "pointsman-watch" not in {each.name for each in threading.enumerate()}


def test_r7_a_status_outlives_reloads_until_the_file_changes_it(path: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    registry = ModelRegistry.load(path, open_store(url))
    registry.update_model_status("a", "maintenance", reason="upgrade")
    registry.update_model_status("a", "disabled", reason="broken")
    registry.reload()
    assert registry.get_model("a").status == "disabled"
    again = ModelRegistry.load(path, open_store(url))
    assert (again.get_model("a").status, again.get_model("a").status_reason) == ("disabled", "broken")
    events: list[RegistryEvent] = []
    again.subscribe(events.append)
    path.write_text(FILE.replace("context_window: 1000", "status: deprecated"))
    again.reload()
    assert again.get_model("a").status == "deprecated"
    assert RegistryEvent("overlay_dropped", "openai:a") in events
    assert ModelRegistry.load(path, open_store(url)).get_model("a").status == "deprecated"


def test_r11_an_approved_fact_lies_over_the_file_until_the_file_changes_it(path: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    registry = ModelRegistry.load(path, open_store(url))
    registry.amend_model("a", {"context_window": 5000, "max_output_tokens": 100})
    registry.update_model_status("a", "maintenance")
    registry.reload()
    again = ModelRegistry.load(path, open_store(url)).get_model("a")
    assert (again.context_window, again.max_output_tokens, again.status) == (5000, 100, "maintenance")
    events: list[RegistryEvent] = []
    registry.subscribe(events.append)
    path.write_text(FILE.replace("1000", "3000"))
    registry.reload()
    amended = registry.get_model("a")
    assert (amended.context_window, amended.max_output_tokens, amended.status) == (3000, 100, "maintenance")
    assert RegistryEvent("overlay_dropped", "openai:a") in events
    assert ModelRegistry.load(path, open_store(url)).get_model("a") == amended


def test_r9_learner_and_health_survive_a_reload_and_the_gone_keep_their_history(path: Path) -> None:
    registry = ModelRegistry.load(path)
    router = Router(registry, "ucb", seed=1)
    for _ in range(10):
        router.observe(router.decide("hi"), Outcome(seconds=0.1))
    for _ in range(5):
        router.observe(router.decide("hi"), Outcome(error=ConnectionRefusedError()), model="openai:a")
    before = router.statistics()["selection_stats"]["model_performance"]
    path.write_text(FILE.replace("name: b", "name: c"))
    registry.reload()
    assert router.statistics()["selection_stats"]["model_performance"] == before
    assert router.health("a").state == "unhealthy"


@pytest.mark.long
def test_r14_readers_see_the_old_registry_or_the_new_never_half(path: Path) -> None:
    small = "models:\n" + "".join(
        f"  - {{name: m{n}, provider: openai, context_window: 100, max_output_tokens: 10}}\n" for n in range(20)
    )
    large = small.replace("100", "900").replace("10}", "90}")
    path.write_text(small)
    registry = ModelRegistry.load(path)
    router = Router(registry, "ucb", seed=1)
    wrong: list[object] = []
    stop = threading.Event()

    def reads() -> None:
        while not stop.is_set():
            try:
                snapshot = registry.snapshot
                kinds = {(spec.context_window, spec.max_output_tokens) for spec in snapshot.arms(snapshot.live)}
                decision = router.decide("hi")
                router.observe(decision, Outcome(seconds=0.1))
                if kinds not in ({(100, 10)}, {(900, 90)}) or len(decision.eligible) != 20:
                    wrong.append(kinds)
            except Exception as error:  # noqa: BLE001  any exception in a reader fails the test
                wrong.append(error)

    threads = [threading.Thread(target=reads) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(1000 if LONG else 100):
        if number % 50 == 0:
            path.write_text(large if number % 100 else small)
        registry.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    performance = router.statistics()["selection_stats"]["model_performance"]
    assert len(performance) == 20, "no learner row is lost"


WRITER = """
import sys
from pointsman import ModelRegistry, ModelSpec
from pointsman.stores import open_store
registry = ModelRegistry()
registry.attach(open_store(sys.argv[1]))
print("ready", flush=True)
number = len(registry)
while True:
    number += 1
    registry.register_model(ModelSpec(name=f"m{number}", provider="openai", context_window=number))
    print(number, flush=True)
"""


@pytest.mark.long
def test_r10_a_sudden_end_leaves_the_old_version_or_the_new(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    acknowledged = 0
    for round_number in range(100 if LONG else 12):
        process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(1 + round_number % 4):
            acknowledged = int(process.stdout.readline())
        process.kill()
        process.wait()
        process.stdout.close()
        registry = ModelRegistry()
        registry.attach(open_store(url))
        names = sorted(int(spec.name[1:]) for spec in registry)
        assert names == list(range(1, len(names) + 1)), "no model is missing in between"
        assert len(names) >= acknowledged, "what was acknowledged is there"
        newest = registry.history()[-1]
        assert newest.models == len(names)


def test_a_model_that_is_removed_is_not_found(registry: ModelRegistry) -> None:
    registry.unregister_model("cheap")
    with pytest.raises(ModelNotFoundError):
        registry.unregister_model("cheap")
