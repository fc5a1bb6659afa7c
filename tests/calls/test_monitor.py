"""H1: active checks at an interval, concurrent but bounded, with findings that are remembered."""

from __future__ import annotations

import asyncio
import ssl
import threading
from random import Random
from typing import Any

import pytest
from samples import make_spec

from pointsman import HealthSettings, ModelRegistry, ModelSpec, Router
from pointsman.health.states import Health
from pointsman.monitor import HealthMonitor, check
from pointsman.testing import FakeClock, Fault, ServedModel, serve


class Probe:
    """Counts probes per model; some fail."""

    def __init__(self, *ill: str) -> None:
        self.ill = set(ill)
        self.seen: list[str] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, spec: ModelSpec, timeout: float) -> None:  # noqa: ASYNC109  the probe's signature
        self.seen.append(spec.name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if spec.name in self.ill:
            raise ConnectionRefusedError


def monitor_of(
    clock: FakeClock, probe: Probe, *names: str, **settings: float
) -> tuple[HealthMonitor, Health, ModelRegistry]:
    registry = ModelRegistry(make_spec(name) for name in names)
    health = Health(clock, Random(1), HealthSettings.model_validate(settings))
    return HealthMonitor(registry, health, clock, interval=30, probe=probe, seed=1), health, registry


async def test_a_round_checks_who_is_due_and_nobody_twice(clock: FakeClock) -> None:
    probe = Probe()
    monitor, _, registry = monitor_of(clock, probe, "a", "b")
    await monitor.round()
    await monitor.round()
    assert sorted(probe.seen) == ["a", "b"]
    registry.register_model(make_spec("c"))
    await monitor.round()
    assert sorted(probe.seen) == ["a", "b", "c"], "a new model is due at once"
    clock.advance(33)
    await monitor.round()
    assert sorted(probe.seen) == ["a", "a", "b", "b", "c", "c"]


async def test_thresholds_name_the_state(clock: FakeClock) -> None:
    probe = Probe("a")
    monitor, health, registry = monitor_of(clock, probe, "a", failure_threshold=3, recovery_threshold=2)
    states = []
    for number in range(6):
        if number == 3:
            probe.ill.clear()
        await monitor.round()
        states.append(health.report(registry.get_model("a")).state)
        clock.advance(40)
    assert states == ["degraded", "degraded", "unhealthy", "recovering", "healthy", "healthy"]


async def test_checks_run_at_once_but_not_all_of_them(clock: FakeClock) -> None:
    probe = Probe()
    registry = ModelRegistry(make_spec(f"m{number}") for number in range(20))
    health = Health(clock, Random(1), HealthSettings(concurrency=4))
    await check(registry, health, clock, probe)
    assert probe.most_at_once == 4
    assert len(probe.seen) == 20


async def test_a_task_runs_until_it_is_stopped(clock: FakeClock) -> None:
    probe = Probe()
    monitor, _, _ = monitor_of(clock, probe, "a")
    monitor.start()
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(probe.seen) >= 5
    monitor.stop()
    for _ in range(5):
        await asyncio.sleep(0)
    seen = len(probe.seen)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(probe.seen) == seen


def test_without_a_loop_it_runs_in_a_thread(clock: FakeClock) -> None:
    probe = Probe()
    monitor, health, registry = monitor_of(clock, probe, "a")
    changed = threading.Event()
    health.subscribe(lambda *_: changed.set())
    monitor.start()
    assert changed.wait(10)
    monitor.stop()
    assert health.report(registry.get_model("a")).state == "healthy"


async def test_a_finding_is_good_for_a_while_if_one_says_so() -> None:
    with serve([ServedModel("a")], seed=1) as fleet:
        clock = FakeClock()
        router = Router(ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue()), clock=clock)
        assert (await router.check_health())["openai:a"].healthy
        fleet["a"].kill()
        clock.advance(200)
        assert (await router.check_health(max_age=300))["openai:a"].healthy
        clock.advance(200)
        assert not (await router.check_health(max_age=300))["openai:a"].healthy


async def test_what_cannot_be_probed_is_not_called_healthy() -> None:
    router = Router(ModelRegistry([make_spec("hosted")]), clock=FakeClock())
    report = (await router.check_health())["openai:hosted"]
    assert report.state == "unknown"
    assert report.issues == ("not probed: openai:hosted has no api_base",)
    assert router.decide("hello").model == "openai:hosted", "and it serves as before"


async def test_a_completion_is_asked_for_where_the_settings_say_so() -> None:
    with serve([ServedModel("a"), ServedModel("b"), ServedModel("e")], seed=1) as fleet:
        entries = [ModelSpec(**entry) for entry in fleet.catalogue()]
        entries[2] = entries[2].model_copy(update={"capabilities": ("embedding.text",)})
        fleet["b"].fail(Fault.server_error(500))  # its list of models is served nevertheless
        cheap = Router(ModelRegistry(entries), clock=FakeClock())
        assert all(report.healthy for report in (await cheap.check_health()).values())
        assert fleet["a"].calls == fleet["b"].calls == 0
        router = Router(
            ModelRegistry(entries), clock=FakeClock(), health=HealthSettings(probe="completion", timeout=60)
        )
        reports = await router.check_health()
        assert [reports[f"openai:{name}"].healthy for name in "abe"] == [True, False, True]
        assert (fleet["a"].calls, fleet["b"].calls, fleet["e"].calls) == (1, 1, 0), "embeddings are not asked to talk"


