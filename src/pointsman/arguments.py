"""Arguments of public calls: what is of a kind that cannot be meant is refused in words, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def expect(value: Any, kind: type | tuple[type, ...], name: str, wanted: str) -> None:
    """Refuse an argument of another type; what it holds is not repeated, it may be a prompt or a key.

    Raises:
        TypeError: what was found and what was expected.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} is of type {type(value).__name__}; expected {wanted}")


def expect_text(value: Any, name: str) -> None:
    """Refuse what is no text.

    Raises:
        TypeError: likewise.
    """
    expect(value, str, name, "a text")


def expect_mapping(value: Any, name: str) -> None:
    """Refuse what is no mapping.

    Raises:
        TypeError: likewise.
    """
    expect(value, Mapping, name, "a mapping")


def expect_callable(value: Any, name: str) -> None:
    """Refuse what cannot be called.

    Raises:
        TypeError: likewise.
    """
    if not callable(value):
        raise TypeError(f"{name} is of type {type(value).__name__}; expected something that can be called")


def expect_methods(value: Any, methods: Iterable[str], name: str, wanted: str) -> None:
    """Refuse what lacks a method that will be called.

    Raises:
        TypeError: what was found, what it lacks, and what was expected.
    """
    missing = [each for each in methods if not callable(getattr(value, each, None))]
    if missing or isinstance(value, type):
        lacks = f", which has no {missing[0]}()" if missing else " itself, not one of its objects"
        found = value.__name__ if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name} is of type {found}{lacks}; expected {wanted}")
