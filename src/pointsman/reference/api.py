"""The page of every public class and function: its signature, what it does, and what its arguments mean."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping

from pointsman.cli.schema import configuration_schema
from pointsman.reference.markdown import code, page, table
from pointsman.reference.signatures import default_of, fenced, signature, type_of
from pointsman.reference.source import Found, Function, comment_above, family, find, public_names, text_of

_TITLE = "# Reference"
_INTRODUCTION = """\
Made from the docstrings. `from pointsman import Router` and so on; the other packages are imported by their own names.
Errors have [a page of their own](errors.md), names of other registries that work as well are in
[coming-from.md](coming-from.md), and what stands in a file is at the end, section by section."""
_SECTIONS = """\
## The configuration file

What each section of `pointsman.yaml` may hold. `pointsman schema` prints the same as JSON Schema, for editors;
`pointsman validate` says with line and column what is wrong."""

# Package, and what comes before the rest of its names.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "pointsman": (
        "Router",
        "Request",
        "Outcome",
        "RoutingDecision",
        "ModelRegistry",
        "ModelSpec",
        "Pool",
        "Cost",
        "default_registry",
    ),
    "pointsman.langchain": ("ChatPointsman", "RunnableRouter", "RouteRunnable", "PointsmanMiddleware"),
    "pointsman.litellm": ("install", "PointsmanStrategy", "proxy_handler", "ProxyHandler"),
    "pointsman.replay": ("evaluate", "compare", "run", "read_trace", "read_log"),
    "pointsman.cache": ("ModelCache",),
    "pointsman.discovery": ("discover", "adiscover", "apply"),
    "pointsman.stores": ("open_store", "Store"),
    "pointsman.testing": ("serve", "ServedModel", "ModelServer", "ModelFleet", "Fault", "FAULTS"),
}
# Section of the file, and the class that reads it.
SETTINGS: Mapping[str, tuple[str, str]] = {
    "models": ("pointsman.catalog.spec", "ModelSpec"),
    "pools": ("pointsman.catalog.pools", "Pool"),
    "calls": ("pointsman.config", "CallSettings"),
    "health": ("pointsman.config", "HealthSettings"),
    "limits": ("pointsman.config", "LimitSettings"),
    "budget": ("pointsman.config", "BudgetSettings"),
    "cache": ("pointsman.config", "CacheSettings"),
    "loading": ("pointsman.config", "LoadingSettings"),
    "checks": ("pointsman.config", "CheckSettings"),
    "ledger": ("pointsman.config", "LedgerSettings"),
    "telemetry": ("pointsman.config", "TelemetrySettings"),
    "discovery": ("pointsman.config", "DiscoverySettings"),
    "lifecycle": ("pointsman.config", "LifecycleSettings"),
    "parameters": ("pointsman.config", "ParameterSettings"),
}
POLICIES = ("adaptive", "ucb", "thompson", "weighted", "priority", "round_robin", "cheapest", "fastest", "best")
# What users are given or pass on without importing it by name.
BESIDE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "pointsman": (
        ("pointsman.calling", "CallLimits"),
        ("pointsman.calling", "Reply"),
        ("pointsman.calling", "CallRecord"),
        ("pointsman.calling", "RoutedStream"),
    ),
}
# Names of other registries have their own page.
_ELSEWHERE = ("pointsman.other_names", "pointsman.errors")
# Nobody makes these; they are returned.
_RETURNED = ("RoutingDecision", "PointsmanStrategy", "ModelServer", "RoutedStream", "DiscoverySchedule")
_HOOKS = ("async_", "on_llm_", "get_available_deployment", "model_copy")


def reference() -> str:
    """The page as Markdown."""
    parts = []
    for package in PACKAGES:
        parts += [f"## `{package}`", *(_entry(found, name) for name, found in public(package))]
    policies = (find(f"pointsman.policies.{name}", _policy_class(name)) for name in POLICIES)
    parts += [
        _SECTIONS,
        "### `policy`\n\nA name, or a mapping: `policy: {name: ucb, exploration: 0.25}`.\n\n"
        + "\n".join(_policy(name, found) for name, found in zip(POLICIES, policies, strict=True) if found),
    ]
    described = configuration_schema()["properties"].items()
    parts.append(
        "### Single values and lists\n\n"
        + _bullets({name: each["description"] for name, each in described if name not in ("policy", *SETTINGS)})
    )
    for section, (module, name) in SETTINGS.items():
        found = find(module, name)
        if found is None:
            raise LookupError(f"no {name} in {module}")
        heading = f"### `{section}`"
        if section in ("models", "pools"):
            parts.append(f"{heading}\n\nThe fields of [`{name}`](#{name.lower()}).")
        else:
            parts.append(f"{heading}\n\n{text_of(found.node).first}\n\n{_fields(found)}")
    return page(_TITLE, _INTRODUCTION, _contents(), *parts)


def public(package: str) -> Iterator[tuple[str, Found]]:
    """The names of a package that this page describes, and where they stand."""
    first = PACKAGES[package]
    for name in (*first, *(each for each in public_names(package) if each not in first and each != "__version__")):
        found = find(package, name)
        if found is None:
            raise LookupError(f"{package}.{name} is listed but not defined")
        if not found.module.startswith(_ELSEWHERE):
            yield name, found
    for module, name in BESIDE.get(package, ()):
        found = find(module, name)
        if found is None:
            raise LookupError(f"no {name} in {module}")
        yield name, found


def _contents() -> str:
    """Links to every heading, by the anchors that they get in the order they stand in."""
    taken: Counter[str] = Counter()

    def link(name: str, shown: str | None = None) -> str:
        slug = name.lower().replace(".", "").replace(" ", "-")
        taken[slug] += 1
        return f"[{shown or name}](#{slug}{f'-{taken[slug] - 1}' if taken[slug] > 1 else ''})"

    link("reference")
    lines = []
    for package in PACKAGES:
        heading = link(package, f"`{package}`")
        lines.append(f"- {heading}: {', '.join(link(name) for name, _ in public(package))}")
    heading = link("the configuration file")
    return "\n".join([*lines, f"- {heading}: {', '.join(link(name) for name in ('policy', *SETTINGS))}"])


def _entry(found: Found, name: str) -> str:
    node, text = found.node, text_of(found.node)
    parts = [f"### `{name}`"]
    if isinstance(node, ast.ClassDef):
        parts += [*_constructor(found), text.first, *_described(found), _methods(found)]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts += [fenced(signature(node)), text.first, _bullets(text.of("Args", "Keys")), _raised(text.of("Raises"))]
    elif isinstance(node, ast.AnnAssign):
        parts.append(fenced(f"{name}: {ast.unparse(node.annotation)}"))
    else:
        parts.append(fenced(ast.unparse(node)))
    return "\n\n".join(part for part in parts if part)


def _constructor(found: Found) -> Iterator[str]:
    """How it is made, if by arguments of its own rather than by its fields."""
    if found.as_class.name in _RETURNED:
        return
    for each in family(found):
        for node in each.as_class.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__" and not _takes_anything(node):
                yield fenced(signature(node, found.as_class.name, returns=False))
                return


def _takes_anything(node: Function) -> bool:
    return not node.args.args[1:] and not node.args.kwonlyargs


def _described(found: Found) -> Iterator[str]:
    text = text_of(found.node)
    fields = _fields(found)
    if fields:
        yield fields
    else:
        yield _bullets(text.of("Args", "Attributes"))
    yield _raised(text.of("Raises"))


def _fields(found: Found) -> str:
    """Fields of a dataclass or model as a table; nothing for classes that only annotate attributes."""
    if not _is_record(found):
        return ""
    rows: list[tuple[str, ...]] = []
    said: dict[str, str] = {}
    for each in reversed(list(family(found))):
        said |= text_of(each.node).of("Attributes", "Args", "Keys")
    told = {name: text for names, text in said.items() for name in names.split(", ")}
    for each in reversed(list(family(found))):
        for node in each.as_class.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
                name, annotation = node.target.id, ast.unparse(node.annotation)
                if "SkipJsonSchema" in annotation or "ClassVar" in annotation:
                    continue
                if heading := comment_above(each.module, node):
                    rows.append((f"*{heading}*", "", "", ""))
                default = default_of(node.value)
                rows.append((code(name), code(type_of(node.annotation)), default and code(default), told.get(name, "")))
    columns = ("field", "type", "default", "what")
    if not told:
        return table(columns[:-1], [row[:-1] for row in rows]) if rows else ""
    return table(columns, rows)


def _is_record(found: Found) -> bool:
    """A dataclass, a named tuple, or a model of settings."""
    for each in family(found):
        words = [ast.unparse(word) for word in (*each.as_class.decorator_list, *each.as_class.bases)]
        if any(word.startswith(("dataclass", "NamedTuple", "BaseModel", "TypedDict")) for word in words):
            return True
    return False


def _methods(found: Found) -> str:
    seen = {name for names in text_of(found.node).of("Attributes") for name in names.split(", ")}
    lines = []
    for each in family(found):
        if each.module.startswith(_ELSEWHERE):
            continue
        for node in each.as_class.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name in seen:
                continue
            if node.name.startswith(("_", *_HOOKS)):
                continue
            seen.add(node.name)
            text = text_of(node)
            if text.first and not _is_setter(node):
                lines.append(_method(node, text.first, text.of("Args", "Keys"), text.of("Raises")))
    return "\n".join(lines)


def _is_setter(node: Function) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr == "setter" for each in node.decorator_list)


def _method(node: Function, first: str, arguments: Mapping[str, str], raised: Mapping[str, str]) -> str:
    decorated = {ast.unparse(each) for each in node.decorator_list}
    shown = node.name if decorated & {"property", "cached_property"} else signature(node)
    lines = [f"- `{shown}`: {first}" + (f" {_raised(raised)}" if raised else "")]
    lines += [f"  - `{name}`: {text}" for name, text in arguments.items()]
    return "\n".join(lines)


def _policy_class(name: str) -> str:
    """The class in a policy's module that ends in `Policy` and is named after it."""
    return {"ucb": "UCBPolicy"}.get(name, "".join(part.capitalize() for part in name.split("_")) + "Policy")


def _policy(name: str, found: Found) -> str:
    text = text_of(found.node)
    return "\n".join(
        [f"- `{name}`: {text.first}", *(f"  - `{option}`: {said}" for option, said in text.of("Args").items())]
    )


def _bullets(said: Mapping[str, str]) -> str:
    return "\n".join(f"- `{name}`: {text}" for name, text in said.items())


def _raised(said: Mapping[str, str]) -> str:
    return f"Raises {', '.join(f'`{name}`' for name in said)}." if said else ""
