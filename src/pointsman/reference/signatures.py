"""Signatures, types and defaults as a reader wants them: without what only machines need."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pointsman.reference.source import Function

_NUMBERS = {"Price": "float", "Positive": "float", "Score": "float", "Size": "int"}
_LONGEST_LINE = 110


def signature(node: Function, name: str | None = None, *, returns: bool = True) -> str:
    """A call as one writes it."""
    arguments = node.args
    takes = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(takes) - len(arguments.defaults))
    shown = [_argument(each, value) for each, value in zip(takes, [*defaults, *arguments.defaults], strict=True)]
    if takes and takes[0].arg in ("self", "cls"):
        shown.pop(0)
    if arguments.vararg:
        shown.append(f"*{_argument(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    shown += [_argument(each, value) for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        shown.append(f"**{_argument(arguments.kwarg, None)}")
    arrow = f" -> {ast.unparse(node.returns)}" if returns and node.returns else ""
    before = "await " if isinstance(node, ast.AsyncFunctionDef) and not _yields(node) else ""
    return f"{before}{name or node.name}({', '.join(shown)}){arrow}"


def _yields(node: Function) -> bool:
    return any(isinstance(each, ast.Yield) for each in ast.walk(node))


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    shown = argument.arg
    if argument.annotation is not None:
        shown += f": {ast.unparse(argument.annotation)}"
    if default is not None:
        shown += f" = {ast.unparse(default)}" if argument.annotation else f"={ast.unparse(default)}"
    return shown


def fenced(shown: str) -> str:
    """Code that is shown, not run, on several lines where one would be too long."""
    if len(shown) > _LONGEST_LINE and "(" in shown:
        before, rest = shown.split("(", 1)
        inside, after = rest.rsplit(")", 1)
        shown = "".join([f"{before}(\n", *(f"    {each},\n" for each in _split(inside)), f"){after}"])
    return f"```py\n{shown}\n```"


def _split(inside: str) -> Iterator[str]:
    """Arguments at their commas, not those within brackets."""
    depth, start = 0, 0
    for at, letter in enumerate(inside):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            yield inside[start:at].strip()
            start = at + 1
    if inside[start:].strip():
        yield inside[start:].strip()


def type_of(node: ast.expr) -> str:
    """An annotation, without what only validates."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Annotated":
        inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
        return ast.unparse(inner)
    if isinstance(node, ast.BinOp):
        return f"{type_of(node.left)} | {type_of(node.right)}"
    return _NUMBERS.get(ast.unparse(node), ast.unparse(node))


def default_of(node: ast.expr | None) -> str:
    """A field's default as one would write it; nothing where it has none."""
    if node is None:
        return ""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.lower() == "field":
        for keyword in node.keywords:
            if keyword.arg == "default":
                return ast.unparse(keyword.value)
            if keyword.arg == "default_factory":
                made = ast.unparse(keyword.value)
                return {"dict": "{}", "list": "[]"}.get(made, f"{made}()")
        return ast.unparse(node.args[0]) if node.args else ""
    return ast.unparse(node)
