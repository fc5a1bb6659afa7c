"""Eight processes on one Redis: a rate limit, an outage, a probe and a limiter are each one for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_server import RedisServer
from shared.fleets import Replicas

from pointsman.testing import Fault, ModelFleet, ServedModel, serve

EIGHT = 8


@pytest.fixture(scope="module")
def served() -> Iterator[ModelFleet]:
    with serve([ServedModel("limited"), ServedModel("spare")]) as fleet:
        yield fleet


@pytest.fixture
def fleet(served: ModelFleet) -> ModelFleet:
    for name in served:
        served[name].heal()
        served[name].clear()
    return served


@pytest.fixture(scope="module")
def eight(served: ModelFleet, redis_server: RedisServer) -> Iterator[Replicas]:
    with Replicas(EIGHT, catalogue(served), f"{redis_server.url}?prefix=eight:&timeout=5") as replicas:
        yield replicas


def catalogue(fleet: ModelFleet) -> list[dict[str, object]]:
    priorities = {"limited": 1, "spare": 2}
    return [{**entry, "priority": priorities[str(entry["name"])]} for entry in fleet.catalogue()]


def test_at_the_end_of_a_rate_limit_one_request_of_400_from_8_processes_reaches_the_model(
    fleet: ModelFleet, eight: Replicas
) -> None:
    limited = fleet["limited"]
    limited.fail(Fault.rate_limited("4"), times=1)
    assert eight.tell(0, "ask", calls=1, deadline=30)["served"] == {"spare": 1}
    assert limited.calls == 1
    eight.tell_all("wait_behind", model="limited")
    limited.fail(Fault.hang())
    eight.tell_all("wait_available", model="limited")
    answers = eight.tell_all("ask", calls=50, deadline=16)
    assert [answer["lost"] for answer in answers] == [[]] * EIGHT
    assert sum(answer["served"].get("spare", 0) for answer in answers) == 50 * EIGHT
    assert limited.calls == 2, "the one that was refused, and one probe of all"


def test_a_breaker_opens_once_for_all_and_closes_for_all(fleet: ModelFleet, redis_url: str) -> None:
    limited = fleet["limited"]
    with Replicas(3, catalogue(fleet), redis_url) as replicas:
        limited.fail(Fault.server_error(500))
        for _ in range(5):
            assert replicas.tell(0, "ask", calls=1, deadline=30)["served"] == {"spare": 1}
        states = replicas.tell_all("wait_behind", model="limited")
        assert {state["state"] for state in states} == {"unhealthy"}
        assert limited.calls == 5
        assert replicas.tell(1, "ask", calls=5, deadline=30)["served"] == {"spare": 5}
        assert limited.calls == 5, "nobody else had to find out"
        limited.heal()
        replicas.tell_all("wait_available", model="limited")
        assert replicas.tell(2, "ask", calls=1, deadline=30)["served"] == {"limited": 1}
        followers = replicas.tell_all("ask", calls=2, deadline=30)
        assert [answer["served"] for answer in followers] == [{"limited": 2}] * 3


def test_a_killed_process_gives_up_its_probe_and_counts_no_more(fleet: ModelFleet, redis_url: str) -> None:
    limited = fleet["limited"]
    with Replicas(2, catalogue(fleet), redis_url) as replicas:
        replicas.tell_all("replicas", count=2)
        limited.fail(Fault.rate_limited("1"), times=1)
        replicas.tell(0, "ask", calls=1, deadline=30)
        limited.fail(Fault.hang())
        replicas.tell_all("wait_behind", model="limited")
        replicas.tell_all("wait_available", model="limited")
        replicas.order(0, "ask", calls=1, deadline=300)
        assert limited.wait_until(lambda server: server.calls == 2)
        limited.heal()
        replicas.kill(0)
        replicas.tell(1, "replicas", count=1)
        served: list[str] = []
        # It counts no more five seconds after its last round, its lease ends five seconds after it was taken.
        while "limited" not in served and len(served) < 8:
            replicas.tell(1, "wait_available", model="limited")
            served += replicas.tell(1, "ask", calls=1, deadline=30)["served"]
        assert served[-1] == "limited"


def test_eight_processes_are_never_admitted_more_than_the_limit(eight: Replicas) -> None:
    limit = 100
    # A period so long that nothing worth counting refills while the test runs.
    answers = eight.tell_all("take", key="rpm|m", limit=limit, period=86_400.0, tries=50)
    assert sum(answer["alone"] for answer in answers) == 0
    assert sum(answer["admitted"] for answer in answers) == limit


def test_eight_processes_use_up_a_quota_once(fleet: ModelFleet, eight: Replicas) -> None:
    answers = eight.tell_all("ask", calls=20, deadline=60, quota=100)
    served = sum(sum(answer["served"].values()) for answer in answers)
    refused = [name for answer in answers for name in answer["lost"]]
    assert served == fleet.calls == 100
    assert refused == ["BudgetExceededError"] * 60
