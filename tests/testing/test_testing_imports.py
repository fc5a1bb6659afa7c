"""The model servers stand alone: they need the standard library and h11, and nothing of the package they test."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pointsman.testing


def test_nothing_but_the_standard_library_and_h11_is_imported() -> None:
    outside: set[str] = set()
    for file in Path(pointsman.testing.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                outside |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, file
                outside |= {(node.module or "").partition(".")[0]} if node.level == 0 else set()
    assert outside - sys.stdlib_module_names == {"h11"}
