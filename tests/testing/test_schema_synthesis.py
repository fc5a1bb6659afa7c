"""Values that satisfy a JSON schema, made from a text."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from pointsman.testing.synthesis import Synthesis

TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }
    },
    "$ref": "#/$defs/Node",
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 30, "maxLength": 40},
        {"type": "string", "maxLength": 2},
        {"type": "integer", "minimum": 10, "maximum": 12},
        {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 7},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "maximum": -2.5},
        {"type": ["null", "boolean"]},
        {"enum": ["red", "green"]},
        {"const": {"a": 1}},
        {"type": "array", "items": {"type": "string"}, "minItems": 3},
        {"type": "array", "items": {"type": "number"}, "maxItems": 1},
        {"anyOf": [{"type": "null"}, {"type": "array", "items": {"enum": [1, 2]}}]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}, {"required": ["a"]}]},
        {
            "type": "object",
            "properties": {
                "when": {"type": "string", "format": "date"},
                "who": {
                    "type": "object",
                    "properties": {"mail": {"type": "string", "format": "email"}},
                    "required": ["mail"],
                },
            },
            "required": ["when", "who"],
            "additionalProperties": False,
        },
        TREE,
        {},
        True,
    ],
)
@pytest.mark.parametrize("text", ["", "Add 3 and 4.5 for 'Ann' in Paris"])
def test_the_value_satisfies_the_schema(schema: Any, text: str) -> None:
    jsonschema.validate(Synthesis(text).value(schema), schema)


def test_numbers_and_names_of_the_text_fill_the_fields_in_order() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "a": {"type": "integer"},
            "b": {"type": "number"},
            "unit": {"enum": ["celsius", "kelvin"]},
        },
        "required": ["city", "a", "b", "unit"],
    }
    value = Synthesis("Between 3 and 4.5 kelvin in Oslo, please").value(schema)
    assert value == {"city": "Oslo", "a": 3, "b": 4.5, "unit": "kelvin"}


def test_what_is_not_required_is_left_out_and_given_values_come_first() -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}, "more": {"type": "string"}},
        "required": ["answer"],
    }
    assert Synthesis("x", {"answer": "42"}).value(schema) == {"answer": "42"}
