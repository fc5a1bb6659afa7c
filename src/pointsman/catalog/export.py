"""Models as the text of a catalogue that the loader reads back as the same models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import CatalogError

# With this as a file's first line, editors with a YAML language server complete and check what is written below it.
SCHEMA_LINE = "# yaml-language-server: $schema=./pointsman.schema.json"

_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_]*\Z")
_WORDS = frozenset({"null", "true", "false"})


def catalogue_text(models: Iterable[ModelSpec], *, note: str = "") -> str:
    """Write a catalogue: the language server's line, a note, and one line per model, in the order given."""
    lines = [SCHEMA_LINE, *(f"# {line}" for line in note.splitlines()), "models:"]
    entries = [f"  - {_flow(stated(spec))}" for spec in models]
    if not entries:
        lines[-1] += " []"
    return "\n".join([*lines, *entries, ""])


def write_file(path: str | Path, text: str) -> None:
    """Write a whole file.

    Raises:
        CatalogError: E4005, if it cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CatalogError(f"cannot write the file: {reason}", path=str(path), hint="check the path") from None


def stated(spec: ModelSpec) -> dict[str, Any]:
    """What is known of a model, as JSON values; what is not set is left out."""
    fields = spec.model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in fields.items() if value is not None}


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _key(text: str) -> str:
    return text if _PLAIN_KEY.match(text) and text not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    """Quote as JSON does, and escape what YAML does not print or takes for the end of a line."""
    return "".join(each if each.isprintable() else _escaped(each) for each in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
