"""Discovery on real loopback servers: what is new, gone, changed or too different to believe, and what is never asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from samples import make_spec

from pointsman import InvalidRequestError, ModelRegistry, ModelSpec, Router
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.discovery import Discovery, adiscover, apply, discover
from pointsman.testing import ServedModel, serve

TODAY = date(2026, 11, 21)


class _Server(ThreadingHTTPServer):
    """Answers every GET the same way, and remembers what was asked for."""

    daemon_threads = True

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.ends = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("authorization")))
                answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(answer: Any, status: int = 200, **headers: str) -> Iterator[_Server]:
    """Serve JSON, bytes, or whatever a function writes."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        if callable(answer):
            answer(handler, server)
            return
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server = _Server(write)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ends.set()
        server.shutdown()
        server.server_close()
        thread.join()


def at(base: str, *specs: dict[str, Any]) -> ModelRegistry:
    return ModelRegistry(ModelSpec(**{"provider": "openai", "api_base": f"{base}/v1", **spec}) for spec in specs)


def ask(registry: ModelRegistry, **options: Any) -> Discovery:
    return discover(registry, today=TODAY, **options)


def problem(registry: ModelRegistry, **options: Any) -> str:
    """The only thing found is that a server could not be asked; why."""
    found = ask(registry, **options)
    assert not found
    assert not found.asked
    (why,) = found.problems.values()
    return why


def test_a_server_of_openais_api_is_asked_for_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "made-up")
    served = ServedModel("house", requires_key="made-up", aliases=("house-2",))
    with serve([served], seed=1) as fleet:
        url = fleet["house"].url
        registry = ModelRegistry(
            [
                make_spec("house", api_base=url, api_key="env:HOUSE_KEY"),
                make_spec("gone", api_base=url, api_key="env:HOUSE_KEY"),
            ]
        )
        before = registry.version
        found = ask(registry)
    assert [spec.key for spec in found.removals] == ["openai:gone"]
    assert found.asked == (f"{url}/models",)
    assert registry.version == before, "asking changes nothing"
    assert not found.changes


def test_additions_carry_what_the_server_says_and_where_it_is() -> None:
    listed = {
        "data": [
            {"id": "known"},
            {"id": "new-7b", "max_model_len": 40_960, "root": "org/new-7b"},
            {
                "id": "router/x",
                "context_length": 100_000,
                "top_provider": {"max_completion_tokens": 8_000},
                "pricing": {"prompt": "0.0000025", "completion": "0.00001", "request": "0"},
                "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
                "supported_parameters": ["tools", "temperature"],
            },
            {"id": "text-embed-1"},
        ]
    }
    with serving(listed) as server:
        registry = at(server.base, {"name": "known", "litellm_model": "hosted_vllm/known"})
        found = ask(registry)
    new = {spec.name: spec for spec in found.additions}
    assert sorted(new) == ["new-7b", "router/x", "text-embed-1"]
    assert new["new-7b"].model_dump(exclude_unset=True) == {
        "name": "new-7b",
        "provider": "openai",
        "context_window": 40_960,
        "api_base": f"{server.base}/v1",
        "litellm_model": "hosted_vllm/new-7b",
        "source": f"{server.base}/v1/models",
        "as_of": TODAY,
    }
    routed = new["router/x"]
    assert (routed.context_window, routed.max_output_tokens) == (100_000, 8_000)
    assert (routed.cost_per_1m_input_tokens, routed.cost_per_1m_output_tokens) == (2.5, 10.0)
    assert routed.capabilities == ("tools",)
    assert routed.input_modalities == ("text", "image")
    assert new["text-embed-1"].capabilities == ("embedding.text",)


TAGS = {
    "models": [
        {
            "name": "llama3.1:8b",
            "model": "llama3.1:8b",
            "details": {
                "family": "llama",
                "families": ["llama"],
                "parameter_size": "8.0B",
                "quantization_level": "Q4_K_M",
            },
        },
        {
            "name": "nomic-embed-text:latest",
            "details": {
                "family": "nomic-bert",
                "families": ["nomic-bert"],
                "parameter_size": "137M",
                "quantization_level": "F16",
            },
        },
        {"name": "big:cloud", "remote_host": "https://ollama.com", "details": {"parameter_size": ""}},
    ]
}


def test_ollama_is_asked_for_its_tags_and_its_details_are_read() -> None:
    with serving(TAGS) as server:
        registry = ModelRegistry(
            [make_spec("llama3.1:8b", provider="ollama", api_base=server.base, litellm_model="ollama_chat/llama3.1:8b")]
        )
        found = ask(registry)
    assert server.asked == [("/api/tags", None)]
    assert not found.removals
    (change,) = found.changes
    assert [str(each) for each in change.fields] == ["size_billions: - -> 8.0"]
    embedding, remote = found.additions
    assert embedding.key == "ollama:nomic-embed-text:latest"
    assert embedding.aliases == ("nomic-embed-text",)
    assert embedding.size_billions == pytest.approx(0.137)
    assert embedding.tags == ("f16",)
    assert embedding.capabilities == ("embedding.text",)
    assert embedding.cost_per_1m_input_tokens == 0, "a call to one's own machine costs nothing"
    assert remote.cost_per_1m_input_tokens is None, "what runs elsewhere has a price that is not known"


