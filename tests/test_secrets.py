"""Fifty secrets go in by every way there is; none of them comes out in a log, a repr, an error, a store or a metric."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman import (
    InvalidModelError,
    ModelRegistry,
    ModelSpec,
    NoEligibleModelsError,
    Outcome,
    PointsmanError,
    Request,
    Router,
    StreamInterruptedError,
)
from pointsman.stores import open_store
from pointsman.testing import FakeClock

WAYS = (
    *(
        "system",
        "user",
        "part",
        "image_url",
        "image_data",
        "audio",
        "file",
        "assistant",
        "tool_result",
        "call_arguments",
    ),
    *("tool_description", "tool_parameter", "tool_enum", "schema_description", "schema_enum", "stop", "user_parameter"),
    *("metadata", "logit", "extra", "second_user", "name", "unicode", "long_prompt", "json_prompt"),
    *("answer", "answer_reasoning", "answer_arguments", "refusal", "chunk", "partial"),
    *("error_text", "error_body", "error_header", "error_request", "error_cause", "stream_error", "bad_json"),
    *("key_one", "key_two", "key_in_error", "key_in_header", "key_in_url", "url_password", "cookie"),
    *("judge", "check", "listener", "outcome_error", "policy_error"),
)
SECRETS = {way: f"canary-{number:02d}-7f3a9c" for number, way in enumerate(WAYS)}


class ClientError(Exception):
    """What a client raises: with everything of the request in it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{SECRETS['error_text']} for key {SECRETS['key_in_error']}")
        self.status_code = status
        self.body = {"error": {"message": SECRETS["error_body"], "param": SECRETS["error_request"]}}
        self.headers = {"x-echo": SECRETS["error_header"], "authorization": SECRETS["key_in_header"]}
        self.request = {"url": f"https://x/?key={SECRETS['key_in_url']}", "cookie": SECRETS["cookie"]}
        self.__cause__ = ValueError(SECRETS["error_cause"])


