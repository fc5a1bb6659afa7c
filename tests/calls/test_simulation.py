"""Many calls against models that break and heal at random, in virtual time: nothing is lost, and the same seed repeats."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, NamedTuple, get_args

import pytest
from samples import LONG

from pointsman import ModelRegistry, ModelSpec, Router, StreamInterruptedError
from pointsman.failover.calls import CallSettings
from pointsman.failover.steps import Attempt
from pointsman.testing import SimulatedModel, VirtualClock, VirtualLoop, run_virtually
from pointsman.testing.simulated import Behaviour

TROUBLES: tuple[Behaviour, ...] = get_args(Behaviour)
HINTS = (None, "0", "1.5", "-5", "86400", "Fri, 01 Jan 2100 00:00:00 GMT", "NaN")
DEADLINE, TIMEOUT = 60.0, 3.0


class Result(NamedTuple):
    """What became of one call."""

    text: str
    error: str | None
    seconds: float


class World:
    """Some models, one of which never fails, a router over them, and troubles that come and go."""

    def __init__(self, seed: int, policy: str | None = None) -> None:
        self.rng = Random(seed)
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        count = self.rng.randint(2, 5)
        self.models = [
            SimulatedModel(f"m{number}", Random(seed * 10 + number), self.rng.uniform(0.05, 0.6))
            for number in range(count)
        ]
        self.safe = self.rng.choice(self.models)
        specs = [
            ModelSpec(
                name=model.name,
                provider="simulated" if self.rng.random() < 0.3 else f"provider-{number}",
                capabilities=("generation.text.chat",),
                cost_per_1m_input_tokens=1.0 + number,
                cost_per_1m_output_tokens=1.0 + number,
            )
            for number, model in enumerate(self.models)
        ]
        if any(spec.provider == "simulated" and spec.name == self.safe.name for spec in specs):
            # A credential that is refused takes all its models along; the one that never fails has its own.
            specs = [
                spec.model_copy(update={"provider": "alone"}) if spec.name == self.safe.name else spec for spec in specs
            ]
        self.by_name = {model.name: model for model in self.models}
        self.router = Router(
            ModelRegistry(specs),
            policy or self.rng.choice(["cheapest", "round_robin", "weighted", "ucb"]),
            clock=self.clock,
            seed=seed,
            calls=CallSettings(timeout=TIMEOUT, deadline=DEADLINE),
        )

    async def troubles(self, model: SimulatedModel) -> None:
        """Let a model break and heal for as long as this runs."""
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / 15))
            model.behaviour = self.rng.choice(TROUBLES)
            model.retry_after = self.rng.choice(HINTS)

    async def call(self) -> Result:
        """Ask once, for a whole answer or a stream."""
        started = self.loop.time()
        parts: list[str] = []
        streamed = self.rng.random() < 0.5
        try:
            if streamed:
                async for chunk in self.router.astream("hello", lambda each: self.model(each).stream(each)):
                    parts.append(chunk["choices"][0]["delta"].get("content", ""))  # noqa: PERF401  what came before an error counts
            else:
                answer = await self.router.arun("hello", lambda each: self.model(each).answer(each))
                parts.append(answer["choices"][0]["message"]["content"])
        except Exception as error:  # noqa: BLE001  judged below
            return Result("".join(parts), type(error).__name__, self.loop.time() - started)
        return Result("".join(parts), None, self.loop.time() - started)

    def model(self, attempt: Attempt) -> SimulatedModel:
        return self.by_name[attempt.spec.name]

    async def play(self, requests: int) -> list[Result]:
        """Ask so often, at random moments, while everybody but one breaks and heals."""
        trouble = [asyncio.create_task(self.troubles(model)) for model in self.models if model is not self.safe]
        calls = []
        for _ in range(requests):
            await asyncio.sleep(self.rng.expovariate(2.0))
            calls.append(asyncio.create_task(self.call()))
        results = await asyncio.gather(*calls)
        for task in trouble:
            task.cancel()
        await asyncio.gather(*trouble, return_exceptions=True)
        return list(results)


def play(seed: int, requests: int = 60) -> tuple[World, list[Result]]:
    world = World(seed)
    return world, run_virtually(world.play(requests), world.loop)


@pytest.mark.parametrize("seed", range(2_000 if LONG else 60))
@pytest.mark.long
def test_nothing_is_lost_while_one_model_can_serve(seed: int) -> None:
    world, results = play(seed)
    whole = {model.text for model in world.models}
    for result in results:
        if result.error is None:
            assert result.text in whole
        else:
            assert result.error == StreamInterruptedError.__name__
            assert any(text.startswith(result.text) for text in whole), "a stream is a part of one answer"
        assert result.seconds <= DEADLINE
    assert all(model.in_flight == 0 for model in world.models)


def test_the_troubles_are_met() -> None:
    worlds = [play(seed) for seed in range(10)]
    assert sum(model.calls for world, _ in worlds for model in world.models) > sum(len(r) for _, r in worlds)


def test_the_same_seed_plays_the_same() -> None:
    first, again, other = play(11)[1], play(11)[1], play(12)[1]
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(10))
def test_whoever_heals_is_used_again(seed: int) -> None:
    world = World(seed, "round_robin")

    async def broken_then_well() -> list[int]:
        await world.play(40)
        for model in world.models:
            model.behaviour = "well"
        for _ in range(60):  # half an hour, the longest cool-down twice
            await asyncio.sleep(30)
            await asyncio.gather(*(world.call() for _ in world.models))
        before = [model.calls for model in world.models]
        await asyncio.gather(*(world.call() for _ in range(4 * len(world.models))))
        return [model.calls - count for model, count in zip(world.models, before, strict=True)]

    assert set(run_virtually(broken_then_well(), world.loop)) == {4}
    assert all(world.router.health(model.name).healthy for model in world.models)


@pytest.mark.parametrize("seed", range(5))
def test_calls_that_are_cancelled_leave_nothing_behind(seed: int) -> None:
    world = World(seed)

    async def cancelled() -> int:
        for model in world.models:
            model.behaviour = "hang" if model is not world.safe else "well"
        calls = [asyncio.create_task(world.call()) for _ in range(40)]
        await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return len(asyncio.all_tasks()) - 1

    assert run_virtually(cancelled(), world.loop) == 0
    assert all(model.in_flight == 0 for model in world.models)
    assert {world.router.health(model.name).state for model in world.models} == {"unknown"}


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_wall_clock_that_jumps_changes_no_state(step: float) -> None:
    calm, jumped = World(3), World(3)

    async def with_a_jump(world: World, seconds: float) -> list[Result]:
        before = await world.play(30)
        world.clock.epoch += seconds
        states = [world.router.health(model.name) for model in world.models]
        assert states == [world.router.health(model.name) for model in world.models]
        return before + await world.play(30)

    results: list[Any] = [
        run_virtually(with_a_jump(calm, 0.0), calm.loop),
        run_virtually(with_a_jump(jumped, step), jumped.loop),
    ]
    assert results[0] == results[1]
