"""H1: active checks at an interval, concurrent but bounded, with findings that are remembered."""

from __future__ import annotations

import asyncio
import threading
from random import Random

from samples import make_spec

from pointsman import HealthSettings, ModelRegistry, ModelSpec, Router
from pointsman.health import Health
from pointsman.monitor import HealthMonitor, check
from pointsman.testing import FakeClock, ServedModel, serve


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
