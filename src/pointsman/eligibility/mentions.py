"""Names that a request mentions and nobody has: what is told of them, and which name is nearest.

A model may have been unregistered a moment ago, so to exclude or prefer one that is not there fails no call. But it is
most often a misspelling: the decision names it in its `warnings`, and the log once per name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from pointsman.catalog import capabilities as tree
from pointsman.catalog.bounds import short
from pointsman.catalog.spec import nearest
from pointsman.eligibility.question import Question
from pointsman.registry.snapshot import Snapshot
from pointsman.types import Request

_log = logging.getLogger("pointsman")

_OF_MODELS = ("exclude", "prefer")
_OF_PROVIDERS = ("providers", "prefer_providers", "exclude_providers")
_NODES = tree.expand(tree.TREE)
# What facts are of, by the prefix of their masks.
_KINDS = {"cap": "capability", "in": "input modality", "out": "output modality"}
# What is kept of the names that were told, in this process; who mentions more than that is not told of each.
_MOST_TOLD = 1_000
_told: set[str] = set()


def unknown_names(request: Request, snapshot: Snapshot, fields: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Field and name of everything a request mentions that is not registered."""
    for field in fields or (*_OF_MODELS, *_OF_PROVIDERS):
        for name in getattr(request, field):
            if field in _OF_PROVIDERS:
                if not snapshot.mask(f"provider:{name}"):
                    yield field, name
            elif name not in snapshot.bits and name not in snapshot.names:
                yield field, name


def warnings_of(request: Request, snapshot: Snapshot) -> tuple[str, ...]:
    """What a decision says of names that had no effect."""
    return tuple(_in_words(field, name, snapshot) for field, name in sorted(unknown_names(request, snapshot)))


def tell_unknown(request: Request, snapshot: Snapshot, *fields: str) -> None:
    """A line in the log for each name that nobody has, once."""
    for field, name in unknown_names(request, snapshot, fields):
        if name not in _told and len(_told) < _MOST_TOLD:
            _told.add(name)
            _log.warning("%s", _in_words(field, name, snapshot))


def nearest_hint(question: Question) -> str | None:
    """For a request that nobody can serve: a word in it that no model declares, and the one that looks most like it."""
    request = question.request
    language = () if request.language is None else (request.language,)
    region = () if request.region is None else (request.region,)
    for prefix, values in (
        ("cap", question.needs),
        ("provider", request.providers),
        ("expertise", request.expertise),
        ("in", request.input_modalities),
        ("out", request.output_modalities),
        ("language", language),
        ("region", region),
    ):
        for value in sorted(values):
            if hint := undeclared(question.snapshot, prefix, value):
                return hint
    return None


def undeclared(snapshot: Snapshot, prefix: str, value: str) -> str | None:
    """A hint on a value that no model declares, if another one looks like it: `("cap", "visoin")`."""
    if snapshot.mask(f"{prefix}:{value}") or (prefix == "cap" and value in _NODES):
        return None
    known = [fact.removeprefix(f"{prefix}:") for fact in snapshot.masks if fact.startswith(f"{prefix}:")]
    if prefix == "cap":
        known += [*_NODES, *tree.ALSO_READ_AS, *snapshot.spellings]
    near = nearest(value, known)
    return None if near is None else f"no model has the {_KINDS.get(prefix, prefix)} {short(value)}; {near}"


def _in_words(field: str, name: str, snapshot: Snapshot) -> str:
    if field in _OF_PROVIDERS:
        near = nearest(
            name, [fact.removeprefix("provider:") for fact in snapshot.masks if fact.startswith("provider:")]
        )
        return f"{field} names {short(name)}, of which no model is registered" + (f"; {near}" if near else "")
    if name in snapshot.pools:
        return f"{field} names {name!r}, which is a pool; it has no effect, name its models"
    near = _nearest_key(name, snapshot)
    return f"{field} names {short(name)}, which is not registered and has no effect" + (f"; {near}" if near else "")


def _nearest_key(name: str, snapshot: Snapshot) -> str | None:
    """A hint that names the key of the model whose key, name or alias looks most like this."""
    if len(name) > 256:  # no name of a model is longer, and comparing takes time
        return None
    close = get_close_matches(name, [*snapshot.bits, *snapshot.names], n=1)
    if not close:
        return None
    bits = () if close[0] in snapshot.bits else snapshot.names[close[0]]
    spec = snapshot.specs[bits[0]] if bits else snapshot.get(close[0])
    return None if spec is None else f"did you mean {spec.key!r}?"
