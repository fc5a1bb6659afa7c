"""R7, R8, P3: models come and go on a fake clock; what a provider's API insists on; converters are code."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from samples import make_spec

from pointsman import InvalidModelError, ModelRegistry, ModelSpec, NoEligibleModelsError, Request, Router
from pointsman.eligibility.question import Rules
from pointsman.testing import FakeClock


def at(text: str) -> FakeClock:
    """A clock that shows this moment, UTC."""
    return FakeClock(epoch=datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def eligible(registry: ModelRegistry, moment: str, **rules: Any) -> list[str]:
    try:
        decision = Router(registry, "cheapest", clock=at(moment), rules=Rules(**rules)).decide(Request(input_tokens=1))
    except NoEligibleModelsError:
        return []
    return [spec.name for spec in decision.specs]


OLD = {"deprecation_date": "2025-06-01", "sunset_date": "2025-12-01", "replacement": "new"}


@pytest.fixture
def aging() -> ModelRegistry:
    old = make_spec("old", cost_per_1m_input_tokens=0.1, cost_per_1m_output_tokens=0.1, **OLD)
    return ModelRegistry([old, make_spec("new", cost_per_1m_input_tokens=1, cost_per_1m_output_tokens=1)])


def test_r8_a_deprecated_model_stays_behind_until_its_sunset(aging: ModelRegistry) -> None:
    assert eligible(aging, "2025-05-31T23:59") == ["old", "new"]
    assert eligible(aging, "2025-06-01T00:00") == ["new", "old"]
    assert eligible(aging, "2025-11-30T23:59") == ["new", "old"]
    assert eligible(aging, "2025-12-01T00:00") == ["new"]
    decision = Router(aging, "cheapest", clock=at("2026-01-01")).decide("hi")
    assert decision.excluded["openai:old"].reason == "it is gone since 2025-12-01, replaced by new"


def test_r8_policies_warn_prefer_the_replacement_or_refuse(
    aging: ModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    clock = at("2025-07-01")
    warned = Router(aging, "cheapest", clock=clock)
    for _ in range(3):
        decision = warned.decide(Request(model="old", input_tokens=1))
    assert decision.model == "openai:old"
    assert decision.notes == ("openai:old is deprecated since 2025-06-01, gone on 2025-12-01; use new instead",)
    assert caplog.text.count("is deprecated since") == 1, "once per model, not per call"
    replaced = Router(aging, "cheapest", clock=clock, rules=Rules(on_deprecated="prefer_replacement"))
    assert replaced.decide(Request(model="old", input_tokens=1)).model == "openai:new"
    assert eligible(aging, "2025-07-01", on_deprecated="refuse") == ["new"]


def test_r8_migration_follows_the_chain_as_of_a_day() -> None:
    registry = ModelRegistry(
        [
            make_spec("a", deprecation_date="2024-01-01", replacement="b"),
            make_spec("b", deprecation_date="2025-01-01", replacement="c"),
            make_spec("c"),
            make_spec("x", status="deprecated", replacement="y"),
            make_spec("y", status="deprecated", replacement="x"),
            make_spec("z", status="deprecated", replacement="elsewhere"),
        ]
    )
    assert registry.migrate("a", as_of=date(2023, 1, 1)) == "a"
    assert registry.migrate("a", as_of=date(2024, 6, 1)) == "b"
    assert registry.migrate("a", as_of=date(2026, 1, 1)) == "c"
    assert registry.migrate("z") == "z", "a replacement that nobody registered is none"
    with pytest.raises(InvalidModelError, match="circle"):
        registry.migrate("x")


def test_r7_a_maintenance_window_closes_and_opens_by_the_minute() -> None:
    window = {"start": "2026-01-01T10:00", "end": "2026-01-01T12:00", "reason": "upgrade"}
    registry = ModelRegistry([make_spec("m", maintenance=[window])])
    assert [bool(eligible(registry, f"2026-01-01T{time}")) for time in ("09:59", "10:00", "11:59", "12:00")] == [
        True, False, False, True,
    ]  # fmt: skip
    with pytest.raises(NoEligibleModelsError) as caught:
        Router(registry, "cheapest", clock=at("2026-01-01T11:00")).decide("hi")
    assert caught.value.excluded["openai:m"].reason == "under maintenance until 2026-01-01 12:00 UTC: upgrade"


@pytest.mark.parametrize(
    "wrong",
    [
        {"maintenance": [{"start": "2026-01-02", "end": "2026-01-01"}]},
        {"deprecation_date": "2026-01-02", "sunset_date": "2026-01-01"},
        {"evidence": {"colour": {"source": "x"}}},
        {"deprecation_date": "soon"},
    ],
)
def test_dates_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidModelError):
        make_spec("m", **wrong)


def test_r2_every_fact_may_say_where_it_comes_from() -> None:
    spec = make_spec("m", context_window=5, evidence={"context_window": {"source": "the docs", "as_of": "2026-01-01"}})
    assert spec.evidence["context_window"].source == "the docs"


@pytest.mark.parametrize(
    ("requirement", "field", "variable"),
    [
        ("requires_region", {"region": "eu-west-1"}, "AWS_REGION"),
        ("requires_api_version", {"api_version": "2024-10-21"}, "AZURE_API_VERSION"),
        ("requires_project_id", {"project_id": "p"}, "GOOGLE_CLOUD_PROJECT"),
        ("uses_deployment_name", {"deployment_name": "d"}, None),
    ],
)
def test_p3_what_the_api_insists_on_must_be_there(
    requirement: str, field: dict[str, Any], variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_REGION_NAME", "AWS_DEFAULT_REGION", "AZURE_API_VERSION", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    bare: dict[str, Any] = {"name": "m", "provider": "azure", "api_requirements": {requirement: True}}
    registry = ModelRegistry([ModelSpec(**bare)])
    with pytest.raises(NoEligibleModelsError) as caught:
        Router(registry, "cheapest").decide("hi")
    assert "needs a" in caught.value.excluded["azure:m"].reason
    assert Router(ModelRegistry([ModelSpec(**bare, **field)]), "cheapest").decide("hi").model == "azure:m"
    if variable is not None:
        monkeypatch.setenv(variable, "set")
        assert Router(ModelRegistry([ModelSpec(**bare)]), "cheapest").decide("hi").model == "azure:m"


def test_p3_a_model_with_a_converter_waits_for_its_code() -> None:
    registry = ModelRegistry([make_spec("odd", converter="shout"), make_spec("even")])
    router = Router(registry, "cheapest")
    assert router.decide("hi").eligible == ("openai:even",)
    registry.attach_converter("shout", lambda parameters, spec: {"SIZE": parameters["max_tokens"], "for": spec.name})
    decision = router.decide(Request(input_tokens=1, max_output_tokens=5))
    assert decision.parameters["openai:odd"] == {"SIZE": 5, "for": "odd"}
    assert decision.parameters["openai:even"] == {"max_tokens": 5}
