"""Two proxies on one Redis: a model that failed one of them is behind in the other before it has asked."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from litellm_door.conftest import proxy_models
from litellm_door.proxies import Proxy

from pointsman.stores.redis_link import RedisLink
from pointsman.testing import Fault, ModelFleet

CONFIG = """
policy: cheapest
store: {store}
pools: {{auto: {{}}}}
calls: {{deadline: 30, timeout: 10}}
"""
BODY = {"model": "auto", "messages": [{"role": "user", "content": "Say something."}]}
LONG = "POINTSMAN_LONG" in os.environ


def exchanges(link: RedisLink) -> list[float]:
    """When each of the two was last heard of, by the server's clock in milliseconds."""
    found = link.ask("ZRANGE", link.key("health", "replicas"), 0, -1, "WITHSCORES")
    return [float(each) for each in found[1::2]]


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="two more proxies to import LiteLLM; part of `make test-all`")
def test_a_breaker_that_opened_in_one_proxy_is_open_in_the_other(
    tmp_path: Path, fleet: ModelFleet, redis_url: str
) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        (folder / "pointsman.yaml").write_text(CONFIG.format(store=redis_url))
    link = RedisLink(redis_url)
    with Proxy(folders[0], proxy_models(fleet)) as first, Proxy(folders[1], proxy_models(fleet)) as second:
        for proxy in (first, second):
            assert proxy.post("/v1/chat/completions", BODY)[0] == 200
        cheap = fleet["cheap"]
        cheap.fail(Fault.server_error(500))
        before = cheap.calls
        assert [first.post("/v1/chat/completions", BODY)[0] for _ in range(20)] == [200] * 20
        opened = float(link.ask("HGET", link.key("health", "windows"), "breaker|lm_studio:cheap").split()[0])
        heard = threading.Event()
        while sum(at > opened for at in exchanges(link)) < 2:  # each is heard of about every second
            heard.wait(0.05)
        asked_by_first = cheap.calls - before
        status, headers, _ = second.post("/v1/chat/completions", BODY)
        assert (status, headers["x-pointsman-attempts"]) == (200, "1")
        assert cheap.calls - before == asked_by_first, "it did not have to find out for itself"
    link.close()
