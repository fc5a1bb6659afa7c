"""The life of a fleet: ports, threads, kill and revive, hanging requests, limits."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from pointsman.testing import Fault, ServedModel, serve

HELLO = {"model": "a", "messages": [{"role": "user", "content": "hello"}]}


def test_every_server_has_a_port_and_all_share_one_thread() -> None:
    before = threading.active_count()
    with serve([ServedModel(name) for name in "abc"]) as fleet:
        assert threading.active_count() == before + 1
        assert len({server.port for server in fleet.values()}) == 3
        assert [httpx.get(f"{url}/models").json()["data"][0]["id"] for url in fleet.urls.values()] == ["a", "b", "c"]
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="not running"):
        fleet["a"].revive()
    with pytest.raises(KeyError, match="it serves a, b, c"):
        fleet["d"]


async def test_a_fleet_is_an_async_context_too() -> None:
    async with serve([ServedModel("a")]) as fleet, httpx.AsyncClient() as client:
        assert (await client.post(f"{fleet['a'].url}/chat/completions", json=HELLO)).status_code == 200


def test_a_killed_server_refuses_connections_breaks_open_ones_and_comes_back_on_its_port() -> None:
    with serve([ServedModel("a")]) as fleet, httpx.Client(base_url=fleet["a"].url) as client:
        server = fleet["a"]
        port = server.port
        server.fail(Fault.hang())
        errors: list[Exception] = []
        thread = threading.Thread(target=_expect_error, args=(client, errors))
        thread.start()
        assert server.wait_until(lambda server: server.in_flight == 1)
        server.kill()
        thread.join()
        assert [type(error) for error in errors] == [httpx.ReadError]
        assert server.in_flight == 0
        assert not server.is_listening
        for _ in range(2):
            with pytest.raises(httpx.ConnectError, match="refused"):
                client.get("/models")
        server.heal()
        server.revive()
        assert server.port == port
        assert client.post("/chat/completions", json=HELLO).status_code == 200


def _expect_error(client: httpx.Client, errors: list[Exception]) -> None:
    try:
        client.post("/chat/completions", json=HELLO, timeout=30)
    except httpx.TransportError as error:
        errors.append(error)


def test_the_port_of_a_killed_server_goes_to_nobody_else() -> None:
    with serve([ServedModel("a")]) as fleet:
        fleet["a"].kill()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", fleet["a"].port))


def test_a_stopped_fleet_starts_again_on_its_ports() -> None:
    fleet = serve([ServedModel("a")])
    with pytest.raises(RuntimeError, match="start the fleet first"):
        _ = fleet["a"].url
    with fleet:
        urls = fleet.urls
        assert httpx.get(urls["a"] + "/models").status_code == 200
    with fleet:
        assert fleet.urls == urls
        assert httpx.get(urls["a"] + "/models").status_code == 200


def test_stop_ends_requests_that_hang() -> None:
    fleet = serve([ServedModel("a")]).start()
    fleet["a"].fail(Fault.stall_after_chunks(1))
    with httpx.stream(
        "POST", f"{fleet['a'].url}/chat/completions", json=HELLO | {"stream": True}, timeout=30
    ) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("data: ")
        fleet.stop()
        with pytest.raises(httpx.TransportError):
            list(lines)
    assert fleet["a"].in_flight == 0
    assert fleet["a"].requests[0].fault == "stall_after_first_chunk"


def test_a_hang_ends_when_the_client_leaves() -> None:
    with serve([ServedModel("a")]) as fleet:
        fleet["a"].fail(Fault.hang())
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{fleet['a'].url}/chat/completions", json=HELLO, timeout=0.1)
        assert fleet["a"].wait_until(lambda server: server.in_flight == 0)
        assert fleet["a"].requests[0].status is None


def test_the_life_limit_ends_the_fleet() -> None:
    fleet = serve([ServedModel("a")], life_limit=0.05).start()
    thread = fleet._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{fleet['a'].url}/models")
    fleet.stop()


def test_a_connection_serves_many_requests_and_requests_run_side_by_side() -> None:
    with serve([ServedModel("a", latency=(0.0, 0.01), seconds_per_chunk=0.001)]) as fleet:
        with httpx.Client(base_url=fleet["a"].url) as client:
            assert {client.post("/chat/completions", json=HELLO).status_code for _ in range(5)} == {200}
        threads = [threading.Thread(target=_stream, args=(fleet["a"].url,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [record.status for record in fleet["a"].requests] == [200] * 25


def _stream(url: str) -> None:
    body = httpx.post(f"{url}/chat/completions", json=HELLO | {"stream": True}, timeout=30).text
    assert body.endswith("data: [DONE]\n\n")


def test_bodies_are_kept_only_when_asked_for() -> None:
    for keep in (False, True):
        with serve([ServedModel("a")], keep_bodies=keep) as fleet:
            httpx.post(f"{fleet['a'].url}/chat/completions", json=HELLO)
            (record,) = fleet["a"].requests
        assert record.body == (HELLO if keep else None)
        assert record.fields == ("messages", "model")
        assert "hello" not in repr(record)


def test_configurations_for_the_hosts_name_prices_and_urls() -> None:
    with serve([ServedModel("a", 0.1, 0.4), ServedModel("b")]) as fleet:
        entry = fleet.catalogue(api_key="env:HOUSE_KEY")[0]
        deployments = fleet.litellm_model_list("group")
    assert (entry["name"], entry["api_base"], entry["api_key"]) == ("a", fleet.urls["a"], "env:HOUSE_KEY")
    assert (entry["cost_per_1m_input_tokens"], entry["cost_per_1m_output_tokens"]) == (0.1, 0.4)
    assert [(one["model_name"], one["litellm_params"]["model"]) for one in deployments] == [
        ("group", "openai/a"),
        ("group", "openai/b"),
    ]
    assert deployments[0]["model_info"]["input_cost_per_token"] == pytest.approx(1e-7)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two served models are named 'a'"):
        serve([ServedModel("a"), ServedModel("a")])
