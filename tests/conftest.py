"""What all tests share: no network but loopback, a fleet of models that differ, a clock that only moves when told."""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from redis_server import RedisServer, find_redis
from samples import make_spec

from pointsman import ModelRegistry, Router
from pointsman.testing import FakeClock

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("pointsman", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pointsman")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def registry() -> ModelRegistry:
    """Four models: cheap and small, dear and good, fast, and one without tools."""
    return ModelRegistry(
        [
            make_spec(
                "cheap",
                capabilities=["generation.text.chat", "tools"],
                context_window=16_000,
                max_output_tokens=4_000,
                cost_per_1m_input_tokens=0.1,
                cost_per_1m_output_tokens=0.4,
                quality={"reasoning": 0.6},
                latency_p50=1.0,
            ),
            make_spec(
                "good",
                capabilities=["generation.text.chat", "tools", "vision", "json.schema"],
                context_window=128_000,
                max_output_tokens=16_000,
                cost_per_1m_input_tokens=5,
                cost_per_1m_output_tokens=20,
                quality={"reasoning": 0.9},
                latency_p50=3.0,
            ),
            make_spec(
                "fast",
                capabilities=["generation.text.chat", "tools", "json"],
                context_window=32_000,
                max_output_tokens=8_000,
                cost_per_1m_input_tokens=1,
                cost_per_1m_output_tokens=4,
                quality={"reasoning": 0.7},
                latency_p50=0.3,
            ),
            make_spec(
                "plain",
                capabilities=["generation.text.chat"],
                context_window=8_000,
                max_output_tokens=2_000,
                cost_per_1m_input_tokens=0.5,
                cost_per_1m_output_tokens=1,
            ),
        ]
    )


@pytest.fixture
def make_router(registry: ModelRegistry, clock: FakeClock) -> Callable[..., Router]:
    """Build a router over the four models with the fake clock; keywords as `Router` takes them."""

    def make(policy: Any = "cheapest", **options: Any) -> Router:
        return Router(options.pop("registry", registry), policy, **{"clock": clock, "seed": 1, **options})

    return make


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server for everybody; whoever harms it takes `own_redis`."""
    server = RedisServer(find_redis())
    yield server
    server.kill()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of the test's own, to pause, kill and flush."""
    server = RedisServer(find_redis())
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A place on the server that no other test uses; a stall of the machine is no outage there."""
    return f"{redis_server.url}?prefix={uuid4().hex[:8]}:&timeout=5"
