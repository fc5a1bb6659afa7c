"""A router with a cache: what is answered again, what is not kept, and what nobody learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cache.own_models import Counting
from samples import make_spec

from pointsman import InvalidRequestError, ModelRegistry, Request, Router
from pointsman.cache import CacheSettings, ModelCache
from pointsman.errors import CatalogError
from pointsman.failover.steps import Attempt


async def test_every_way_of_asking_shares_one_answer(make: Callable[..., Router]) -> None:
    code = Counting()
    router = make(code)
    asked = [router.ask("hi"), await router.aask("hi"), "".join(router.ask_stream("hi"))]
    streamed = [text async for text in router.aask_stream("hi")]
    assert [*asked, *streamed] == ["1: hi"] * 4
    assert code.calls == 1
    assert "".join(router.ask_stream("other")) == router.ask("other") == "2: other"
    whole = [router.reply("hi"), await router.areply("hi")]
    assert [each.cached for each in whole] == [False, True]
    assert whole[0].record is not None
    assert whole[1].record is None
    assert {each.model for each in whole} == {"custom:own"}
    assert router.statistics()["cache"]["hits"] == 5


def test_a_hit_teaches_nobody_and_says_nothing_of_health(make: Callable[..., Router]) -> None:
    router = make(Counting())
    router.ask("hi")
    before = router.statistics()["selection_stats"]
    rows = len(list(router.ledger.rows()))
    for _ in range(5):
        router.ask("hi")
    assert router.statistics()["selection_stats"] == before
    assert len(list(router.ledger.rows())) == rows
    router.registry.update_model_status("own", "maintenance")
    router.registry.update_model_status("own", "active")
    assert router.health("own").success_rate == 1.0


def test_requests_that_differ_do_not_meet(make: Callable[..., Router]) -> None:
    code = Counting()
    router = make(code)
    requests = [
        Request(messages="hi"),
        Request(messages="hi", tenant="a"),
        Request(messages="hi", tenant="b"),
        Request(messages="hi", model="own"),
        Request(messages="hi", parameters={"seed": 1}),
    ]
    assert len({router.ask(request) for request in [*requests, *requests]}) == len(requests) == code.calls


def test_randomness_that_was_asked_for_is_not_taken_away(make: Callable[..., Router]) -> None:
    router = make(Counting())
    random = Request(messages="hi", parameters={"temperature": 0.7})
    assert router.ask(random) != router.ask(random)
    assert router.ask(random.replace(cache=True)) == router.ask(random.replace(cache=True))
    assert router.ask(random.replace(cache=False)) != router.ask(random.replace(cache=False))
    assert router.statistics()["cache"]["passed_by"] == 4


def test_a_model_that_has_changed_is_asked_again(make: Callable[..., Router]) -> None:
    router = make(Counting())
    first = router.ask("hi")
    router.registry.register_model(
        make_spec("own", provider="custom", implementation="custom:own", max_output_tokens=5), replace=True
    )
    assert router.ask("hi") != first


def test_without_a_cache_nothing_is_kept(make: Callable[..., Router]) -> None:
    router = make(Counting(), cache=None)
    assert router.ask("hi") != router.ask("hi")
    assert "cache" not in router.statistics()


def test_calls_of_ones_own_are_kept_when_asked_for(make: Callable[..., Router]) -> None:
    router = make(Counting())
    made: list[str] = []

    def call(attempt: Attempt) -> dict[str, str]:
        made.append(attempt.model)
        return {"answer": "42"}

    def another(_: Attempt) -> str:
        return "something else"

    router.run("hi", call)
    router.run("hi", call)
    assert len(made) == 2
    request = Request(messages="hi", cache=True)
    first, second = router.run(request, call), router.run(request, call)
    assert first == second == {"answer": "42"}
    assert first is not second
    assert len(made) == 3
    assert router.run(request, another) == "something else"


def test_answers_of_other_types_are_not_kept_and_counted(make: Callable[..., Router]) -> None:
    router = make(Counting())
    request = Request(messages="hi", cache=True)
    assert router.run(request, lambda _: ("a", "tuple")) == ("a", "tuple")
    assert router.run(request, lambda _: object()) is not None
    assert router.statistics()["cache"]["not_kept"] == 2


def test_broken_streams_and_those_left_early_are_not_kept(make: Callable[..., Router]) -> None:
    class Breaks(Counting):
        def stream(self, prompt: str) -> Iterator[str]:
            yield from super().stream(prompt)
            raise ConnectionError

    router = make(Breaks())
    with pytest.raises(Exception, match="broke"):
        list(router.ask_stream("hi"))
    stream = router.ask_stream("hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert router.statistics()["cache"]["writes"] == 0


# -- configuration


def test_the_cache_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(
        f"models: [{{name: m, provider: openai}}]\n"
        f"cache: {{levels: [memory, 'sqlite:///{tmp_path}/c.db'], ttl: 60, max_entries: 5}}\n"
    )
    router = Router.from_config(path)
    assert router.cache is not None
    assert router.cache.settings.ttl == 60
    assert repr(router.cache) == "ModelCache(memory -> sqlite)"
    router.close()


@pytest.mark.parametrize("section", ["{levels: [mongodb]}", "{ttl: 0}", "{when: sometimes}", "{size: 3}", "[memory]"])
def test_a_wrong_section_is_located(tmp_path: Path, section: str) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"models: [{{name: m, provider: openai}}]\ncache: {section}\n")
    with pytest.raises(CatalogError) as caught:
        Router.from_config(path)
    assert caught.value.line == 2


def test_what_a_router_takes_for_a_cache(registry: ModelRegistry) -> None:
    cache = ModelCache()
    assert Router(registry, cache=cache).cache is cache
    assert Router(registry, cache=False).cache is None
    assert repr(Router(registry, cache="memory").cache) == "ModelCache(memory)"
    assert "password" not in repr(CacheSettings(levels=("redis://user:password@host",)))
    with pytest.raises(InvalidRequestError):
        Request(messages="hi", cache="yes")  # type: ignore[arg-type]