def everything() -> Request:
    """A request that has every part."""
    function = {"name": "f", "description": SECRETS["tool_description"]}
    parameters = {
        "type": "object",
        "properties": {"a": {"description": SECRETS["tool_parameter"], "enum": [SECRETS["tool_enum"]]}},
    }
    schema = {"description": SECRETS["schema_description"], "enum": [SECRETS["schema_enum"]]}
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps(SECRETS["call_arguments"])},
    }
    return Request(
        messages=[
            {"role": "system", "content": SECRETS["system"]},
            {
                "role": "user",
                "name": SECRETS["name"],
                "content": [
                    {"type": "text", "text": SECRETS["part"]},
                    {"type": "image_url", "image_url": {"url": f"https://x/{SECRETS['image_url']}"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{SECRETS['image_data']}"}},
                    {"type": "input_audio", "input_audio": {"data": SECRETS["audio"], "format": "wav"}},
                    {"type": "file", "file": {"file_data": SECRETS["file"]}},
                ],
            },
            {"role": "assistant", "content": SECRETS["assistant"], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": SECRETS["tool_result"]},
            {"role": "user", "content": f"{SECRETS['user']} {SECRETS['second_user']} \u202e{SECRETS['unicode']}"},
            {"role": "user", "content": SECRETS["long_prompt"] + " word" * 500},
            {"role": "user", "content": json.dumps({"key": SECRETS["json_prompt"]})},
        ],
        tools=[{"type": "function", "function": {**function, "parameters": parameters}}],
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
        parameters={
            "stop": [SECRETS["stop"]],
            "user": SECRETS["user_parameter"],
            "metadata": {"m": SECRETS["metadata"]},
            "logit_bias": {SECRETS["logit"]: 1},
            "extra_body": {"e": SECRETS["extra"]},
        },
    )


def answer() -> dict[str, Any]:
    """An answer that has every part."""
    call = {"id": "1", "function": {"name": "f", "arguments": json.dumps({"a": SECRETS["answer_arguments"]})}}
    message = {
        "content": f"{SECRETS['answer']} {SECRETS['bad_json']}",
        "reasoning_content": SECRETS["answer_reasoning"],
        "refusal": SECRETS["refusal"],
        "tool_calls": [call],
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}


class Scan:
    """Everything that was said, and whether a secret is in it."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str]] = []

    def take(self, where: str, *things: object) -> None:
        """Take in what things say of themselves."""
        for thing in things:
            self._said += [(f"{where} repr", repr(thing)), (f"{where} str", str(thing))]
            for method in ("_repr_html_", "_repr_markdown_"):
                shown = getattr(thing, method, None)
                if callable(shown):
                    self._said.append((f"{where} {method}", str(shown())))

    def take_error(self, where: str, error: PointsmanError) -> None:
        """Take in an error of ours; the provider's own, which it may carry, stay as they came."""
        data = {name: value for name, value in vars(error).items() if not isinstance(value, BaseException)}
        causes = data.pop("exceptions", None), data.pop("_exceptions", None)
        del causes
        self._said += [(where, str(error)), (where, repr(error)), (where, repr(data)), (where, str(error.message))]

    def found(self) -> list[str]:
        """Where which secret was found."""
        return [f"{way} in {where}" for where, text in self._said for way, secret in SECRETS.items() if secret in text]


@pytest.fixture(params=["memory", "sqlite", "jsonl", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return "memory://" if request.param == "memory" else f"{request.param}:///{tmp_path / 'store'}"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ONE", SECRETS["key_one"])
    monkeypatch.setenv("KEY_TWO", SECRETS["key_two"])


def specs() -> list[ModelSpec]:
    common = {"capabilities": ["generation.text.chat", "tools", "vision", "audio", "pdf", "json.schema"]}
    return [
        ModelSpec(name="one", provider="openai", api_key="env:KEY_ONE", cost_per_1m_input_tokens=1, **common),
        ModelSpec(name="two", provider="openai", api_key="env:KEY_TWO", **common),
    ]


def use(router: Router, scan: Scan) -> None:
    """Do with a router whatever can be done, well and badly."""
    request = everything()
    scan.take("request", request)
    decision = router.decide(request)
    scan.take("decision", decision, decision.excluded, decision.notes)
    scan.take("outcome", Outcome(error=ClientError(500)))

    record = router.execute(router.decide(request), lambda _: answer())
    scan.take("attempts", *(each.attempt for each in record.attempts), *(each.outcome for each in record.attempts))
    router.feedback(record.decision.id, 0.5)
    for status in (400, 401, 402, 429, 500, 503):
        try:
            router.run(request, _failing(ClientError(status)))
        except PointsmanError as error:
            scan.take_error(f"status {status}", error)
        except ClientError:
            pass  # the provider's own, as it came
    for odd in (RuntimeError(SECRETS["bad_json"]), TimeoutError(SECRETS["error_text"])):
        with pytest.raises(PointsmanError) as caught:
            router.run(request, _failing(odd))
        scan.take_error("odd", caught.value)
    with pytest.raises(StreamInterruptedError) as broken:
        list(router.stream(request, _breaking))
    scan.take_error("stream", broken.value)
    router.observe(decision, Outcome(error=RuntimeError(SECRETS["outcome_error"])))
    with pytest.raises(NoEligibleModelsError) as refused:
        router.decide(request.replace(needs={"video"}))
    scan.take_error("refusal", refused.value)
    for name in ("one", "two"):
        scan.take("health", router.health(name))
    scan.take("router", router, router.registry, router.store, router.policy, *router.registry)
    scan.take("statistics", json.dumps(router.statistics(), default=str))


def _failing(error: Exception) -> Callable[[Any], Any]:
    def call(_: Any) -> Any:
        raise error

    return call


def _breaking(_: Any) -> Iterator[dict[str, Any]]:
    yield {"choices": [{"delta": {"content": f"{SECRETS['chunk']} {SECRETS['partial']}"}, "finish_reason": None}]}
    raise ConnectionError(SECRETS["stream_error"])


def test_no_secret_comes_out(url: str, keys: None, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG, logger="pointsman")
    scan = Scan()
    from prometheus_client import CollectorRegistry, generate_latest

    from pointsman.telemetry.prometheus import PrometheusListener

    def judge(*_: Any) -> float:
        raise RuntimeError(SECRETS["judge"])

    class Loud:
        def attempt_ended(self, *_: Any) -> None:
            raise RuntimeError(SECRETS["listener"])

    router = Router(ModelRegistry(specs()), "adaptive", url, seed=1, clock=FakeClock(), judges=[judge])
    metrics = CollectorRegistry()
    router.listen(PrometheusListener(router, metrics))
    router.listen(Loud())
    use(router, scan)
    router.flush()
    scan.take("metrics", generate_latest(metrics).decode())
    for space in ("ledger.decisions", "ledger.attempts", "ledger.feedback", "learnt.adaptive"):
        scan.take(f"store {space}", json.dumps(list(router.store.items(space))))
    router.close()
    for file in tmp_path.iterdir():
        scan.take("file", file.read_bytes().decode("latin-1"))
    scan.take("log", *caplog.messages, *(record.exc_text for record in caplog.records))
    assert scan.found() == []


def test_the_scan_finds_what_is_there() -> None:
    scan = Scan()
    scan.take("nowhere", f"... {SECRETS['answer']} ...")
    assert {found.split()[0] for found in scan.found()} == {"answer"}
    assert len(SECRETS) == len(set(SECRETS.values())) == 50


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    scan = Scan()
    address = f"https://user:{SECRETS['url_password']}@example.test/v1"
    with pytest.raises(InvalidModelError) as caught:
        ModelSpec(name="m", provider="openai", api_base=address)
    scan.take_error("address", caught.value)
    assert "api_base" in str(caught.value)
    assert scan.found() == []


def test_the_password_of_a_store_stays_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scan = Scan()
    url = f"redis://user:{SECRETS['url_password']}@127.0.0.1:1/0"
    store = open_store(url)
    scan.take("store", store)
    with pytest.raises(PointsmanError) as caught:  # nobody listens there
        store.get("space", "key")
    scan.take_error("error", caught.value)
    scan.take("log", *caplog.messages)
    assert scan.found() == []
