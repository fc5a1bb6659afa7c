"""`pointsman init` and warnings in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pointsman.cli.starting import _OTHER_KEYS, _PROVIDERS

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

SECRET = "sk-made-up-secret"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_PROVIDERS, *_OTHER_KEYS):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "keys", [[], ["OPENAI_API_KEY"], ["ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"], list(_PROVIDERS)]
)
def test_what_init_writes_is_accepted_and_names_keys_only(
    keys: list[str], invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in keys:
        monkeypatch.setenv(name, SECRET)
    result = invoke("init")
    assert result.exit_code == 0
    text = (folder / "pointsman.yaml").read_text()
    assert SECRET not in text + result.output
    for name in keys:
        assert name in text
    checked = invoke("validate", "pointsman.yaml")
    assert checked.exit_code == 0, checked.stderr
    assert checked.stderr == ""
    assert invoke("explain", "hello").exit_code == 0


def test_init_never_overwrites(invoke: Invoke, write: Write, folder: Path) -> None:
    write("policy: cheapest\n")
    result = invoke("init")
    assert result.exit_code == 1
    assert result.stderr.startswith("error E4006: pointsman.yaml is there already")
    assert (folder / "pointsman.yaml").read_text() == "policy: cheapest\n"


def test_init_writes_where_it_is_told(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert "api_key: env:OPENAI_API_KEY" in invoke("init", "--output", "-").stdout
    assert list(folder.iterdir()) == []
    found = json.loads(invoke("init", "--output", "other.yaml", "--json").stdout)
    assert found == {"file": "other.yaml", "keys": ["OPENAI_API_KEY"], "keys_not_used": []}


def test_hundreds_of_warnings_are_grouped(invoke: Invoke, write: Write) -> None:
    models = [
        {"name": f"m{number}", "provider": "openai", "deprecation_date": "2020-01-01", "sunset_date": "2020-02-02"}
        for number in range(300)
    ]
    config = write({"models": models})
    lines = invoke("validate", config).stderr.splitlines()
    assert len(lines) == 11
    assert lines[-1].endswith("and 290 more models that fade or are gone; --all shows them")
    assert len(invoke("validate", config, "--all").stderr.splitlines()) == 300
    assert len(json.loads(invoke("validate", config, "--json").stdout)["warnings"]) == 300
