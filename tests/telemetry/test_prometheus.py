"""Metrics: what is counted, and that labels stay few whatever comes."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from samples import StatusError, make_spec

from pointsman import CatalogError, ModelRegistry, NoEligibleModelsError, Outcome, Request, Router
from pointsman.failover.steps import Attempt, AttemptRecord
from pointsman.limits.settings import BudgetSettings
from pointsman.telemetry.labels import Names, fitting, hashed
from pointsman.telemetry.prometheus import PrometheusListener
from pointsman.testing import FakeClock

Make = Callable[..., Router]
HOSTILE = 100_000


@pytest.fixture
def metrics() -> CollectorRegistry:
    return CollectorRegistry()


def value(metrics: CollectorRegistry, name: str, **labels: str) -> float | None:
    generate_latest(metrics)  # what a scrape does
    found = metrics.get_sample_value(f"pointsman_{name}", labels)
    return None if found is None else float(found)


def series(metrics: CollectorRegistry) -> dict[str, int]:
    """How many time series each metric has, from the text that a scraper reads."""
    text = generate_latest(metrics).decode()
    return {family.name: len(family.samples) for family in text_string_to_metric_families(text)}


def test_requests_attempts_tokens_and_cost_are_counted(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    PrometheusListener(router, metrics)
    for _ in range(3):
        router.observe(
            router.decide("hello"), Outcome(input_tokens=1_000_000, output_tokens=500_000, seconds=2.0, ttft=0.3)
        )
    assert value(metrics, "requests_total", policy="cheapest") == 3
    assert value(metrics, "attempts_total", model="openai:cheap", outcome="answered") == 3
    assert value(metrics, "tokens_total", model="openai:cheap", direction="input") == 3_000_000
    assert value(metrics, "cost_usd_total", model="openai:cheap") == pytest.approx(0.9)
    assert value(metrics, "attempt_seconds_sum", model="openai:cheap") == 6.0
    assert value(metrics, "time_to_first_token_seconds_bucket", model="openai:cheap", le="0.5") == 3
    assert value(metrics, "decision_seconds_count") == 3


def test_failures_are_counted_by_class_and_open_the_breaker(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    PrometheusListener(router, metrics)
    for _ in range(5):
        router.observe(router.decide(Request(messages="hi", prefer={"cheap"})), Outcome(error=StatusError(500)))
    assert value(metrics, "failures_total", model="openai:cheap", fault="server_error") == 5
    assert value(metrics, "breaker_state", model="openai:cheap") == 2
    assert value(metrics, "model_available", model="openai:cheap") == 0


def test_calls_are_counted_by_how_they_end(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    PrometheusListener(router, metrics)
    router.run("hello", lambda _: "hi")
    with pytest.raises(NoEligibleModelsError):
        router.run(Request(messages="hello", needs={"audio"}), lambda _: "hi")
    stream = router.stream("hello", lambda _: iter("abc"))
    next(stream)
    stream.close()
    assert value(metrics, "calls_total", outcome="answered") == 1
    assert value(metrics, "calls_total", outcome="abandoned") == 1
    assert value(metrics, "refused_requests_total", stage="requirements") == 1


def test_exploring_is_what_does_not_go_to_the_likeliest(make_router: Make, metrics: CollectorRegistry) -> None:
    class Split:
        def probabilities(self, arms: Any, context: Any) -> list[float]:
            return [0.6, 0.4, *[0.0] * (len(arms) - 2)]

        def learn(self, lesson: Any) -> None: ...

    router = make_router(Split())
    PrometheusListener(router, metrics)
    drawn = [router.decide("hello").probability for _ in range(500)]
    assert value(metrics, "explored_requests_total", policy="Split") == drawn.count(0.4)
    assert value(metrics, "requests_total", policy="Split") == 500


def test_the_registry_is_shown_as_it_is_now(clock: FakeClock, metrics: CollectorRegistry) -> None:
    registry = ModelRegistry([make_spec("a", sunset_date="2023-11-20"), make_spec("b"), make_spec("c")])
    router = Router(registry, "cheapest", clock=clock)
    PrometheusListener(router, metrics)
    assert value(metrics, "models", provider="openai", status="active") == 3
    assert value(metrics, "model_days_to_sunset", model="openai:a") == 6
    first = registry.version
    assert value(metrics, "registry_info", version=first) == 1
    registry.update_model_status("b", "disabled")
    registry.unregister_model("a")
    assert value(metrics, "models", provider="openai", status="disabled") == 1
    assert value(metrics, "model_days_to_sunset", model="openai:a") is None
    assert value(metrics, "registry_info", version=first) is None


def test_a_reload_that_fails_is_counted(tmp_path: Path, metrics: CollectorRegistry) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("models: [{name: a, provider: openai}]\n")
    router = Router.from_config(path)
    PrometheusListener(router, metrics)
    path.write_text("models: [oops")
    with pytest.raises(CatalogError):
        router.registry.reload()
    assert value(metrics, "registry_reload_failures_total") == 1


def test_what_is_left_of_limits_is_shown_and_of_tenants_under_a_hash(
    clock: FakeClock, metrics: CollectorRegistry
) -> None:
    registry = ModelRegistry([make_spec("a", rate_limit_rpm=10)])
    budget = BudgetSettings.model_validate({"tenants": {"*": {"requests": 4, "period": "day"}}})
    router = Router(registry, "cheapest", clock=clock, budget=budget)
    PrometheusListener(router, metrics, most_tenants=5)
    router.run(Request(messages="hello", tenant="acme"), lambda _: "hi")
    left = value(metrics, "limit_headroom_ratio", limit="rpm|openai:a")
    assert left is not None
    assert 0.8 <= left < 1
    assert value(metrics, "limit_headroom_ratio", limit=f"requests|tenant|{hashed('acme')}|86400") == 0.75
    assert b"acme" not in generate_latest(metrics)


def test_scores_are_summed_per_model(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    PrometheusListener(router, metrics)
    decision = router.decide("hello")
    router.observe(decision, Outcome(seconds=1.0))
    router.feedback(decision.id, 0.25)
    assert value(metrics, "score_sum", model="openai:cheap") == 0.25


def test_100_000_hostile_model_names_stay_within_the_bound(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    listener = PrometheusListener(router, metrics, most_models=20)
    decision = router.decide("hello")
    outcome = Outcome(seconds=0.1, ttft=0.1, input_tokens=1, output_tokens=1)
    for number in range(HOSTILE):
        spec = decision.spec.model_copy(update={"name": f'm{number}"}} evil\n{{x="\ud800'})
        listener.attempt_ended(AttemptRecord(Attempt(decision, spec, 1, None, "openai"), outcome, None), 0.1)
    counts = series(metrics)
    assert counts["pointsman_attempts"] <= 2 * 21
    assert max(counts.values()) <= 21 * 14
    assert value(metrics, "attempts_total", model="other", outcome="answered") == HOSTILE - 20


def test_100_000_tenants_stay_within_the_bound_and_are_never_named(
    make_router: Make, metrics: CollectorRegistry
) -> None:
    router = make_router()
    PrometheusListener(router, metrics, most_tenants=10)
    for number in range(HOSTILE):
        router.decide(Request(messages="hello", tenant=f"acme-{number}"))
    counts = series(metrics)
    assert counts["pointsman_tenant_requests"] <= 2 * 11
    assert value(metrics, "tenant_requests_total", tenant="other") == HOSTILE - 10
    assert value(metrics, "tenant_requests_total", tenant=hashed("acme-0")) == 1
    assert b"acme" not in generate_latest(metrics)


def test_tenants_have_no_metrics_unless_asked_for(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    PrometheusListener(router, metrics)
    router.decide(Request(messages="hello", tenant="acme"))
    assert series(metrics)["pointsman_tenant_requests"] == 0


def test_neither_prompts_nor_errors_words_are_shown(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    PrometheusListener(router, metrics)

    def call(attempt: Any) -> str:
        raise ValueError("you said: the secret word")

    with pytest.raises(Exception, match="no model"):
        router.run("the secret word", call, retries=0)
    assert b"secret" not in generate_latest(metrics)


def test_two_routers_share_one_registry(make_router: Make, metrics: CollectorRegistry) -> None:
    for _ in range(2):
        router = make_router()
        PrometheusListener(router, metrics)
        router.decide("hello")
        generate_latest(metrics)
    assert value(metrics, "requests_total", policy="cheapest") == 2


def test_who_has_closed_counts_no_more(make_router: Make, metrics: CollectorRegistry) -> None:
    router = make_router()
    listener = PrometheusListener(router, metrics)
    router.decide("hello")
    listener.close()
    router.decide("hello")
    assert value(metrics, "requests_total", policy="cheapest") == 1


def test_names_follow_the_conventions(make_router: Make, metrics: CollectorRegistry) -> None:
    PrometheusListener(make_router(), metrics)
    for family in text_string_to_metric_families(generate_latest(metrics).decode()):
        assert family.name.startswith("pointsman_")
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        if family.type == "counter":
            assert not family.name.endswith(("_total", "_count"))


def test_labels_are_one_line_of_bounded_length() -> None:
    assert fitting("a\nb\x00" + "x" * 1000) == "a?b?" + "x" * 116
    names = Names(1)
    assert [names.label("a"), names.label("b"), names.label("a")] == ["a", "other", "a"]


def test_a_configuration_attaches_metrics_and_serves_them(tmp_path: Path) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"policy: cheapest\ntelemetry: {{port: {port}}}\nmodels: [{{name: a, provider: openai}}]\n")
    router = Router.from_config(path)
    router.decide("hello")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'pointsman_requests_total{policy="cheapest"} ' in text
    again = Router.from_config(path)  # the port is taken: serving goes on
    assert again.decide("hello").model == "openai:a"


def test_a_wrong_telemetry_section_is_located(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("models: []\ntelemetry: {port: 99999999}\n")
    with pytest.raises(CatalogError, match=r"pointsman.yaml:2:\d+"):
        Router.from_config(path)


def test_workers_that_share_files_count_together(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    code = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from pointsman import ModelRegistry, ModelSpec, Outcome, Router
from pointsman.telemetry.prometheus import PrometheusListener
from pointsman.testing import FakeClock

clock = FakeClock(10.0)
router = Router(ModelRegistry([ModelSpec(name="a", provider="openai")]), "cheapest", clock=clock)
PrometheusListener(router)
for _ in range(3):
    clock.advance(10.0)
    router.observe(router.decide("hi"), Outcome(seconds=1.0))
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for workers in (1, 2):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert f'pointsman_requests_total{{policy="cheapest"}} {3 * workers}.0' in done.stdout
        assert f'pointsman_attempts_total{{model="openai:a",outcome="answered"}} {3 * workers}.0' in done.stdout
        assert 'pointsman_models{provider="openai",status="active"} 1.0' in done.stdout
