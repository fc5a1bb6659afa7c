"""The bounded loader: what it reads, and that nothing hostile gets past it as anything but a `CatalogError`."""

from __future__ import annotations

import contextlib
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.catalog.loader import Bounds, load_text, locate
from pointsman.errors import CatalogError


def test_yaml_1_2_says_what_is_true() -> None:
    tree = load_text("a: no\nb: on\nc: true\nd: 1:30\ne: 0o17\nf: 1_000\ng: 1e3\nh: ~\ni: 'true'\nj: 0x1F\nk: -.5")
    assert tree == {
        "a": "no", "b": "on", "c": True, "d": "1:30", "e": "0o17", "f": 1000, "g": 1000.0, "h": None, "i": "true",
        "j": 31, "k": -0.5,
    }  # fmt: skip


def test_everything_read_knows_where_it_stood() -> None:
    tree = load_text("models:\n  - name: a\n  - name: b\n    provider: openai\n")
    assert locate(tree, ("models", 1, "provider")) == (4, 5)
    assert locate(tree, ("models", 1)) == (3, 5)
    assert locate(tree, ("models", 1, "missing")) == (3, 5)


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("a: 1\na: 2", "stands twice", 2),
        ("a: [1, 2", "broken YAML", None),
        ("a: .nan", "no usable number", 1),
        ("a: .inf", "no usable number", 1),
        ("a: 1e999", "too large", 1),
        ("a: !!python/object:os.system x", "tag", 1),
        ("a: &x 1\nb:\n  <<: *x", "merge keys", 3),
        ("a: *nowhere", "refers to nothing", 1),
        ("a: b\x00c", "NUL", 1),
        ("---\na: 1\n---\nb: 2", "more than one document", 3),
        ("? [a, b]\n: 1", "a key must be text", 1),
        ("a: 1\n\tb: 2", "broken YAML", 2),
    ],
)
def test_what_is_refused_is_located(text: str, says: str, line: int | None) -> None:
    with pytest.raises(CatalogError, match=says) as caught:
        load_text(text, path="x.yaml")
    assert caught.value.path == "x.yaml"
    if line is not None:
        assert caught.value.line == line


def test_an_alias_bomb_is_counted_not_expanded() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
    )
    with pytest.raises(CatalogError, match="more than"):
        load_text(bomb)


def test_bounds_hold() -> None:
    with pytest.raises(CatalogError, match="deeper"):
        load_text("[" * 100 + "]" * 100)
    with pytest.raises(CatalogError, match="larger"):
        load_text("a" * 1025, bounds=Bounds(size=1024))
    with pytest.raises(CatalogError, match="more than 10 values"):
        load_text(f"[{','.join('1' * 20)}]", bounds=Bounds(nodes=10))
    with pytest.raises(CatalogError, match="UTF-8"):
        load_text(b"a: \xff\xfe")


def test_json_is_as_strict() -> None:
    assert load_text('{"a": [1, 2.5, null]}', is_json=True) == {"a": [1, 2.5, None]}
    for text, says in [
        ('{"a": NaN}', "usable"),
        ('{"a": 1, "a": 2}', "twice"),
        ("{", "broken"),
        ("[" * 5000, "broken|deeper"),
    ]:
        with pytest.raises(CatalogError, match=says):
            load_text(text, is_json=True)


# PyYAML writes YAML 1.1, where `0E0` needs no quotes to be text.
NUMBER_IN_1_2 = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+\Z")

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.text(st.characters(exclude_categories=["C"]), max_size=20).filter(lambda text: not NUMBER_IN_1_2.match(text)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_what_yaml_writes_is_read_back(value: object) -> None:
    assert load_text(yaml.safe_dump({"it": value}, allow_unicode=True)) == {"it": value}


@given(st.text(max_size=300) | st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_as_a_catalogue_error(text: str | bytes) -> None:
    with contextlib.suppress(CatalogError):
        load_text(text)
