"""URLs of a Redis, and the thread beside the calls: what they accept, what they never say, when they end."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from random import Random

import pytest
from samples import StatusError, make_spec

from pointsman import ConfigError, ModelRegistry, Router
from pointsman.config import Settings
from pointsman.faults import Fault, FaultKind, classify
from pointsman.health.states import Health
from pointsman.shared.redis_replicas import RedisReplicas
from pointsman.stores import open_store
from pointsman.stores.redis import RedisStore
from pointsman.stores.redis_link import RedisLink
from pointsman.testing import FakeClock

A = make_spec("a")


@pytest.mark.parametrize(
    ("url", "address", "prefix"),
    [
        ("redis://localhost", "redis://localhost:6379/0", "pointsman:"),
        ("redis://h:7000/3?prefix=team%3A", "redis://h:7000/3", "team:"),
        ("rediss://user:p%40ss@h:7000/1", "rediss://h:7000/1", "pointsman:"),
        ("redis://:p@ss@h/1", "redis://h:6379/1", "pointsman:"),
        ("unix:///run/redis.sock?db=2&timeout=0.1", "unix:///run/redis.sock", "pointsman:"),
    ],
)
def test_urls_are_read_and_shown_without_their_secrets(url: str, address: str, prefix: str) -> None:
    link = RedisLink(url)
    assert (link.address, link.prefix) == (address, prefix)
    assert "ss@" not in repr(link)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://:s3cret@",
        "redis://:s3cret@h:port",
        "redis://:s3cret@h/x",
        "redis://:s3cret@h/-1",
        "redis://:s3cret@h?prefx=a",
        "redis://:s3cret@h?timeout=never",
        "redis://:s3cret@h?timeout=nan",
        "redis://:s3cret@h?timeout=0",
        "unix://?db=1",
    ],
)
def test_a_url_of_another_form_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert "s3cret" not in f"{caught.value}{caught.value!r}{caught.value.__cause__}"


def test_a_url_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setenv("STATE_URL", redis_url)
    store = open_store("env:STATE_URL")
    assert isinstance(store, RedisStore)
    store.put("s", "k", 1)
    assert open_store(redis_url).get("s", "k") == 1
    monkeypatch.delenv("STATE_URL")
    with pytest.raises(ConfigError, match="STATE_URL"):
        open_store("env:STATE_URL")


def test_settings_do_not_show_the_url() -> None:
    assert "s3cret" not in repr(Settings(store="redis://:s3cret@h"))


def test_processes_whose_clocks_differ_by_hours_mean_the_same_moments(redis_url: str) -> None:
    clocks = [FakeClock(10.0), FakeClock(100_000.0, epoch=1.0)]
    parts = [Health(clock, Random(1)) for clock in clocks]
    replicas = [
        RedisReplicas(RedisLink(redis_url), health, clock, lambda: None)
        for health, clock in zip(parts, clocks, strict=True)
    ]
    for health, each in zip(parts, replicas, strict=True):
        health.sharing.replicas = each
    for _ in range(5):
        parts[0].failed(A, Fault(FaultKind.SERVER_ERROR))
    for each in replicas:
        each.exchange()
    assert parts[1].available_in(A) == pytest.approx(parts[0].available_in(A), abs=1)
    assert parts[1].available_in(A) > 0
    assert replicas[1].count == 2
    for clock in clocks:
        clock.advance(10)
    assert not parts[1].admit(A), "by the server's clock the opening is not over, and it decides who probes"


@pytest.mark.parametrize(
    ("error", "issue"),
    [
        (StatusError(429, retry_after="30"), "rate limited"),
        (StatusError(402), "credential was refused"),
        (StatusError(404), "breaker open"),
    ],
)
def test_what_is_not_well_in_one_process_is_behind_in_the_other_until_it_is_well(
    redis_url: str, clock: FakeClock, error: StatusError, issue: str
) -> None:
    here, there = (Health(clock, Random(1)) for _ in range(2))
    for health in (here, there):
        health.sharing.replicas = RedisReplicas(RedisLink(redis_url), health, clock, lambda: None)
    snapshot = ModelRegistry([A]).snapshot

    def exchange() -> None:
        for health in (here, there, here):
            assert isinstance(health.sharing.replicas, RedisReplicas)
            health.sharing.replicas.exchange()

    here.failed(A, classify(error))
    exchange()
    assert there.behind(snapshot) == here.behind(snapshot) == snapshot.mask("provider:openai")
    assert issue in str(there.report(A))
    clock.advance(1000)
    there.succeeded(A, 0.0)
    exchange()
    assert there.sharing.windows() == here.sharing.windows() == {}
    assert there.behind(snapshot) == here.behind(snapshot) == 0


def test_a_probe_is_taken_once_and_given_back_by_its_owner_alone(redis_url: str) -> None:
    clock = FakeClock()
    first, second = (
        RedisReplicas(RedisLink(redis_url), Health(clock, Random(1)), clock, lambda: None) for _ in range(2)
    )
    assert first.take_probe("throttle|m", 60)
    assert not second.take_probe("throttle|m", 60)
    second.give_back("throttle|m")
    second.exchange()
    assert not second.take_probe("throttle|m", 60)
    first.give_back("throttle|m")
    first.exchange()
    assert second.take_probe("throttle|m", 60)
    clock.advance(61)
    for _ in range(2):  # what has run out is given back by the next exchange but one at the latest
        second.exchange()
    assert first.take_probe("throttle|m", 60)
    first.leave()
    assert second.take_probe("throttle|m", 60)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_the_thread_ends_with_its_router(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path}/p.db" if kind == "sqlite" else str(request.getfixturevalue("redis_url"))
    before = set(threading.enumerate())
    closed, dropped = (Router(ModelRegistry([make_spec("m")]), "ucb", url) for _ in range(2))
    assert set(threading.enumerate()) == before, "a router that decides nothing starts nothing"
    closed.decide("hi")
    dropped.decide("hi")
    started = set(threading.enumerate()) - before
    assert len(started) == 2
    closed.close()
    closed.close()
    del dropped
    for thread in started:
        for _ in range(100):  # what it has learnt is written first
            gc.collect()
            thread.join(0.1)
            if not thread.is_alive():
                break
        assert not thread.is_alive()
