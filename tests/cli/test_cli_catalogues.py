"""`import-litellm`, `diff` and `discover`: what they print, what they write, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pointsman import ModelRegistry
from pointsman.catalog.export import SCHEMA_LINE
from pointsman.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

    from pointsman.testing import ModelFleet

OLD = "models: [{name: a, provider: openai, context_window: 1000}, {name: b, provider: openai}]\n"
NEW = "models: [{name: a, provider: openai, context_window: 2000}, {name: c, provider: openai}]\n"


# -- import-litellm


def test_the_map_becomes_a_catalogue_that_validates_and_loads(invoke: Invoke, folder: Path) -> None:
    result = invoke("import-litellm", "--provider", "openai,anthropic", "-o", "litellm.yaml")
    assert result.exit_code == 0
    assert result.stdout.startswith("litellm.yaml: ")
    assert (folder / "litellm.yaml").read_text().startswith(SCHEMA_LINE)
    assert invoke("validate", "litellm.yaml").exit_code == 0
    registry = ModelRegistry.load("litellm.yaml")
    assert set(registry.list_providers()) == {"openai", "anthropic"}
    assert registry.get_model("openai:gpt-4o").cost_per_1m_input_tokens == 2.5


def test_a_dash_writes_the_catalogue_to_standard_output(invoke: Invoke) -> None:
    result = invoke("import-litellm", "--provider", "groq", "--capability", "tools", "-o", "-")
    assert result.stdout.splitlines()[0] == SCHEMA_LINE
    assert all("tools" in line for line in result.stdout.splitlines()[3:])


def test_without_a_file_it_tells_what_is_in_the_map(invoke: Invoke) -> None:
    result = invoke("import-litellm")
    assert result.exit_code == 0
    assert "bedrock" in result.stdout
    assert "entries are no models: " in result.stdout


def test_json_holds_models_and_what_was_skipped(invoke: Invoke) -> None:
    found = json.loads(invoke("import-litellm", "--provider", "openai", "--json").stdout)
    assert {"litellm", "models", "skipped"} == set(found)
    assert {model["provider"] for model in found["models"]} == {"openai"}
    assert "mode realtime" in found["skipped"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--provider", "nobody"], "no models of nobody"),
        (["--capability", "not a path"], "is no capability"),
        (["--provider", "groq", "-o", "no/such/folder.yaml"], "cannot write the file"),
    ],
)
def test_what_cannot_be_imported_is_an_error(invoke: Invoke, options: list[str], says: str) -> None:
    result = invoke("import-litellm", *options)
    assert result.exit_code == 1
    assert says in result.stderr


# -- diff


def test_two_files_that_say_the_same_do_not_differ(invoke: Invoke, write: Write) -> None:
    other = OLD.replace("context_window", "max_context_length")
    result = invoke("diff", write(OLD, "old.yaml"), write(other, "new.yaml"))
    assert (result.exit_code, result.stdout) == (0, "no difference\n")


def test_what_differs_is_listed_and_the_exit_code_says_so(invoke: Invoke, write: Write) -> None:
    result = invoke("diff", write(OLD, "old.yaml"), write(NEW, "new.yaml"))
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["openai:a", "context_window", "1000", "2000"] in lines
    assert ["openai:c", "added"] in lines
    assert ["openai:b", "removed"] in lines
    assert result.stdout.endswith("1 added, 1 removed, 1 changed\n")


def test_a_difference_is_json_for_programs(invoke: Invoke, write: Write) -> None:
    result = invoke("diff", write(OLD, "old.yaml"), write(NEW, "new.yaml"), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["changed"] == {"openai:a": {"context_window": [1000, 2000]}}


def test_a_built_in_catalogue_can_be_one_of_the_two(invoke: Invoke, write: Write) -> None:
    assert invoke("diff", "builtin:openai", write("include: [openai]\n")).exit_code == 0


@pytest.mark.parametrize(
    "files", [("missing.yaml", "missing.yaml"), ("builtin:nothing", "builtin:openai"), ("broken.yaml", "broken.yaml")]
)
def test_a_file_that_cannot_be_read_is_exit_2(invoke: Invoke, write: Write, files: tuple[str, str]) -> None:
    write("models: [", "broken.yaml")
    result = invoke("diff", *files)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "error E400" in result.stderr
    assert invoke("diff", "one.yaml").exit_code == 2


# -- discover


def configuration(fleet: ModelFleet, *names: str, store: str = "memory://") -> str:
    url = fleet["first"].url
    models = [{"name": name, "provider": "openai", "api_base": url} for name in names]
    return json.dumps({"models": models, "store": store})


def test_discover_shows_what_is_new_and_changes_nothing(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    result = invoke("discover", "--config", write(configuration(fleet, "gone")))
    assert result.exit_code == 0
    lines = [line.split()[:2] for line in result.stdout.splitlines()]
    assert ["new", "openai:first"] in lines
    assert result.stdout.endswith("1 new, 1 not listed, 0 changed, 0 quarantined, 1 servers asked\n")


def test_applied_additions_are_kept_in_the_store(invoke: Invoke, write: Write, fleet: ModelFleet, folder: Path) -> None:
    config = write(configuration(fleet, "gone", store="sqlite:///kept.db"))
    result = invoke("discover", "--config", config, "--apply", "additions", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["applied"] == ["openai:first"]
    store = SQLiteStore(str(folder / "kept.db"))
    registry = ModelRegistry.load(config, store=store)
    assert registry.get_model("first").api_base == fleet["first"].url
    assert "gone" in registry, "what a server does not list stays until somebody says so"
    store.close()
    again = invoke("discover", "--config", config, "--json")
    assert json.loads(again.stdout)["additions"] == []


def test_a_store_that_keeps_nothing_is_said_to(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    result = invoke("discover", "--config", write(configuration(fleet, "gone")), "--apply", "additions")
    assert result.exit_code == 1
    assert "keeps nothing" in result.stderr


def test_new_models_can_be_written_as_a_catalogue(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    assert invoke("discover", "--config", write(configuration(fleet, "gone")), "-o", "found.yaml").exit_code == 0
    assert [spec.key for spec in ModelRegistry.load("found.yaml")] == ["openai:first"]


def test_a_server_that_cannot_be_asked_is_exit_1(invoke: Invoke, write: Write) -> None:
    entry = {"name": "m", "provider": "openai", "api_base": "http://169.254.169.254/v1"}
    result = invoke("discover", "--config", write({"models": [entry]}))
    assert result.exit_code == 1
    assert "link-local" in result.stdout


def test_what_was_not_found_cannot_be_approved(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    config = write(configuration(fleet, "gone", store="sqlite:///kept.db"))
    result = invoke("discover", "--config", config, "--approve", "openai:nobody")
    assert result.exit_code == 1
    assert "openai:nobody" in result.stderr
