"""Redis hung, killed, flushed or cut off while calls go on: none is lost, none waits long, and afterwards all is shared."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis_server import RedisServer, Wire
from samples import LONG, StatusError, make_spec

from pointsman import ModelRegistry, Outcome, Request, Router, StoreError
from pointsman.faults import Fault, FaultKind
from pointsman.learning.ledger import ATTEMPTS, DECISIONS
from pointsman.limits.settings import LimitSettings, Rate
from pointsman.stores.redis import RedisStore
from pointsman.stores.redis_link import RedisLink
from pointsman.stores.write_behind import WriteBehind

THREADS, CALLS = 4, 400 if LONG else 100


def make_registry() -> ModelRegistry:
    return ModelRegistry([make_spec("a"), make_spec("b")])


def make_router(url: str) -> Router:
    limits = LimitSettings(models={"openai:a": Rate(rpm=10**9), "openai:b": Rate(rpm=10**9)})
    return Router(make_registry(), "ucb", url, limits=limits)


def link_of(router: Router) -> RedisLink:
    assert isinstance(router.store, WriteBehind)
    assert isinstance(router.store.store, RedisStore)
    return router.store.store.link


def flush(router: Router) -> None:
    """Write and read everything, as soon as the server answers; on a busy machine it may seem away once more."""
    back = threading.Event()
    link_of(router).on_return(back.set)
    for _ in range(100):
        try:
            router.flush()
        except StoreError:
            back.wait(0.1)
        else:
            return
    raise AssertionError("the server did not come back")


class Traffic:
    """Calls from several threads; in the middle something happens, and all go on."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.lost: list[BaseException] = []
        self.seconds: list[float] = []

    def run(self, happens: Callable[[], None]) -> None:
        half = threading.Barrier(THREADS, action=happens)
        threads = [threading.Thread(target=self._call, args=(half,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def say(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The slowest call, for people; a machine that is busy proves nothing."""
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {len(self.seconds)} calls, slowest {max(self.seconds) * 1e3:.0f} ms\n")

    def _call(self, half: threading.Barrier) -> None:
        for number in range(CALLS):
            if number == CALLS // 2:
                half.wait()
            began = time.perf_counter()
            try:
                assert self.router.run("hi", lambda attempt: f"from {attempt.model}", deadline=None).startswith("from")
            except BaseException as error:  # noqa: BLE001  counted below
                self.lost.append(error)
            self.seconds.append(time.perf_counter() - began)


@pytest.fixture
def wire(own_redis: RedisServer) -> Iterator[Wire]:
    with Wire(own_redis.port) as wire:
        yield wire


def test_nothing_is_lost_and_no_row_either_while_redis_hangs_or_is_cut_off(
    own_redis: RedisServer, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    harms: dict[str, tuple[str, Callable[[], None], Callable[[], None]]] = {
        "SIGSTOP": (f"{own_redis.url}?prefix=stop:", own_redis.pause, own_redis.resume),
        "partition": (f"{wire.url}?prefix=cut:", wire.cut, wire.mend),
    }
    for name, (url, harm, heal) in harms.items():
        router = make_router(url)
        traffic = Traffic(router)
        traffic.run(harm)
        assert traffic.lost == []
        assert link_of(router).outages >= 1
        heal()
        flush(router)
        assert router.ledger._store.count(DECISIONS) == THREADS * CALLS
        assert router.ledger._store.count(ATTEMPTS) == THREADS * CALLS
        assert router.statistics()["dropped_writes"] == 0
        router.close()
        traffic.say(name, capsys)


def test_nothing_is_lost_when_redis_is_killed_and_what_is_known_is_written_again(
    own_redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{own_redis.url}?timeout=5"
    router = make_router(url)
    traffic = Traffic(router)
    traffic.run(own_redis.kill)
    assert traffic.lost == []
    for _ in range(5):
        router._health.failed(router.registry.get_model("a"), Fault(FaultKind.SERVER_ERROR))
    own_redis.start()
    flush(router)
    flush(router)  # the first found that the server has lost everything
    fresh = make_router(url)
    flush(fresh)
    assert fresh.health("a").state == "unhealthy"
    assert fresh.statistics()["selection_stats"]["total_attempts"] == THREADS * CALLS
    for each in (fresh, router):
        each.close()
    traffic.say("kill -9", capsys)


def test_what_was_flushed_is_told_again(own_redis: RedisServer) -> None:
    url = f"{own_redis.url}?timeout=5"
    first, second = make_router(url), make_router(url)
    for _ in range(5):
        first._health.failed(first.registry.get_model("a"), Fault(FaultKind.SERVER_ERROR))
    first.observe(first.decide("hi"), Outcome(seconds=0.1))
    first.flush()
    second.flush()
    assert second.health("a").state == "unhealthy"
    own_redis.ask("FLUSHALL")
    first.flush()
    first.flush()
    third = make_router(url)
    third.flush()
    assert third.health("a").state == "unhealthy"
    assert third.statistics()["selection_stats"]["total_attempts"] == 1
    for router in (first, second, third):
        router.close()


def test_a_process_starts_while_redis_is_away_and_joins_later(own_redis: RedisServer) -> None:
    own_redis.kill()
    router = make_router(f"{own_redis.url}?timeout=5")
    assert router.run("hi", lambda _: "answer") == "answer"
    assert not router.registry.attached
    own_redis.start()
    flush(router)
    assert router._shared is not None
    router._shared.exchange()
    assert router.registry.attached
    assert router.ledger._store.count(ATTEMPTS) == 1
    router.close()


def test_a_score_while_redis_is_away_is_a_typed_error_without_the_password(own_redis: RedisServer) -> None:
    url = own_redis.url.replace("redis://", "redis://user:s3cret@")
    router = make_router(url)
    decision = router.decide(Request(messages="hi"))
    own_redis.kill()
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            router.feedback(decision.id, 0.5)
        assert caught.value.code == "E4301"
        assert "s3cret" not in f"{caught.value} {caught.value!r} {router.store!r} {router!r} {link_of(router)!r}"
        assert caught.value.__cause__ is None


def test_a_wrong_password_is_said_and_never_repeated(own_redis: RedisServer) -> None:
    own_redis.ask("CONFIG", "SET", "requirepass", "right")
    store = RedisStore(own_redis.url.replace("redis://", "redis://:wr0ng@"))
    with pytest.raises(StoreError, match="refuses the credentials") as caught:
        store.get("s", "k")
    assert "wr0ng" not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert store.link.is_up, "it answers; a circuit would hide what is wrong"


def test_what_waits_is_bounded_and_counted(own_redis: RedisServer) -> None:
    store = WriteBehind(RedisStore(own_redis.url), most=10)
    own_redis.kill()
    for number in range(25):
        store.put("s", str(number), number)
    assert (len(store), store.dropped) == (10, 15)
    assert store.get("s", "24") == 24
    with pytest.raises(StoreError):
        store.flush()
    assert len(store) == 10


def test_calls_that_fail_over_do_so_without_redis_too(own_redis: RedisServer) -> None:
    router = Router(make_registry(), "priority", own_redis.url)
    own_redis.pause()

    def call(attempt: Any) -> str:
        if attempt.spec.name == "a":
            raise StatusError(429, retry_after="1")
        return "answer"

    assert [router.run("hi", call) for _ in range(20)] == ["answer"] * 20
    own_redis.resume()
