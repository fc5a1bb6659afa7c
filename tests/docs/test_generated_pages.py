"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from pointsman import errors
from pointsman.catalog.apis import NAMES as PARAMETER_NAMES
from pointsman.catalog.spellings import CONVERTED, RENAMED
from pointsman.cli.schema import configuration_schema
from pointsman.reference.__main__ import PAGES
from pointsman.reference.api import PACKAGES, public
from pointsman.reference.error_codes import every_error
from pointsman.reference.names import SYSTEMS
from pointsman.reference.source import public_names

ROOT = Path(__file__).parents[2]
ERRORS = Path(errors.__file__).parent


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes_of_it(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run `make docs-generated`"


def test_people_from_every_other_registry_find_their_section_fields_and_parameters() -> None:
    text = PAGES["coming-from.md"]()
    for title in SYSTEMS.values():
        assert f"## {title}\n" in text
    for spelling in (*RENAMED, *CONVERTED):
        assert f"`{spelling}`" in text
    for names in PARAMETER_NAMES.values():
        for name in names.values():
            assert f"`{name}`" in text


def test_every_error_has_a_code_of_its_own_that_the_page_and_the_tree_list() -> None:
    found = every_error()
    codes = [each.code for each in found]
    assert len(codes) == len(set(codes)) >= 20
    defined = {
        node.name
        for path in ERRORS.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    assert {each.__name__ for each in found} == defined
    drawn = dict(re.findall(r"(\w+Error) +(E\d{4})", errors.__doc__ or ""))
    assert drawn == {each.__name__: each.code for each in found if each is not errors.PointsmanError}
    rows = {line.split(" | ")[0].strip("| `"): line for line in PAGES["errors.md"]().splitlines() if "| E4" in line}
    assert set(rows) == defined
    for each in found:
        _, code, _, retryable, meaning = rows[each.__name__].strip("| ").split(" | ")
        assert (code, retryable) == (each.code, "yes" if each.retryable else "no")
        assert len(meaning) > 20


def test_the_reference_has_every_public_name_and_every_section_with_words_of_its_own() -> None:
    text = PAGES["reference.md"]()
    for package in PACKAGES:
        for name, _ in public(package):
            entry = text.split(f"\n### `{name}`\n\n", 1)[1].split("\n### ")[0]
            assert len(entry) > 20, name
        listed = {name for name in public_names(package) if not name.startswith("__")}
        assert listed - {name for name, _ in public(package)} <= {each.__name__ for each in every_error()}
    for section in configuration_schema()["properties"]:
        assert f"### `{section}`\n" in text or f"- `{section}`: " in text, section


def test_every_entry_of_the_references_contents_leads_to_its_heading() -> None:
    text = PAGES["reference.md"]()
    taken: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{taken[slug]}" if taken[slug] else slug)
        taken[slug] += 1
    links = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(links) > 100
    assert set(links) <= anchors


def test_errors_are_defined_in_one_place() -> None:
    """So that the page cannot miss one."""
    source = ERRORS.parent
    elsewhere = [
        f"{path.relative_to(source)}: {node.name}"
        for path in source.rglob("*.py")
        if path.parent != ERRORS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and hasattr(errors, base.id) for base in node.bases)
    ]
    assert elsewhere == []
