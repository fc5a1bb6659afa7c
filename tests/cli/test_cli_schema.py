"""The published JSON Schema says what the code reads."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from pointsman.catalog.files import SECTIONS, builtin_names
from pointsman.catalog.loader import load_text
from pointsman.cli.schema import configuration_schema

if TYPE_CHECKING:
    from cli.kinds import Invoke

PUBLISHED = Path(__file__).parents[2] / "pointsman.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = configuration_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_file_is_what_the_command_prints(invoke: Invoke) -> None:
    printed = invoke("schema").stdout
    assert printed == PUBLISHED.read_text(), "run: pointsman schema > pointsman.schema.json"


def test_every_section_that_is_read_is_described() -> None:
    assert set(configuration_schema()["properties"]) == set(SECTIONS)


@pytest.mark.parametrize("name", builtin_names())
def test_the_built_in_catalogues_fit(name: str, validator: Draft202012Validator) -> None:
    text = (resources.files("pointsman.catalog") / "data" / f"{name}.yaml").read_text()
    assert [error.message[:200] for error in validator.iter_errors(load_text(text))] == []


GOOD: list[Any] = [
    None,
    {},
    {"models": None, "pools": {"auto": None}},
    {"models": [{"model_id": "m", "provider": "openai", "supports_vision": True, "input_cost_per_token": 1e-6}]},
    {"models": [{"name": "m", "provider": "ollama", "size": "8x7B", "capabilities": {"vision": True}}]},
    {"policy": {"name": "ucb", "exploration": 0.25}, "store": "sqlite:///pointsman.db", "seed": 7},
    {"include": ["openai", "ollama"], "calls": {"deadline": 30, "timeout": None}, "budget": {"per_request": 0.002}},
    {"capabilities": {"sight": "vision", "house.special": None}, "lifecycle": {"deprecated": "refuse"}},
    {"pools": {"cheap": {"models": ["m"], "policy": "cheapest"}, "vision": {"needs": ["vision"]}}},
]
BAD: list[Any] = [
    [],
    {"helth": {}},
    {"models": [{"provider": "openai"}]},
    {"models": [{"name": "m"}]},
    {"models": [{"name": "m", "provider": "openai", "contxt_window": 3}]},
    {"models": [{"name": "m", "provider": "openai", "context_window": "many"}]},
    {"models": [{"name": "m", "provider": "openai", "api_key": "sk-made-up"}]},
    {"policy": "luck"},
    {"policy": {"name": "ucb", "luck": 1}},
    {"store": "mongodb://somewhere"},
    {"include": ["nonsense"]},
    {"health": {"interval": -1}},
    {"capabilities": ["vision"]},
    {"lifecycle": {"deprecated": "never"}},
    {"pools": {"p": {"foo": 1}}},
]


@pytest.mark.parametrize("content", GOOD, ids=repr)
def test_what_the_loader_takes_the_schema_takes(content: Any, validator: Draft202012Validator) -> None:
    from pointsman.catalog.files import parse_catalogue
    from pointsman.config import read_settings

    parse_catalogue(content)
    read_settings(content or {})
    assert list(validator.iter_errors(content)) == []


@pytest.mark.parametrize("content", BAD, ids=repr)
def test_what_the_loader_refuses_the_schema_refuses(content: Any, validator: Draft202012Validator) -> None:
    from pointsman.catalog.files import parse_catalogue
    from pointsman.config import read_settings
    from pointsman.errors import CatalogError

    with pytest.raises(CatalogError):
        read_settings(parse_catalogue(content).sections)
    assert list(validator.iter_errors(content))


def test_every_settings_class_of_the_configuration_is_described() -> None:
    from pydantic import BaseModel

    from pointsman import config
    from pointsman.cli.schema import SETTINGS

    found = {each for name, each in vars(config).items() if name.endswith("Settings") and isinstance(each, type)}
    assert set(SETTINGS.values()) == {each for each in found if issubclass(each, BaseModel)}


def test_settings_are_described_in_the_words_of_their_docstrings() -> None:
    calls = configuration_schema()["properties"]["calls"]
    text = json.dumps(calls)
    assert "seconds per attempt; for streams, where the next two do not say otherwise." in text
