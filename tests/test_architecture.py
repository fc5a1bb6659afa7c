"""The house rules that a reader relies on: imports go down the layers, files stay small, each says what it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "pointsman"

# Bottom first. A module may import its own layer and those below it. The longest matching name counts.
LAYERS: list[tuple[str, ...]] = [
    ("_version", "arguments", "errors", "events", "forks", "html", "types", "wishes"),
    ("catalog", "faults"),
    (
        "cache",
        "custom",
        "defaults",
        "eligibility",
        "failover.calls",
        "failover.pace",
        "failover.pauses",
        "failover.readings",
        "features",
        "health",
        "learning.answer_text",
        "learning.checks",
        "learning.versions",
        "limits",
        "loading",
        "other_names",
        "policies",
        "pulls",
        "registry",
        "replicas",
        "stores",
    ),
    ("chooser", "decision"),
    (
        "background",
        "caller",
        "custom_calls",
        "discovery",
        "failover",
        "health_probes",
        "learning",
        "listeners",
        "monitor",
        "recall",
        "replay",
        "shared",
        "telemetry",
        "watch",
    ),
    ("calling", "config", "health_checks", "router"),
    ("bench", "langchain", "litellm", "testing"),
    ("__main__", "cli", "demo", "reference", "report"),
]
MOST_LINES = 400
HEAVY = {"litellm", "langchain", "langchain_core", "langchain_openai", "numpy", "httpx", "rich", "click"}
# The learners are loaded only when they are asked for, see `policies.names`.
LEARNERS = tuple(
    f"policies.{name}" for name in ("adaptive", "candidates", "evidence", "pacing", "posterior", "thompson", "vectors")
)
# `replay` is loaded when it is asked for.
MAY_BE_HEAVY = ("langchain", "litellm", "cli", "demo", "replay", *LEARNERS)

MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer_of(name: str) -> int:
    found = [
        (len(each), number)
        for number, names in enumerate(LAYERS)
        for each in names
        if name == each or name.startswith(f"{each}.")
    ]
    if not found:
        raise AssertionError(f"{name} stands in no layer; add it to LAYERS where it belongs")
    return max(found)[1]


def imports_of(path: Path) -> set[str]:
    """Modules of pointsman that a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pointsman":
            inner = node.module.removeprefix("pointsman").removeprefix(".")
            for alias in node.names:
                whole = f"{inner}.{alias.name}" if inner else alias.name
                is_module = (SOURCE / Path(*whole.split("."))).with_suffix(".py").exists() or (
                    SOURCE / Path(*whole.split("."))
                ).is_dir()
                found.add(whole if is_module else inner)
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("pointsman.") for alias in node.names if alias.name.startswith("pointsman.")
            }
    return {each for each in found if each}


def top_level_packages(path: Path) -> set[str]:
    """Packages imported when the module itself is."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", [each for each in MODULES if name_of(each)], ids=name_of)
def test_imports_go_down_or_sideways(path: Path) -> None:
    name = name_of(path)
    upward = {each for each in imports_of(path) if layer_of(each) > layer_of(name)}
    assert not upward, f"{name} imports from a layer above it: {sorted(upward)}"


def test_the_page_on_architecture_tells_of_these_layers() -> None:
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text()
    rows = re.findall(
        r"^\| \w+ \| (.*) \| [^|]* \|$", page.partition("\n|---|---|---|\n")[2].partition("\n\n")[0], re.MULTILINE
    )
    assert len(rows) == len(LAYERS)
    for row, names in zip(reversed(rows), LAYERS, strict=True):
        package = "."
        for told in re.findall(r"`([^`]+)`", row):
            found = [SOURCE / told, SOURCE / f"{told}.py", SOURCE / package / f"{told}.py"]
            assert any(each.exists() for each in found), f"there is no {told}"
            package = told if told.endswith("/") else package
        left_out = {name for name in names if not re.search(rf"`{name.replace('.', '/')}/?`", row)}
        assert all(name.startswith("_") or "." in name for name in left_out), left_out


def test_no_imports_go_round_in_circles() -> None:
    graph = {name_of(path): imports_of(path) for path in MODULES if name_of(path)}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' -> '.join((*trail, name))}"
        if name not in done:
            for each in graph.get(name, ()):
                # A package's __init__ gathers its own modules; they may name the package.
                if not each.startswith(f"{name}.") and not name.startswith(f"{each}."):
                    visit(each, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "pointsman")
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES, "split it: a file does one thing and fits in the head"
    words = ast.get_docstring(ast.parse(text)) or ""
    first = words.split("\n\n")[0].split("\n")[0]
    assert first.rstrip().endswith((".", ":", ";")) or "." in words, (
        "open the module with a sentence that says what it is"
    )


@pytest.mark.parametrize(
    "path",
    [each for each in MODULES if not name_of(each).startswith(MAY_BE_HEAVY)],
    ids=lambda path: name_of(path) or "pointsman",
)
def test_only_the_doors_import_heavy_packages_at_their_top(path: Path) -> None:
    # Learners may need numpy; the policies' front door loads them only when one is asked for.
    allowed = {"numpy"} if name_of(path).startswith("policies.") else set()
    assert not top_level_packages(path) & (HEAVY - allowed)
