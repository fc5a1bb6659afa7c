"""What differs between two sets of models, for people, programs and notebooks."""

from __future__ import annotations

import json
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from samples import make_spec

from pointsman.catalog.difference import CatalogDiff, changes_of, compare, shown

OLD = [
    make_spec("same", context_window=8_000),
    make_spec("gone"),
    make_spec("changed", context_window=8_000, quality={"coding": 0.5, "reasoning": 0.7}, capabilities=["tools"]),
]
NEW = [
    make_spec("changed", context_window=16_000, quality={"coding": 0.6, "writing": 0.1}, as_of=date(2026, 11, 21)),
    make_spec("new", cost_per_1m_input_tokens=1),
    make_spec("same", max_context_length=8_000),
]


def test_models_are_added_removed_and_changed_field_by_field() -> None:
    found = compare(OLD, NEW)
    assert [spec.name for spec in found.added] == ["new"]
    assert [spec.name for spec in found.removed] == ["gone"]
    assert list(found.changed) == ["openai:changed"]
    assert {change.field: (change.old, change.new) for change in found.changed["openai:changed"]} == {
        "capabilities": (("tools",), ()),
        "context_window": (8_000, 16_000),
        "quality.coding": (0.5, 0.6),
        "quality.reasoning": (0.7, None),
        "quality.writing": (None, 0.1),
        "as_of": (None, date(2026, 11, 21)),
    }


def test_it_reads_as_lines() -> None:
    assert str(compare(OLD, NEW)).splitlines() == [
        "+ openai:new",
        "- openai:gone",
        "~ openai:changed: capabilities: [tools] -> []",
        "~ openai:changed: quality.coding: 0.5 -> 0.6",
        "~ openai:changed: quality.reasoning: 0.7 -> -",
        "~ openai:changed: quality.writing: - -> 0.1",
        "~ openai:changed: context_window: 8000 -> 16000",
        "~ openai:changed: as_of: - -> 2026-11-21",
    ]
    assert str(CatalogDiff()) == "no difference"


def test_it_becomes_json_with_whole_entries() -> None:
    found = json.loads(json.dumps(compare(OLD, NEW).to_dict()))
    assert found["added"] == [
        {"key": "openai:new", "name": "new", "provider": "openai", "cost_per_1m_input_tokens": 1.0}
    ]
    assert [entry["key"] for entry in found["removed"]] == ["openai:gone"]
    assert found["changed"]["openai:changed"]["as_of"] == [None, "2026-11-21"]
    assert found["changed"]["openai:changed"]["capabilities"] == [["tools"], []]


def test_values_of_every_kind_become_json() -> None:
    window = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    after = make_spec(maintenance=[window], evidence={"family": {"source": "x"}}, constraints={"a": {"b": [1]}})
    found = compare([make_spec()], [after]).to_dict()["changed"]["openai:m"]
    assert json.loads(json.dumps(found))["constraints.a"] == [None, {"b": [1]}]
    assert set(found) == {"maintenance", "evidence.family", "constraints.a"}


def test_a_table_escapes_what_models_say() -> None:
    html = compare([make_spec("<b>")], [make_spec("<b>", display_name="<script>")])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_long_and_odd_values_are_shown_on_one_short_line() -> None:
    assert len(shown("x" * 1000)) == 80
    assert shown("a\nb\x1b[31m") == "a b [31m"
    assert shown(None) == "-"


names = st.sampled_from("abcde")
specs = st.lists(
    st.builds(lambda name, window: make_spec(name, context_window=window), names, st.sampled_from([None, 1, 2])),
    unique_by=lambda spec: spec.key,
)


@given(specs, specs)
def test_a_difference_is_the_way_there_and_its_reverse_the_way_back(old: list, new: list) -> None:  # type: ignore[type-arg]
    there, back = compare(old, new), compare(new, old)
    assert [spec.key for spec in there.added] == [spec.key for spec in back.removed]
    assert there.changed.keys() == back.changed.keys()
    assert not compare(old, reversed(old))
    kept = {spec.key: spec for spec in old} | {spec.key: spec for spec in new if spec.key in there.changed}
    reached = {key: spec for key, spec in kept.items() if spec not in there.removed}
    assert not compare([*reached.values(), *there.added], new)


def test_two_states_of_a_model_can_be_compared_alone() -> None:
    assert next(str(change) for change in changes_of(OLD[2], NEW[0])) == "capabilities: [tools] -> []"
    assert changes_of(OLD[0], OLD[0]) == ()
