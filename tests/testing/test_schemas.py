"""Schemas that no value can be made for are named before one is made."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.testing.schemas import schema_problem

NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": ["null", "boolean"]},
        {"type": "number", "exclusiveMinimum": 0, "maximum": -2.5, "multipleOf": 0.5},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "prefixItems": [{"const": 1}]},
        {"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"},
        {"properties": {"type": {"type": "string"}, "enum": {"enum": [1, None]}}, "required": ["type"]},
    ],
)
def test_a_proper_schema_has_no_problem(schema: Any) -> None:
    assert schema_problem(schema) is None


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ("object", "the schema"),
        ({"enum": []}, "enum"),
        ({"type": 7}, "type"),
        ({"minimum": True}, "minimum"),
        ({"multipleOf": 0}, "multipleOf"),
        ({"minItems": 10**9}, "minItems"),
        ({"properties": {"a": {"required": "b"}}}, "properties.a.required"),
        ({"properties": {"a": {"items": {"anyOf": [{}, 7]}}}}, "properties.a.items.anyOf.1"),
        ({"properties": {"a": {"$ref": "#/$defs/Gone"}}}, "properties.a.$ref"),
        ({"$ref": "#/properties/a/type", "properties": {"a": {"type": "string"}}}, "$ref"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(schema: Any, where: str) -> None:
    assert (schema_problem(schema) or "").startswith(where)
