"""The sections `limits:` and `budget:`: what they say, and located errors for what they cannot say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman import Router
from pointsman.config import load_config
from pointsman.errors import CatalogError

GOOD = """\
models:
  - {name: small, provider: openai, api_key: "env:OPENAI_API_KEY", rate_limit_rpm: 500,
     cost_per_1m_input_tokens: 0.1, cost_per_1m_output_tokens: 0.4}
limits:
  share: 0.5
  learn_from_headers: false
  credentials:
    env:OPENAI_API_KEY: {rpm: 400, tpm: 90000}
  models:
    openai:small: {rpm: 100}
budget:
  per_request: 0.002
  total: {usd: 100, period: month}
  tenants:
    acme: [{usd: 5, period: day}, {requests: 20, period: minute}]
    "*": {usd: 1, requests: 1000, tokens: 1000000, period: 90.5}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "pointsman.yaml"
    path.write_text(text)
    return path


def test_the_sections_are_read(tmp_path: Path) -> None:
    _, settings = load_config(write(tmp_path, GOOD))
    assert settings.limits.credentials["env:OPENAI_API_KEY"].tpm == 90_000
    assert settings.budget.total[0].window == ("month", 31 * 86_400)
    assert [quota.period for quota in settings.budget.tenants["acme"]] == [86_400, 60]
    assert settings.budget.tenants["*"][0].period == 90.5
    assert settings.rules.max_cost == 0.002


def test_they_take_effect(tmp_path: Path) -> None:
    router = Router.from_config(write(tmp_path, GOOD), policy="cheapest")
    router.run("hello", lambda attempt: f"{attempt.model} answers", honours_timeout=True)
    limits = {key: (each["limit"], each["period"]) for key, each in router.limits().items()}
    assert limits == {
        "rpm|openai:small": (50, 60),
        "rpm|credential|openai|env:OPENAI_API_KEY": (200, 60),
        "tpm|credential|openai|env:OPENAI_API_KEY": (45_000, 60),
        "usd|tenant||90.5": (1, 90.5),
        "requests|tenant||90.5": (1_000, 90.5),
        "tokens|tenant||90.5": (1_000_000, 90.5),
        "usd|total|month": (100, 31 * 86_400),
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("limits: 5", 1, "limits"),
        ("limits: {share: 0}", 1, "limits.share"),
        ("limits:\n  share: 2", 2, "less than or equal to 1"),
        ("limits:\n  rpms: 2", 2, "not known here"),
        ("limits:\n  credentials:\n    openai: {rpm: 0}", 3, "greater than 0"),
        ("limits:\n  credentials:\n    openai: {rpm: .nan}", 3, "no usable number"),
        ("limits:\n  credentials:\n    openai: {}", 3, "give rpm, tpm or both"),
        ("limits:\n  models:\n    openai:x: {rpm: 2.5}", 3, "rpm"),
        ("budget:\n  total: {usd: 1}", 2, "period"),
        ("budget:\n  total: {period: day}", 2, "give usd, requests or tokens"),
        ("budget:\n  total: {usd: .inf, period: day}", 2, "finite"),
        ("budget:\n  total: {usd: -1, period: day}", 2, "greater than 0"),
        ("budget:\n  total: {usd: 1, period: fortnight}", 2, "period"),
        ("budget:\n  total: {usd: 1, period: 0}", 2, "greater than 0"),
        ("budget:\n  tenants:\n    acme:\n      - {usd: 1, period: day}\n      - {usd: 1, perod: day}", 5, "perod"),
        ("budget:\n  tenants:\n    acme: [{usd: 1, period: day}, {usd: 2, period: 86400}]", 3, "same period"),
        ("budget:\n  tenants: [acme]", 2, "dictionary"),
        ("budget: {per_request: -1}", 1, "per_request"),
    ],
)
def test_what_is_malformed_is_located(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_config(write(tmp_path, text))
    assert caught.value.line == line
    assert any(words in str(each) for each in caught.value.problems), [str(each) for each in caught.value.problems]