def test_ten_times_is_the_largest_jump_that_is_no_quarantine() -> None:
    listed = {
        "data": [
            {"id": "grown", "context_length": 80_000},
            {"id": "jumped", "context_length": 80_001},
            {"id": "shrunk", "context_length": 799},
            {"id": "filled", "context_length": 1_000_000},
            {"id": "free-now", "pricing": {"prompt": "0", "completion": "0"}},
            {"id": "same", "context_length": 8_000},
        ]
    }
    known = [{"name": name, "context_window": 8_000} for name in ("grown", "jumped", "shrunk", "same")]
    with serving(listed) as server:
        registry = at(server.base, *known, {"name": "filled"}, {"name": "free-now", "cost_per_1m_input_tokens": 5})
        found = ask(registry)
    assert [change.key for change in found.changes] == ["openai:grown", "openai:filled"]
    assert [change.key for change in found.quarantined] == ["openai:jumped", "openai:shrunk", "openai:free-now"]
    assert set(found.to_dict()["quarantined"]) == {"openai:jumped", "openai:shrunk", "openai:free-now"}


def test_a_smaller_window_takes_the_output_limit_along() -> None:
    with serving({"data": [{"id": "m", "max_model_len": 2_000}]}) as server:
        registry = at(server.base, {"name": "m", "context_window": 8_000, "max_output_tokens": 4_000})
        (change,) = ask(registry).changes
    assert (change.new.context_window, change.new.max_output_tokens) == (2_000, 2_000)
    assert change.new.evidence["context_window"].source == f"{server.base}/v1/models"


def test_only_additions_are_applied_and_the_rest_only_by_name() -> None:
    listed = {"data": [{"id": "a", "context_length": 9_000}, {"id": "b", "context_length": 900_000}, {"id": "new"}]}
    with serving(listed) as server:
        fields = {"context_window": 8_000}
        registry = at(server.base, {"name": "a", **fields}, {"name": "b", **fields}, {"name": "gone"})
        found = ask(registry)
    assert apply(registry, found) == ("openai:new",)
    assert registry.get_model("a").context_window == registry.get_model("b").context_window == 8_000
    assert "gone" in registry
    assert apply(registry, found, approve=["openai:b", "openai:gone"]) == ("openai:b", "openai:gone")
    assert registry.get_model("b").context_window == 900_000
    assert "gone" not in registry
    with pytest.raises(InvalidRequestError, match="openai:zzz"):
        apply(registry, found, approve=["openai:zzz", "openai:a"])
    assert registry.get_model("a").context_window == 8_000


def test_what_was_changed_since_is_left_as_it_is() -> None:
    with serving({"data": [{"id": "a", "context_length": 9_000}, {"id": "new"}]}) as server:
        registry = at(server.base, {"name": "a"})
        found = ask(registry)
    mine = registry.register_model(make_spec("a", context_window=7), replace=True)
    own = registry.register_model(make_spec("new", context_window=8))
    assert apply(registry, found, approve=["openai:a"]) == ()
    assert registry.get_model("a") == mine
    assert registry.get_model("new") == own


def test_a_key_that_another_address_has_is_no_addition() -> None:
    with serving({"data": [{"id": "here"}, {"id": "gpt-4o"}]}) as server:
        registry = at(server.base, {"name": "here"})
        registry.register_model(make_spec("gpt-4o"))
        found = ask(registry)
    assert not found.additions
    assert "registered for another address" in found.ignored["openai:gpt-4o"]


# -- what is not asked, not followed, not believed


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
    def drip(handler: BaseHTTPRequestHandler, server: _Server) -> None:
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


async def test_it_can_be_awaited_or_called_inside_a_running_loop() -> None:
    with serving({"data": [{"id": "a"}]}) as server:
        registry = at(server.base, {"name": "a"})
        assert (await adiscover(registry, today=TODAY)).asked == ask(registry).asked


def test_a_discovery_prints_itself_for_people_and_programs() -> None:
    with serving({"data": [{"id": "new"}]}) as server:
        found = ask(at(server.base, {"name": "gone"}))
    assert str(found).splitlines() == [
        "1 new, 1 not listed, 0 changed, 0 quarantined, 1 servers asked",
        "new: openai:new",
        "not listed: openai:gone: stays registered",
    ]
    assert json.loads(json.dumps(found.to_dict()))["removals"] == ["openai:gone"]
    assert "openai:new" in found._repr_html_()


async def test_r11_rounds_register_what_is_new_only_if_the_settings_allow() -> None:
    with serve([ServedModel("known"), ServedModel("other")], seed=1) as fleet:
        entry = {"name": "renamed", "provider": "openai", "api_base": fleet["known"].url}
        for auto_apply, expected in (("none", {"renamed"}), ("additions", {"renamed", "known"})):
            router = Router(
                ModelRegistry([ModelSpec(**entry)]),
                "weighted",
                discovery=DiscoverySettings.model_validate({"auto_apply": auto_apply}),
            )
            told: list[Discovery] = []
            found = await router.discovery(told.append).round()
            assert [spec.name for spec in found.additions] == ["known"]
            assert {spec.name for spec in router.registry} == expected, "and what is gone there stays here"
            assert told == [found]
