"""`pointsman schema`: the JSON Schema of pointsman.yaml, made from the classes that read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
from pydantic import BaseModel

from pointsman.calls import CallSettings
from pointsman.catalog.files import SECTIONS, builtin_names
from pointsman.catalog.pools import Pool
from pointsman.catalog.spec import ModelSpec
from pointsman.catalog.spellings import CONVERTED, RENAMED
from pointsman.config import BudgetSettings, ParameterSettings
from pointsman.health import HealthSettings
from pointsman.policies.names import policy_names

Json = dict[str, Any]

_SETTINGS: Mapping[str, type[BaseModel]] = {
    "health": HealthSettings,
    "calls": CallSettings,
    "budget": BudgetSettings,
    "parameters": ParameterSettings,
}
_OTHERS = ("models", "pools", "include", "policy", "store", "seed")
SECTIONS_WITHOUT_EFFECT = tuple(name for name in SECTIONS if name not in _SETTINGS and name not in _OTHERS)

# A key is never written down, only where it is found.
_REFERENCE = "^env:[A-Za-z_][A-Za-z0-9_]*$"
_NAMES = ("name", *(alias for alias, field in RENAMED.items() if field == "name"))


@click.command()
def schema() -> None:
    """Print the JSON Schema of pointsman.yaml, for editors and checks.

    Editors use it when the file's first line is: # yaml-language-server: $schema=./pointsman.schema.json
    """
    click.echo(json.dumps(configuration_schema(), indent=2))


def configuration_schema() -> Json:
    """Describe a configuration file."""
    definitions: Json = {}
    model = _model_schema(definitions)
    policy = _policy_schema()
    pool = _collected(Pool, definitions)
    pool["properties"]["policy"] = {"anyOf": [policy, {"type": "null"}]}
    properties: Json = {
        "policy": {**policy, "description": "Who spreads requests over the models that can serve them."},
        "store": {
            "type": "string",
            "pattern": "^(memory://|memory:|sqlite:///.+)$",
            "description": "Where what was learnt and decided is kept: memory:// or sqlite:///FILE.",
        },
        "seed": {"type": "integer", "description": "Makes decisions repeatable."},
        "include": {
            "description": "Built-in catalogues to start from.",
            "anyOf": [_catalogue_name(), {"type": "array", "items": _catalogue_name()}],
        },
        "models": {"type": "array", "items": model, "description": "Models of your own."},
        "pools": {
            "type": "object",
            "additionalProperties": {"anyOf": [pool, {"type": "null"}]},
            "description": "Named sets of models; a pool's name is a virtual model name at every door.",
        },
        **{name: _collected(settings, definitions) for name, settings in _SETTINGS.items()},
        **dict.fromkeys(SECTIONS_WITHOUT_EFFECT, {"description": "Accepted; has no effect in this version."}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pointsman.yaml",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _or_nothing(properties[name]) for name in SECTIONS},
        **({"$defs": definitions} if definitions else {}),
    }


def _collected(model: type[BaseModel], definitions: Json) -> Json:
    """Schema of one class; what it refers to is moved to the document's definitions."""
    made = model.model_json_schema()
    definitions.update(made.pop("$defs", {}))
    made["description"] = _first_sentence(made.get("description", ""))
    return made


def _model_schema(definitions: Json) -> Json:
    """Schema of a model's entry, with every other spelling that is read."""
    made = _collected(ModelSpec, definitions)
    fields = made["properties"]
    fields["size_billions"] = {"anyOf": [fields["size_billions"], {"type": "string", "examples": ["7B", "8x7B"]}]}
    fields["api_key"] = {"anyOf": [{"type": "string", "pattern": _REFERENCE}, {"type": "null"}], "default": None}
    fields["capabilities"] = {"anyOf": [fields["capabilities"], {"type": "object"}]}
    spellings = {alias: fields[name] for alias, name in RENAMED.items()}
    spellings |= {alias: fields[name] for alias, (name, _) in CONVERTED.items()}
    for alias, copied in spellings.items():
        known = {key: value for key, value in copied.items() if key not in ("title", "default")}
        fields.setdefault(alias, {**known, "description": "Another spelling."})
    fields["is_deprecated"] = {"type": "boolean", "description": "Another spelling of status."}
    made["patternProperties"] = {"^supports_[a-z0-9_]+$": {"type": "boolean"}}
    made["required"] = ["provider"]
    made["anyOf"] = [{"required": [name]} for name in _NAMES]
    return made


def _policy_schema() -> Json:
    name = {"enum": policy_names()}
    return {"anyOf": [name, {"type": "object", "required": ["name"], "properties": {"name": name}}]}


def _catalogue_name() -> Json:
    return {"enum": builtin_names()}


def _or_nothing(section: Json) -> Json:
    """A section that is written down but left empty is as good as absent."""
    described = {key: section[key] for key in ("description",) if key in section}
    return {**described, "anyOf": [section, {"type": "null"}]} if len(section) > len(described) else section


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())
