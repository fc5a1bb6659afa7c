"""Discovery of a hostile world: what is not asked, not followed, not believed."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from discovery.listings import ListingServer, ask, at, problem, serving
from samples import make_spec

from pointsman import ModelRegistry


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://169.254.169.254/latest", "link-local"),
        ("http://[fe80::1]/v1", "link-local"),
        ("http://[::ffff:169.254.169.254]/v1", "link-local"),
        ("http://[64:ff9b::a9fe:a9fe]/v1", "link-local"),
        ("http://2852039166/v1", "link-local"),
        ("http://0xa9fea9fe/v1", "link-local"),
        ("http://100.100.100.200/v1", "metadata service"),
        ("http://metadata.google.internal/v1", "metadata service"),
        ("http://METADATA.google.internal./v1", "metadata service"),
        ("file:///etc/passwd", "expected http or https"),
        ("ftp://127.0.0.1/v1", "expected http or https"),
        ("127.0.0.1:80", "expected http or https"),
        ("http://user@127.0.0.1/v1", "holds a user"),
        ("http://127.0.0.1/v1?key=hunter2", "holds a user, a query"),
        ("http:///v1", "names no host"),
        ("http://[::1/v1", "no URL"),
    ],
)
def test_these_addresses_are_refused(address: str, why: str) -> None:
    reason = problem(ModelRegistry([make_spec("m", api_base=address)]))
    assert why in reason
    assert "hunter2" not in reason


def test_models_without_an_address_are_not_asked_for() -> None:
    found = ask(ModelRegistry([make_spec("m"), make_spec("d", provider="azure", api_base="http://127.0.0.1:1")]))
    assert (found.asked, dict(found.problems), bool(found)) == ((), {}, False)


def test_a_redirect_is_not_followed() -> None:
    with serving({"data": [{"id": "evil"}]}) as other, serving(b"", 302, location=f"{other.base}/v1/models") as server:
        assert "redirect" in problem(at(server.base, {"name": "m"}))
    assert other.asked == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"data": [{"id": f"m{number}"} for number in range(2_001)]}, "more than 2,000"),
        (b'{"data": [' + b'"a long name that says nothing", ' * 70_000 + b"1]}", "larger than 2 MiB"),
        (b"[" * 100_000, "not usable"),
        (b'{"data": ' + b"9" * 100_000 + b"}", "not usable"),
        (b"<html>welcome</html>", "not usable"),
        ({"error": "who are you"}, "no list of models"),
        ("models", "no list of models"),
        (b"\xff\xfe\x00", "not usable"),
    ],
)
def test_answers_that_are_too_large_or_no_list_are_not_believed(answer: Any, why: str) -> None:
    with serving(answer) as server:
        assert why in problem(at(server.base, {"name": "m"}))


@pytest.mark.parametrize(
    ("status", "headers", "why"), [(404, {}, "404"), (200, {"content_encoding": "gzip"}, "compressed")]
)
def test_other_answers_are_problems(status: int, headers: dict[str, str], why: str) -> None:
    with serving(b"{}", status, **headers) as server:
        assert why in problem(at(server.base, {"name": "m"}))


def test_a_server_that_drips_is_given_up_on() -> None:
    def drip(handler: BaseHTTPRequestHandler, server: ListingServer) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        with_patience = 500
        while with_patience and not server.ends.wait(0.01):
            with_patience -= 1
            handler.wfile.write(b" ")
            handler.wfile.flush()

    with serving(drip) as server:
        assert "no complete answer within 0.2 s" in problem(at(server.base, {"name": "m"}), timeout=0.2)


def test_a_server_that_is_not_there_is_a_problem_and_removes_nothing() -> None:
    with serving({}) as server:
        base = server.base
    assert problem(at(base, {"name": "m"})) == "nothing answers there"


def test_entries_without_a_usable_name_are_counted() -> None:
    bad = [
        {"id": "m"},
        {"id": ""},
        {"id": "\x1b[31mred"},
        {"id": "x" * 300},
        {"id": 7},
        {"name": "no id"},
        "text",
        None,
    ]
    with serving({"data": bad}) as server:
        found = ask(at(server.base, {"name": "m"}))
    assert not found
    assert found.ignored == {f"{server.base}/v1/models": "7 entries of its list name no usable model"}


@pytest.mark.parametrize(
    "extra",
    [
        {"context_length": -1},
        {"context_length": 10**20},
        {"context_length": True},
        {"context_length": "8000"},
        {"pricing": {"prompt": "-1"}},
        {"pricing": {"prompt": "nan"}},
        {"pricing": {"prompt": "1e999"}},
        {"pricing": "cheap"},
        {"meta": []},
        {"capabilities": [1, None, {"a": 1}]},
        {"architecture": {"input_modalities": [1]}},
    ],
)
def test_values_that_cannot_be_are_left_unknown(extra: dict[str, Any]) -> None:
    with serving({"data": [{"id": "m"}, {"id": "new", **extra}]}) as server:
        (spec,) = ask(at(server.base, {"name": "m"})).additions
    assert spec.model_fields_set == {"name", "provider", "api_base", "source", "as_of"}


def test_a_key_goes_only_where_its_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_KEY", "one")
    with serving({"data": [{"id": "a"}]}) as first, serving({"data": [{"id": "b"}]}) as second:
        registry = at(first.base, {"name": "a", "api_key": "env:ONE_KEY"})
        registry.register_model(make_spec("b", api_base=f"{second.base}/v1"))
        assert not ask(registry)
    assert first.asked == [("/v1/models", "Bearer one")]
    assert second.asked == [("/v1/models", None)]
