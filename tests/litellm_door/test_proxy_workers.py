"""A proxy with two worker processes that share what they learn in one SQLite file, or all their state in one Redis."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from litellm_door.conftest import proxy_models
from litellm_door.proxies import Proxy

from pointsman.stores.redis_link import RedisLink
from pointsman.testing import ModelFleet

CONFIG = """
policy: cheapest
store: {store}
pools: {{auto: {{}}}}
calls: {{deadline: 30, timeout: 10}}
"""
BODY = {"model": "auto", "messages": [{"role": "user", "content": "Say something."}]}


LONG = "POINTSMAN_LONG" in os.environ
REQUESTS, CONCURRENCY = 2_000, 32


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="two more workers to import LiteLLM; part of `make test-all`")
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_request_is_lost_when_a_model_dies_and_any_worker_takes_any_score(
    request: pytest.FixtureRequest, tmp_path: Path, fleet: ModelFleet, kind: str
) -> None:
    store = "sqlite:///pointsman.db" if kind == "sqlite" else str(request.getfixturevalue("redis_url"))
    (tmp_path / "pointsman.yaml").write_text(CONFIG.format(store=store))
    with Proxy(tmp_path, proxy_models(fleet), workers=2) as proxy, ThreadPoolExecutor(CONCURRENCY) as threads:

        def ask(number: int) -> tuple[int, str]:
            if number == REQUESTS // 2:
                fleet["cheap"].kill()
            status, headers, _ = proxy.post("/v1/chat/completions", BODY)
            return status, headers["x-pointsman-decision"]

        workers: set[str] = set()
        for _ in range(100):  # the workers do not start at the same moment
            workers |= {decision[:16] for _, decision in threads.map(ask, [0] * CONCURRENCY)}
            if len(workers) == 2:  # ids begin with what is the process's own
                break
        assert len(workers) == 2
        answers = list(threads.map(ask, range(1, REQUESTS + 1)))
        assert Counter(status for status, _ in answers) == {200: REQUESTS}

        scores = [{"decision": decision, "score": 0.7} for _, decision in answers[:24]]
        statuses = threads.map(lambda score: proxy.post("/pointsman/feedback", score)[0], scores)
        assert Counter(statuses) == {200: 24}
        if kind == "redis":
            link = RedisLink(store)
            assert "breaker|lm_studio:cheap" in link.ask("HKEYS", link.key("health", "windows"))
            assert link.ask("ZCARD", link.key("health", "replicas")) >= 2
            link.close()