def test_other_registries_arguments_are_taken(clock: FakeClock) -> None:
    router = Router(ModelRegistry([make_spec("a")]), clock=clock)
    monitor = router.monitor(check_interval=300, failure_threshold=5, recovery_threshold=4)
    assert monitor.interval == 300
    assert (router._health.settings.failure_threshold, router._health.settings.recovery_threshold) == (5, 4)
    with pytest.raises(ValueError, match="failure_threshold"):
        router.monitor(failure_threshold=0)


async def test_a_listener_that_fails_does_not_end_the_checks(clock: FakeClock) -> None:
    probe = Probe()
    monitor, health, _ = monitor_of(clock, probe, "a", "b")

    def fail(*_: Any) -> None:
        raise RuntimeError("a listener's own trouble")

    health.subscribe(fail)
    monitor.start()
    for _ in range(100):
        await asyncio.sleep(0)
    monitor.stop()
    assert len(probe.seen) >= 5


def test_a_thread_can_be_stopped_as_soon_as_it_was_started(clock: FakeClock) -> None:
    for _ in range(20):
        monitor, _, _ = monitor_of(clock, Probe(), "a")
        monitor.start().start()
        monitor.stop()
        monitor.stop()
    assert not [each for each in threading.enumerate() if each.name == "pointsman-monitor"]


async def test_a_proxy_that_names_an_interval_checks_from_its_first_request_on() -> None:
    import litellm

    from pointsman.catalog.files import Catalogue
    from pointsman.config import Settings
    from pointsman.litellm.planning import Planner

    with serve([ServedModel("a")], seed=1) as fleet:
        host = litellm.Router(model_list=fleet.litellm_model_list())
        idle, checking = (
            Planner(Catalogue(), Settings(health=HealthSettings(interval=interval))) for interval in (None, 0.01)
        )
        checked = asyncio.Event()
        for planner in (idle, checking):
            planner.refresh(host)
        assert idle.monitor is None
        assert checking.monitor is not None
        assert checking.router is not None
        checking.router.on_health_change(lambda *_: checked.set())
        try:
            await asyncio.wait_for(checked.wait(), 30)
            first = checking.monitor
            checking.refresh(host)
            assert checking.monitor is first, "once"
        finally:
            checking.monitor.stop()
        assert fleet["a"].calls == 0, "what is asked is free"


async def test_a_model_that_is_gone_is_waited_for_no_more(clock: FakeClock) -> None:
    probe = Probe()
    monitor, _, registry = monitor_of(clock, probe, "a", "b")
    await monitor.round()
    registry.unregister_model("a")
    clock.advance(100)
    await monitor.round()
    assert probe.seen[2:] == ["b"]
    before = clock.monotonic()
    monitor.start()
    for _ in range(100):
        await asyncio.sleep(0)
    monitor.stop()
    assert clock.monotonic() - before >= 20 * len(probe.seen[3:]) > 0, "each pause lasts until somebody is due"


def test_a_monitor_whose_loop_has_ended_starts_again(clock: FakeClock) -> None:
    probe = Probe()
    monitor, _, _ = monitor_of(clock, probe, "a")

    async def start() -> None:
        monitor.start()
        for _ in range(10):
            await asyncio.sleep(0)

    rounds = []
    for _ in range(2):
        asyncio.run(start())
        rounds.append(len(probe.seen))
    assert 0 < rounds[0] < rounds[1]
    monitor.stop()
    monitor.start()
    assert [each.name for each in threading.enumerate()].count("pointsman-monitor") == 1
    monitor.stop()


async def test_a_monitor_of_a_loop_is_stopped_from_a_thread(clock: FakeClock) -> None:
    monitor, _, _ = monitor_of(clock, Probe(), "a")
    task = monitor.start()._task
    assert task is not None
    await asyncio.to_thread(monitor.stop)
    await asyncio.wait([task])
    assert task.cancelled()


async def test_certificates_are_read_once_however_many_models_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[int] = []
    load = ssl.SSLContext.load_verify_locations

    def counting(context: ssl.SSLContext, *given: Any, **named: Any) -> None:
        readings.append(1)
        load(context, *given, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
    with serve([ServedModel("a")], seed=1) as fleet:
        specs = [make_spec(f"m{number}", api_base=fleet["a"].url) for number in range(10)]
        router = Router(ModelRegistry(specs), "cheapest")
        reports = await router.check_health()
        assert fleet["a"].calls == 0
    assert {report.issues for report in reports.values()} == {()}
    assert len(readings) <= 1
