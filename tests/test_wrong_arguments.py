"""Arguments of the wrong type, and numbers that could never be meant, at every public callable: said where given."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import make_spec

from pointsman import (
    CatalogError,
    ConfigError,
    InvalidFeedbackError,
    InvalidModelError,
    InvalidRequestError,
    ModelRegistry,
    ModelSpec,
    NoEligibleModelsError,
    Outcome,
    Request,
    Router,
)
from pointsman.cache import ModelCache
from pointsman.failover.readings import Reading
from pointsman.types import REQUEST_FIELDS

Ask = Callable[[Router, Any], Any]

# What each takes the wrong value for; all of them say what was found and what was expected.
CALLS: dict[str, Ask] = {
    "get_model": lambda router, wrong: router.registry.get_model(wrong),
    "find_model": lambda router, wrong: router.registry.find_model(wrong),
    "unregister_model": lambda router, wrong: router.registry.unregister_model(wrong),
    "register_model": lambda router, wrong: router.registry.register_model(wrong),
    "replace_models": lambda router, wrong: router.registry.replace_models(wrong),
    "update_model_status": lambda router, wrong: router.registry.update_model_status(wrong, "active"),
    "amend_model": lambda router, wrong: router.registry.amend_model("m", wrong),
    "pools_of": lambda router, wrong: router.registry.pools_of(wrong),
    "migrate": lambda router, wrong: router.registry.migrate(wrong),
    "rollback": lambda router, wrong: router.registry.rollback(wrong),
    "diff": lambda router, wrong: router.registry.diff(wrong),
    "subscribe": lambda router, wrong: router.registry.subscribe(wrong),
    "attach": lambda router, wrong: router.registry.attach(wrong),
    "attach_converter": lambda router, wrong: router.registry.attach_converter("c", wrong),
    "list_models": lambda router, wrong: router.registry.list_models(provider=wrong),
    "get_models_by_capability": lambda router, wrong: router.registry.get_models_by_capability(wrong),
    "get_models_by_capabilities": lambda router, wrong: router.registry.get_models_by_capabilities(wrong),
    "validate_parameters": lambda router, wrong: router.registry.validate_parameters("m", wrong),
    "map_parameters": lambda router, wrong: router.registry.map_parameters("m", wrong),
    "ModelRegistry": lambda _, wrong: ModelRegistry(wrong),
    "ModelRegistry(clock=)": lambda _, wrong: ModelRegistry(clock=wrong),
    "Router(clock=)": lambda router, wrong: Router(router.registry, clock=wrong),
    "Router(buckets=)": lambda router, wrong: Router(router.registry, buckets=wrong),
    "Router(rules=)": lambda router, wrong: Router(router.registry, rules=wrong),
    "Router(seed=)": lambda router, wrong: Router(router.registry, seed=str(wrong)),  # type: ignore[arg-type]
    "Router(cache=)": lambda router, wrong: Router(router.registry, cache=wrong),
    "Router(judges=)": lambda router, wrong: Router(router.registry, judges=wrong),
    "from_settings": lambda router, wrong: Router.from_settings(router.registry, wrong),
    "select_model": lambda router, wrong: router.select_model(wrong),
    "observe(decision)": lambda router, wrong: router.observe(wrong, Outcome()),
    "observe(outcome)": lambda router, wrong: router.observe(router.decide("hi"), wrong),
    "observe(model=)": lambda router, wrong: router.observe(router.decide("hi"), Outcome(), model=wrong),
    "observe(blame=)": lambda router, wrong: router.observe(router.decide("hi"), Outcome(), blame=wrong),
    "health": lambda router, wrong: router.health(wrong),
    "on_health_change": lambda router, wrong: router.on_health_change(wrong),
    "judge(share=)": lambda router, wrong: router.judge(print, share=[wrong]),  # type: ignore[arg-type]
    "run(call)": lambda router, wrong: router.run("hi", wrong),
    "stream(call)": lambda router, wrong: router.stream("hi", wrong),
    "execute": lambda router, wrong: router.execute(wrong, print),
    "steps": lambda router, wrong: router.steps(wrong),
}


@pytest.fixture
def router() -> Router:
    return Router(ModelRegistry([make_spec()]), "cheapest", seed=1)


@pytest.mark.parametrize("name", CALLS)
def test_a_value_of_another_type_is_refused_in_words(name: str, router: Router) -> None:
    before = router.registry.version
    with pytest.raises(TypeError, match=r"is of type \w+.*; expected "):
        CALLS[name](router, 3)
    assert router.registry.version == before
    assert router.health("m").state == "unknown"  # nobody was charged with it


@pytest.mark.parametrize("section", ["calls", "health", "limits", "budget", "ledger", "discovery", "loading", "checks"])
def test_settings_of_another_type_name_their_section(section: str, router: Router) -> None:
    settings: dict[str, Any] = {section: 3}
    with pytest.raises(ConfigError, match=section):
        Router(router.registry, **settings)


@pytest.mark.parametrize("store", [3, {}, object()])
def test_a_store_that_is_none_is_refused(store: Any, router: Router) -> None:
    with pytest.raises(ConfigError, match=r"the store is of type \w+, which has no \w+\(\); expected a URL"):
        Router(router.registry, store=store)


def test_a_cache_may_be_a_mapping_and_what_is_wrong_in_it_is_said(router: Router) -> None:
    assert isinstance(Router(router.registry, cache={"levels": ["memory"]}).cache, ModelCache)  # type: ignore[arg-type]
    wrong: Any
    for wrong in ([], [1], {"levls": []}):
        with pytest.raises(ConfigError, match="cache: lev"):
            Router(router.registry, cache=wrong)


@pytest.mark.parametrize("given", ["chepest", {"name": "chepest"}])
def test_a_misspelt_policy_names_the_one_that_was_meant(given: Any, router: Router) -> None:
    with pytest.raises(ConfigError, match=r"no policy 'chepest' .did you mean 'cheapest'\? one of: "):
        Router(router.registry, given)
    with pytest.raises(ConfigError, match="did you mean 'exploration'"):
        Router(router.registry, {"name": "ucb", "exploraton": 1})


def test_a_folder_is_no_catalogue(tmp_path: Path, router: Router) -> None:
    for use in (ModelRegistry.load, Router.from_config, router.registry.export):
        with pytest.raises(CatalogError) as caught:
            use(tmp_path)
        assert caught.value.path == str(tmp_path)


# -- requests


@pytest.mark.parametrize("field", [name for name in REQUEST_FIELDS if name not in {"messages", "response_format"}])
def test_every_field_of_a_request_says_what_it_takes(field: str) -> None:
    wrong: dict[str, Any] = {field: object()}
    with pytest.raises(InvalidRequestError, match=field) as caught:
        Request(**wrong)
    assert caught.value.field == field
    assert str(caught.value).count("expected") == 1


def test_no_tools_may_be_said_with_none() -> None:
    assert Request(messages="hi", tools=None).tools == ()  # type: ignore[arg-type]


def test_a_requirement_that_there_is_none_of_is_refused(router: Router) -> None:
    with pytest.raises(InvalidRequestError, match=r"'maxcost' is no requirement .did you mean 'max_cost'"):
        router.select_model(maxcost=3)


def test_a_word_of_the_registry_that_there_is_none_of_is_refused(router: Router) -> None:
    with pytest.raises(InvalidRequestError, match=r"no status 'activ' .did you mean 'active'"):
        router.registry.list_models(status="activ")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="no dialect 'opnai'"):
        router.registry.map_parameters("m", {}, dialect="opnai")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="no dialect 'opnai'"):
        router.run("hi", print, dialect="opnai")  # type: ignore[arg-type]
    for tokens in (-3, float("nan"), "many"):
        with pytest.raises(InvalidRequestError, match=r"input_tokens is .*; expected a number of tokens"):
            router.registry.request_cost("m", tokens, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wish", "meant"),
    [
        ({"needs": {"visoin"}}, "capability 'visoin'; did you mean 'vision'"),
        ({"needs": {"function_caling"}}, "did you mean 'function_calling'"),
        ({"providers": {"opnai"}}, "provider 'opnai'; did you mean 'openai'"),
        ({"language": "deu"}, "language 'deu'; did you mean 'de'"),
        ({"expertise": "codign"}, "expertise 'codign'; did you mean 'coding'"),
    ],
)
def test_who_can_be_served_by_nobody_learns_which_word_was_meant(wish: dict[str, Any], meant: str) -> None:
    spec = make_spec(capabilities=["generation.text"], languages=["de"], expertise=["coding"])
    with pytest.raises(NoEligibleModelsError) as caught:
        Router(ModelRegistry([spec])).decide(Request(messages="hi", **wish))
    assert meant in str(caught.value.hint)


def test_what_exists_and_nobody_has_is_no_misspelling(router: Router) -> None:
    for need in ("vision", "generation.text"):
        with pytest.raises(NoEligibleModelsError, match=f"for example openai:m does not declare {need}"):
            router.decide(Request(messages="hi", needs={need}))


# -- outcomes and scores


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "seconds", "ttft", "cost"])
@pytest.mark.parametrize("value", [-5, float("nan"), float("inf"), float("-inf"), True, "3", [3]])
def test_what_was_never_measured_teaches_nobody(field: str, value: Any, router: Router) -> None:
    decision = router.decide("hi")
    with pytest.raises(InvalidFeedbackError, match=f"{field} of the outcome is .*; expected a number"):
        router.observe(decision, Outcome(**{field: value}))
    assert router.statistics()["selection_stats"]["total_attempts"] == 0
    right: dict[str, Any] = {field: 3}
    router.observe(decision, Outcome(**right))  # and the decision is not lost
    assert router.statistics()["selection_stats"]["total_attempts"] == 1


@pytest.mark.parametrize("error", ["boom", TimeoutError, 3])
def test_an_error_is_an_exception(error: Any, router: Router) -> None:
    with pytest.raises(InvalidFeedbackError, match=r"error of the outcome is of type .*; expected the exception"):
        router.observe(router.decide("hi"), Outcome(error=error))
    assert router.health("m").state == "unknown"


@pytest.mark.parametrize(("decision", "source"), [(3, None), ([], None), ("id", 3)])
def test_a_score_names_its_decision_by_text(decision: Any, source: Any, router: Router) -> None:
    with pytest.raises(InvalidFeedbackError, match=r"(decision_id|source) is of type \w+; expected a text"):
        router.feedback(decision, 0.5, source=source)


# -- names


@pytest.mark.parametrize("field", ["name", "provider", "aliases", "base", "serves", "family", "account"])
@pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028"])
def test_a_name_is_one_line_that_can_be_printed(field: str, character: str) -> None:
    text = f"gpt{character}4"
    with pytest.raises(InvalidModelError, match=field) as caught:
        ModelSpec(**{"name": "m", "provider": "openai", field: [text] if field == "aliases" else text})
    assert caught.value.field == field
    assert character not in str(caught.value)


def test_a_name_that_cannot_be_printed_is_located_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text('models:\n  - name: "a\\nb"\n    provider: openai\n')
    with pytest.raises(InvalidModelError, match=r"the character '\\n' in") as caught:
        ModelRegistry.load(path)
    assert caught.value.line == 2


def test_names_in_any_script_are_names() -> None:
    assert ModelSpec(name="模型 é", provider="openai").key == "openai:模型 é"


@pytest.mark.parametrize("interval", [-1, "often", float("nan")])
def test_an_interval_is_a_number_of_seconds(interval: Any, router: Router) -> None:
    with pytest.raises(ConfigError, match=r"interval is .*; expected seconds"):
        router.monitor(interval)


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0])
def test_an_impossible_cost_of_a_reader_is_unknown_and_the_lesson_is_kept(cost: float) -> None:
    made = Router(ModelRegistry([make_spec("a")]), policy="ucb", seed=1)
    for _ in range(3):
        made.run("hello", lambda _: "hi", reader=lambda _: Reading(content=True, cost=cost))
    learnt = made.statistics()["selection_stats"]["model_performance"]["openai:a"]
    assert learnt["attempts"] == 3
    assert all(math.isfinite(value) for value in learnt.values())
