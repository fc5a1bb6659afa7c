"""Reads models and pools out of a catalogue or configuration file, with every problem located."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pointsman.catalog import capabilities
from pointsman.catalog.bounds import short
from pointsman.catalog.loader import Bounds, load_file, load_text, locate
from pointsman.catalog.pools import Pool
from pointsman.catalog.spec import ModelSpec, nearest, uncapitalized
from pointsman.errors import CatalogError, ConfigError, InvalidModelError

_T = TypeVar("_T", bound=BaseModel)

# Every section a file may have. A registry reads the first row; the router reads the others from the same file.
MODEL_SECTIONS = ("models", "pools", "include", "capabilities", "lifecycle", "discovery")
ROUTER_SECTIONS = (
    *("policy", "store", "seed", "health", "calls", "budget", "limits", "cache", "loading", "parameters", "relax"),
    *("telemetry", "ledger", "checks"),
)
SECTIONS = (*MODEL_SECTIONS, *ROUTER_SECTIONS)

# Beyond so many, more problems help nobody.
_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What one file declares: models, pools, names of built-in catalogues, words of its own for capabilities.

    `sections` is the whole tree, from which the router reads the rest.
    """

    models: tuple[ModelSpec, ...] = ()
    pools: Mapping[str, Pool] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None


def read_catalogue(path: str | Path, bounds: Bounds | None = None) -> Catalogue:
    """Read a file.

    Raises:
        CatalogError: E4005 (E4003 for a model, E4006 for another section); `.problems` lists all of them.
    """
    return parse_catalogue(load_file(path, bounds), str(path))


