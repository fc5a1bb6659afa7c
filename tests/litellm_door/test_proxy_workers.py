"""A fleet of two processes, as workers of one proxy or as two proxies, that share a SQLite file or all state in Redis."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import pytest
from litellm_door.conftest import proxy_models
from litellm_door.proxies import Proxy

from pointsman.learning.ledger import ATTEMPTS, HEALTH
from pointsman.stores.redis_link import RedisLink
from pointsman.stores.urls import open_store
from pointsman.testing import ModelFleet

CONFIG = """
policy: {policy}
store: {store}
pools: {{auto: {{}}}}
calls: {{deadline: 30, timeout: 10}}
"""
BODY = {"model": "auto", "messages": [{"role": "user", "content": "Say something."}]}
DEAD = "lm_studio:cheap"

LONG = "POINTSMAN_LONG" in os.environ
REQUESTS, CONCURRENCY = 2_000, 32


class Fleet:
    """Two processes that serve, and threads that ask them."""

    def __init__(self, proxies: list[Proxy], threads: ThreadPoolExecutor) -> None:
        self.proxies = proxies
        self._turn = cycle(proxies)
        self._threads = threads

    def ask_many(self, count: int, fleet: ModelFleet | None = None) -> list[tuple[int, str]]:
        """Status and decision of each request; half way the cheapest model of `fleet` dies."""

        def ask(number: int) -> tuple[int, str]:
            if fleet is not None and number == count // 2:
                fleet["cheap"].kill()
            status, headers, _ = next(self._turn).post("/v1/chat/completions", BODY)
            return status, headers["x-pointsman-decision"]

        return list(self._threads.map(ask, range(1, count + 1)))

    def score(self, decisions: list[str]) -> Counter[int]:
        """Statuses; a score may arrive at another process than its decision's."""
        scores = [{"decision": decision, "score": 0.7} for decision in decisions]
        return Counter(self._threads.map(lambda score: next(self._turn).post("/pointsman/feedback", score)[0], scores))

    def await_both(self) -> None:
        """Ask until both have answered: workers do not start at the same moment."""
        seen: set[str] = set()
        for _ in range(100):
            seen |= {decision[:16] for _, decision in self.ask_many(CONCURRENCY)}
            if len(seen) == 2:  # ids begin with what is the process's own
                return
        raise AssertionError("one process answers everything")


@contextmanager
def running(folder: Path, models: ModelFleet, kind: str, store: str, policy: str = "cheapest") -> Iterator[Fleet]:
    with ExitStack() as stack:
        proxies: list[Proxy] = []
        for name in ("one",) if kind == "workers" else ("one", "two"):
            (folder / name).mkdir()
            (folder / name / "pointsman.yaml").write_text(CONFIG.format(store=store, policy=policy))
            key = proxies[0].key if proxies else None
            proxies.append(Proxy(folder / name, proxy_models(models), workers=2 if kind == "workers" else 1, key=key))
        threads = stack.enter_context(ThreadPoolExecutor(CONCURRENCY))
        list(threads.map(stack.enter_context, proxies))
        fleet = Fleet(proxies, threads)
        fleet.await_both()
        yield fleet


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="two more processes to import LiteLLM; part of `make test-all`")
def test_workers_on_one_file_lose_no_request_and_take_each_other_s_scores(tmp_path: Path, fleet: ModelFleet) -> None:
    with running(tmp_path, fleet, "workers", f"sqlite:///{tmp_path}/pointsman.db") as both:
        answers = both.ask_many(REQUESTS, fleet)
        assert Counter(status for status, _ in answers) == {200: REQUESTS}
        assert both.score([decision for _, decision in answers[:24]]) == {200: 24}


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="two more processes to import LiteLLM; part of `make test-all`")
@pytest.mark.parametrize("kind", ["workers", "proxies"])
def test_on_one_redis_no_request_is_lost_and_a_death_is_found_out_once(
    tmp_path: Path, fleet: ModelFleet, redis_url: str, kind: str
) -> None:
    with running(tmp_path, fleet, kind, redis_url) as both:
        answers = both.ask_many(REQUESTS, fleet)
        assert Counter(status for status, _ in answers) == {200: REQUESTS}
        assert both.score([decision for _, decision in answers[:24]]) == {200: 24}
        link = RedisLink(redis_url)
        _, _, _, openings = map(float, link.ask("HGET", link.key("health", "windows"), f"breaker|{DEAD}").split())
        assert link.ask("ZCARD", link.key("health", "replicas")) == 2
        link.close()
    store = open_store(redis_url)  # everything is written when a proxy has ended
    failed = sum(row["model"] == DEAD and row["fault"] is not None for _, row in store.items(ATTEMPTS))
    fell = [row for _, row in store.items(HEALTH) if row["model"] == DEAD and row["new"] == "unhealthy"]
    store.close()
    sys.stdout.write(
        f"\n{kind}: {REQUESTS} requests, {CONCURRENCY} at a time: 0 lost; after the death {failed} attempts met the dead "
        f"model, its breaker opened {openings:.0f} times, {len(fell)} changes to unhealthy were written\n"
    )
    # Those under way when it dies, those that come until these have been answered elsewhere (who is to blame is known then),
    # and then one probe per opening for both processes together.
    assert failed <= 2 * CONCURRENCY + openings


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="two more processes to import LiteLLM; part of `make test-all`")
def test_what_one_proxy_is_taught_the_other_knows(tmp_path: Path, fleet: ModelFleet, redis_url: str) -> None:
    with running(tmp_path, fleet, "proxies", redis_url, "adaptive") as both:
        first, second = both.proxies
        for _ in range(60):  # the dearer one is said to be much better, which nobody would guess
            _, headers, _ = first.post("/v1/chat/completions", BODY)
            score = float(headers["x-pointsman-model"] == "middle")
            first.post("/pointsman/feedback", {"decision": headers["x-pointsman-decision"], "score": score})
        asked = next((number for number in range(1, 301) if _prefers(second, "middle")), None)
    assert asked is not None, "the second proxy prefers something else after 300 requests of its own"
    sys.stdout.write(f"\nthe other proxy knows after {asked} requests of its own, which had no scores\n")


def _prefers(proxy: Proxy, model: str) -> bool:
    _, headers, _ = proxy.post("/v1/chat/completions", BODY)
    probability = float(headers["x-pointsman-reason"].split()[2].rstrip(","))
    return headers["x-pointsman-model"] == model and probability > 0.8
