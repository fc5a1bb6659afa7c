"""The package's own source, read without importing it: what is public, where it stands, and what it says of itself.

Nothing is imported, so the page comes out the same whichever hosts, and versions of them, are installed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from textwrap import dedent

PACKAGE = Path(__file__).parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SECTION = re.compile(r"^(Args|Attributes|Keys|Raises|Returns|Yields|Example|Examples):$", re.MULTILINE)
_LONGEST_HEADING = 50
_ITEM = re.compile(r"^(?:\*\*)?(?P<names>[\w.]+(?:, [\w.]+)*): (?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class Text:
    """A docstring in parts.

    Attributes:
        first: the first paragraph.
        sections: under `Args` and its like, what is said of each name.
    """

    first: str = ""
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, *titles: str) -> dict[str, str]:
        """What is said of each name under any of these titles."""
        return {name: text for title in titles for name, text in self.sections.get(title, {}).items()}


@dataclass(frozen=True, slots=True)
class Found:
    """A definition and the module it stands in."""

    module: str
    node: ast.ClassDef | Function | ast.AnnAssign | ast.Assign

    @property
    def as_class(self) -> ast.ClassDef:
        """The class that it is."""
        if not isinstance(self.node, ast.ClassDef):
            raise TypeError(f"{self.module}: {ast.unparse(self.node)[:40]} is no class")
        return self.node


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of a module or of a package's `__init__`."""
    return ast.parse("\n".join(lines_of(module)))


@cache
def lines_of(module: str) -> list[str]:
    """The lines of a module."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8").splitlines()


def comment_above(module: str, node: ast.stmt) -> str:
    """What a comment in the line above calls a group of fields; a sentence is not a heading."""
    line = lines_of(module)[node.lineno - 2].strip()
    is_heading = line.startswith("# ") and not line.endswith(".") and len(line) < _LONGEST_HEADING
    return line.lstrip("# ") if is_heading else ""


def public_names(module: str) -> list[str]:
    """What `__all__` lists."""
    for node in tree_of(module).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise LookupError(f"{module} has no __all__")


def find(module: str, name: str) -> Found | None:
    """Where a name is defined, re-exports followed; None outside the package."""
    nodes = list(_top(tree_of(module)))
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return Found(module, node)
        if isinstance(node, ast.ImportFrom) and any((each.asname or each.name) == name for each in node.names):
            home = _absolute(module, node)
            if home != module and home.split(".")[0] == "pointsman":
                original = next(each.name for each in node.names if (each.asname or each.name) == name)
                return find(home, original)
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in _assigned(node):
            return Found(module, node)
    return None


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of a module, those under `if TYPE_CHECKING:` included."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else (node,)


def _assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = PACKAGE.joinpath(*module.split(".")[1:]).is_dir()
    parts = module.split(".")[: None if package and node.level == 1 else package - node.level]
    return ".".join([*parts, *((node.module,) if node.module else ())])


def family(found: Found) -> Iterator[Found]:
    """A class and those of its bases that are of this package, itself first."""
    yield found
    for base in found.as_class.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        above = find(found.module, name.id) if isinstance(name, ast.Name) else None
        if above is not None and isinstance(above.node, ast.ClassDef):
            yield from family(above)


def text_of(node: ast.AST) -> Text:
    """The docstring of a definition, in parts."""
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return Text()
    whole = ast.get_docstring(node) or ""
    parts = _SECTION.split(whole)
    first = " ".join(parts[0].split("\n\n")[0].split())
    return Text(first, {title: _items(body) for title, body in zip(parts[1::2], parts[2::2], strict=True)})


def _items(body: str) -> dict[str, str]:
    items: dict[str, str] = {}
    current = ""
    # A section ends where the text comes back to the margin.
    for line in dedent(re.split(r"\n\n(?=\S)", body.strip("\n"))[0]).splitlines():
        begins = _ITEM.match(line)
        if begins:
            current = begins["names"]
            items[current] = begins["text"]
        elif current and line.strip():
            items[current] += f" {line.strip()}"
    return items