def builtin_names() -> list[str]:
    """The catalogues that ship with the package."""
    folder = resources.files("pointsman.catalog") / "data"
    return sorted(each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml"))


def read_builtin(name: str) -> Catalogue:
    """Read a catalogue that ships with the package.

    Raises:
        ConfigError: E4006, if there is none of that name.
    """
    names = builtin_names()
    if name not in names:
        raise ConfigError(f"there is no built-in catalogue {name!r}", hint=f"one of: {', '.join(names)}")
    file = resources.files("pointsman.catalog") / "data" / f"{name}.yaml"
    return parse_catalogue(load_text(file.read_bytes(), path=f"builtin:{name}"), f"builtin:{name}")


def parse_catalogue(tree: Any, path: str | None = None) -> Catalogue:
    """Turn a loaded tree into typed models and pools; see `read_catalogue`."""
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(
            f"the file holds {_kind(tree)}, expected sections such as `models:`", path=path, line=1, column=1
        )
    problems: list[CatalogError] = []
    for section in tree:
        if section not in SECTIONS:
            line, column = locate(tree, (section,))
            hint = nearest(section, SECTIONS) or f"one of: {', '.join(SECTIONS)}"
            text = f"{short(section)} is no section"
            problems.append(ConfigError(text, hint=hint, path=path, line=line, column=column))
        if len(problems) >= _MOST_PROBLEMS:
            raise gathered(problems)
    spellings = _spellings(tree, path, problems)
    models = _models(tree, spellings, path, problems)
    pools = _pools(tree, spellings, path, problems)
    include = _names(tree, "include", path, problems)
    if problems:
        raise gathered(problems)
    return Catalogue(tuple(models), pools, tuple(include), spellings, tree, path)


def gathered(problems: list[CatalogError]) -> CatalogError:
    """One error for all problems: the first, which also carries the rest."""
    first = problems[0]
    first.problems = tuple(problems)
    return first


def _spellings(tree: Any, path: str | None, problems: list[CatalogError]) -> dict[str, str]:
    """The `capabilities:` section: a word of one's own for a path, or nothing for a new node of that name."""
    section = tree.get("capabilities")
    if section is None:
        return {}
    if not isinstance(section, dict):
        problems.append(_wrong_kind(tree, ("capabilities",), "a mapping of words to capability paths", section, path))
        return {}
    spellings = {}
    for word, meaning in section.items():
        if len(problems) >= _MOST_PROBLEMS:
            break
        try:
            spellings[word] = capabilities.canonical(word if meaning in (None, {}) else str(meaning))
        except ValueError as error:
            line, column = locate(tree, ("capabilities", word))
            problems.append(ConfigError(f"capabilities.{word}: {error}", path=path, line=line, column=column))
    return spellings


def _respelled(names: Any, spellings: Mapping[str, str]) -> Any:
    return [spellings.get(name, name) if isinstance(name, str) else name for name in names]


def _models(tree: Any, spellings: Mapping[str, str], path: str | None, problems: list[CatalogError]) -> list[ModelSpec]:
    entries = tree.get("models")
    if entries is None:
        return []
    if not isinstance(entries, list):
        problems.append(_wrong_kind(tree, ("models",), "a list of models", entries, path))
        return []
    models: list[ModelSpec] = []
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        if len(problems) >= _MOST_PROBLEMS:
            break
        if not isinstance(entry, dict):
            problems.append(_wrong_kind(tree, ("models", number), "a mapping with `name` and `provider`", entry, path))
            continue
        if spellings and isinstance(entry.get("capabilities"), list):
            entry = {**entry, "capabilities": _respelled(entry["capabilities"], spellings)}  # noqa: PLW2901  the read one
        try:
            spec = ModelSpec(**entry)
        except InvalidModelError as error:
            problems.extend(_located(each, tree, ("models", number), path) for each in error.problems)
            continue
        except TypeError:
            problems.append(_wrong_kind(tree, ("models", number), "a mapping with text keys", entry, path))
            continue
        if spec.key in seen:
            line, column = locate(tree, ("models", number))
            first_line, _ = locate(tree, ("models", seen[spec.key]))
            text = f"model {spec.key!r} is declared twice" + (f", first in line {first_line}" if first_line else "")
            problems.append(InvalidModelError(text, path=path, line=line, column=column, hint="remove one of the two"))
            continue
        seen[spec.key] = number
        models.append(spec)
    return models


def _pools(tree: Any, spellings: Mapping[str, str], path: str | None, problems: list[CatalogError]) -> dict[str, Pool]:
    entries = tree.get("pools")
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        problems.append(_wrong_kind(tree, ("pools",), "a mapping of pool names", entries, path))
        return {}
    pools = {}
    for name, entry in entries.items():
        if len(problems) >= _MOST_PROBLEMS:
            break
        if entry is not None and not isinstance(entry, dict):
            problems.append(_wrong_kind(tree, ("pools", name), "a mapping", entry, path))
            continue
        entry = entry or {}  # noqa: PLW2901  a pool without conditions holds everything
        if spellings and isinstance(entry.get("needs"), list):
            entry = {**entry, "needs": _respelled(entry["needs"], spellings)}  # noqa: PLW2901  as above
        pool = validated(Pool, entry, tree, ("pools", name), path, problems)
        if pool is not None:
            pools[name] = pool
    return pools


def validated(
    model: type[_T], value: Any, tree: Any, where: tuple[str | int, ...], path: str | None, problems: list[CatalogError]
) -> _T | None:
    """Validate a section with a pydantic model; what is wrong is located and added to `problems`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for each in error.errors(include_url=False)[:_MOST_PROBLEMS]:
            at = (*where, *each["loc"])
            field_name = ".".join(str(part) for part in at)
            if each["type"] == "extra_forbidden":
                known = model.model_fields
                text, hint = f"{field_name!r} is not known here", nearest(str(at[-1]), known) or _one_of(known)
            elif each["type"] == "missing":
                text, hint = f"{field_name!r} is missing", None
            else:
                text, hint = f"{field_name}: {uncapitalized(each['msg'])}", None
            line, column = locate(tree, at)
            problems.append(ConfigError(text, hint=hint, path=path, line=line, column=column))
        return None


def _one_of(names: Any) -> str:
    return f"one of: {', '.join(names)}"


def _names(tree: Any, section: str, path: str | None, problems: list[CatalogError]) -> list[str]:
    value = tree.get(section)
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        problems.append(_wrong_kind(tree, (section,), "a list of names", value, path))
        return []
    known = builtin_names()
    for number, name in enumerate(value[:_MOST_PROBLEMS]):
        if name not in known:
            line, column = locate(tree, (section, number))
            text = f"there is no built-in catalogue {short(name)}"
            problems.append(ConfigError(text, hint=_one_of(known), path=path, line=line, column=column))
    return list(value)


def _wrong_kind(tree: Any, where: tuple[str | int, ...], expected: str, found: Any, path: str | None) -> ConfigError:
    line, column = locate(tree, where)
    name = ".".join(str(part) for part in where)
    return ConfigError(f"{name}: expected {expected}, found {_kind(found)}", path=path, line=line, column=column)


def _located(error: CatalogError, tree: Any, where: tuple[str | int, ...], path: str | None) -> InvalidModelError:
    field_name = getattr(error, "field", None)
    at = (*where, *_parts(field_name)) if field_name else where
    line, column = locate(tree, at)
    return InvalidModelError(error.message, field=field_name, hint=error.hint, path=path, line=line, column=column)


def _parts(field_name: str) -> list[str | int]:
    # A key may be made of digits too, of so many that they are no index, or of ones that `int` does not read.
    return [int(part) if re.fullmatch(r"[0-9]{1,7}", part) else part for part in field_name.split(".")]


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    for kind, name in names.items():
        if type(value) is kind or (kind in (dict, list) and isinstance(value, kind)):
            return name
    return "nothing" if value is None else type(value).__name__
