"""What the proxy tells and takes besides answers: headers, scores, wishes; and what it does with a broken file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from litellm_door.proxies import Proxy, environment
from pydantic import SecretStr

from pointsman.testing import ModelFleet

MESSAGES = [{"role": "user", "content": "Say something."}]


def test_an_error_names_its_decision_too(proxy: Proxy, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("server_error_503")
    status, headers, _ = proxy.post("/v1/chat/completions", {"model": "auto", "messages": MESSAGES})
    assert status >= 500
    assert headers["x-pointsman-decision"]
    assert headers["x-pointsman-attempts"] == "3"
    assert "models can serve" in headers["x-pointsman-reason"]


def test_needs_in_a_header_restrict_the_choice(proxy: Proxy, fleet: ModelFleet) -> None:
    body = {"model": "auto", "messages": MESSAGES}
    status, _, answer = proxy.post("/v1/chat/completions", body, **{"x-pointsman-needs": "vision"})
    assert status == 400
    assert "vision" in answer["error"]["message"]
    assert fleet.calls == 0


def test_a_cost_limit_in_a_header_restricts_the_choice(proxy: Proxy, fleet: ModelFleet) -> None:
    body = {"model": "auto", "messages": MESSAGES}
    assert proxy.post("/v1/chat/completions", body, **{"x-pointsman-max-cost": "0.000000001"})[0] == 400
    assert proxy.post("/v1/chat/completions", body, **{"x-pointsman-max-cost": "cheap"})[0] == 200


def test_a_decision_is_scored_once_by_those_who_may(proxy: Proxy, fleet: ModelFleet) -> None:
    _, headers, _ = proxy.post("/v1/chat/completions", {"model": "auto", "messages": MESSAGES})
    score = {"decision": headers["x-pointsman-decision"], "score": 0.8}
    assert proxy.post("/pointsman/feedback", score)[0] == 200
    assert proxy.post("/pointsman/feedback", score)[0] == 409
    assert proxy.post("/pointsman/feedback", {**score, "decision": "unknown"})[0] == 404
    assert proxy.post("/pointsman/feedback", {**score, "score": 7})[0] == 422
    assert proxy.post("/pointsman/feedback", score, authorization="Bearer sk-of-somebody-else")[0] in (400, 401, 403)


def test_a_client_cannot_claim_another_call(proxy: Proxy, fleet: ModelFleet) -> None:
    _, headers, _ = proxy.post("/v1/chat/completions", {"model": "auto", "messages": MESSAGES})
    claimed = {"pointsman_call": headers["x-pointsman-decision"]}
    body = {"model": "middle", "messages": MESSAGES, "metadata": claimed, "litellm_metadata": claimed}
    status, headers, _ = proxy.post("/v1/chat/completions", body)
    assert status == 200
    assert "x-pointsman-decision" not in headers


def test_a_langchain_model_on_the_proxy_is_routed(proxy: Proxy, fleet: ModelFleet) -> None:
    model = ChatOpenAI(base_url=f"{proxy.url}/v1", api_key=SecretStr(proxy.key), model="auto", max_retries=0)
    assert model.invoke("Say something.").content
    assert "".join(str(chunk.content) for chunk in model.stream("Say something."))


def test_nothing_secret_is_in_the_proxy_s_log(proxy: Proxy, fleet: ModelFleet) -> None:
    proxy.post("/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "a private word"}]})
    assert proxy.key not in proxy.log
    assert "a private word" not in proxy.log


@pytest.fixture
def broken(tmp_path: Path, fleet: ModelFleet) -> Proxy:
    (tmp_path / "pointsman.yaml").write_text("policy: cheapest\nmodells: []\n")
    return Proxy(tmp_path, fleet.litellm_model_list())


def test_with_a_broken_file_the_proxy_serves_without_us_and_says_so(broken: Proxy, fleet: ModelFleet) -> None:
    with broken as proxy:
        assert proxy.post("/v1/chat/completions", {"model": "middle", "messages": MESSAGES})[0] == 200
        assert proxy.post("/v1/chat/completions", {"model": "auto", "messages": MESSAGES})[0] == 400
        said = [line for line in proxy.log.splitlines() if "pointsman is off" in line]
    assert len(said) == 1
    assert "pointsman.yaml:2" in said[0]


def test_told_to_be_strict_the_handler_refuses_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "pointsman.yaml").write_text("policy: no-such-policy\n")
    done = subprocess.run(
        [sys.executable, "-c", "from pointsman.litellm import proxy_handler"],
        cwd=tmp_path,
        env={**environment(), "POINTSMAN_STRICT": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert "no-such-policy" in done.stderr
