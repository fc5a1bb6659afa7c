"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made by `make docs-generated`; change the code instead. -->"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold any text.

    >>> print(table(["a", "b"], [["1", "x"]]))
    | a | b |
    |---|---|
    | 1 | x |
    """
    lines = [headings, *rows]
    written = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    written.insert(1, "|" + "---|" * len(headings))
    return "\n".join(written)


def code(text: str) -> str:
    """The text as code; several names each of their own."""
    return text if "`" in text else f"`{text}`"


def page(*parts: str) -> str:
    """Parts of a page, with a note on where it comes from."""
    return "\n\n".join([parts[0], NOTE, *parts[1:]]) + "\n"
