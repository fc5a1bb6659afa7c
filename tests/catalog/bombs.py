"""Catalogues of any size that are made to break a reader, crowds that are as good as any, and a fine one."""

from __future__ import annotations

from collections.abc import Callable

MIB = 1024 * 1024

Input = str | bytes

FINE = """\
# yaml-language-server: $schema=./pointsman.schema.json
policy: cheapest
include: [openai]
models:
  - {name: house, provider: custom, base: "openai:gpt-4o-mini", api_key: "env:HOUSE_KEY", context_window: 32000}
  - name: other
    provider: custom
    capabilities: [generation.text.chat, tools]
    quality: {reasoning: 0.5}
    cost_per_1m_input_tokens: 0.1
    as_of: 2026-11-21
pools:
  auto: {}
  cheap: {models: [house, other], policy: cheapest}
calls: {deadline: 30}
"""


def _filled(unit: str, size: int, before: str = "", after: str = "") -> str:
    return before + unit * max(1, (size - len(before) - len(after)) // len(unit)) + after


def _numbered(unit: str, size: int, before: str = "", after: str = "") -> str:
    parts, length, number = [before], len(before) + len(after), 0
    while length < size:
        part = unit.replace("#", str(number))
        parts.append(part)
        length += len(part)
        number += 1
    return "".join([*parts, after])


def entry(value: str) -> str:
    """Put some fields into a catalogue of one model."""
    return f"models:\n  - {{name: m, provider: openai, {value}}}\n"


def _laughs(width: int, depth: int) -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines)


# Each makes an input of about so many bytes.
BOMBS: dict[str, Callable[[int], Input]] = {
    # depth
    "brackets": lambda size: "[" * size,
    "closed brackets": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "braces": lambda size: _filled("{a: ", size),
    "dashes": lambda size: _filled("- ", size),
    "questions": lambda size: _filled("? ", size),
    "anchors": lambda size: _filled("&a ", size),
    "tags": lambda size: _filled("!t ", size),
    "one long tag": lambda size: "!" * size,
    "indentation": lambda size: "".join(" " * depth + "a:\n" for depth in range(int((2 * size) ** 0.5))),
    "bounded depth, wide": lambda size: _filled("[" * 30 + "]" * 30 + ",", size, "[", "]"),
    "json depth": lambda size: _filled('{"a":', size),
    # width
    "many zeros": lambda size: _filled("0,", size, "[", "]"),
    "many lists": lambda size: _filled("[],", size, "[", "]"),
    "many mappings": lambda size: _filled("{},", size, "[", "]"),
    "many empty items": lambda size: _filled("- \n", size),
    "many six-byte items": lambda size: _filled("- abc\n", size),
    "many numbers": lambda size: _filled("1234567,", size, "[", "]"),
    "many floats": lambda size: _filled("1.5e3,", size, "[", "]"),
    "many keys": lambda size: _numbered("k#: 1\n", size),
    "many flow keys": lambda size: _numbered("k#: ,", size, "{", "}"),
    "a key twice at the end": lambda size: _numbered("k#: 1\n", size) + "k0: 1\n",
    "json: a key twice at the end": lambda size: _numbered('"k#":1,', size, "{", '"k0":1}'),
    "many anchors": lambda size: _numbered("- &a# 1\n", size),
    "many aliases": lambda size: _filled("*a,", size, "a: &a 1\nb: [", "]"),
    "billion laughs": lambda _: _laughs(9, 9),
    "quiet laughs": lambda _: "\n".join(["constraints: &c", *(f"  k{n}: &k{n} [1, 2, 3]" for n in range(50))]),
    "laughs in a model": lambda _: entry(f"constraints: {{{', '.join(_laughs(6, 6).splitlines())}}}"),
    "an alias of itself": lambda _: "a: &a [*a, *a]",
    "merge keys": lambda size: _filled("  <<: *a\n", size, "a: &a {b: 1}\nc:\n"),
    "many documents": lambda size: _filled("--- a\n", size),
    # scalars
    "a long plain scalar": lambda size: "a: " + "b" * size,
    "a long plain scalar over lines": lambda size: _filled(" x\n", size, "a:\n"),
    "a long quoted scalar": lambda size: _filled("''", size, "a: '", "'"),
    "long escapes": lambda size: _filled("\\x41", size, 'a: "', '"'),
    "quoted line ends": lambda size: _filled(" \n", size, 'a: "', '"'),
    "an unclosed quote": lambda size: 'a: "' + "b" * size,
    "a long literal": lambda size: _filled("  x\n", size, "a: |\n"),
    "a long folded": lambda size: _filled("  x\n\n", size, "a: >\n"),
    "a long key": lambda size: "a" * size + ": 1",
    "an explicit long key": lambda size: "? " + "a" * size + "\n: 1",
    "a long quoted key": lambda size: '"' + "a" * size + '": 1',
    "a long number": lambda size: "a: " + "9" * size,
    "a long hexadecimal": lambda size: "a: 0x" + "f" * size,
    "a long float": lambda size: "a: 0." + "9" * size,
    "an exponent": lambda _: "a: 1e999999999",
    "underscores": lambda size: _filled("1_", size, "a: ", "1"),
    "json: a long number": lambda size: '{"a": ' + "9" * size + "}",
    "json: infinities": lambda size: _filled("1e999,", size, "[", "1]"),
    "comments": lambda size: _filled("#\n", size),
    "spaces": lambda size: " " * size,
    "line ends": lambda size: "\n" * size,
    "carriage returns": lambda size: "\r" * size,
    "tabs": lambda size: _filled("\ta: 1\n", size),
    "directives": lambda size: _filled("%a b\n", size),
    "line separators": lambda size: "a: " + "\u2028" * (size // 3),
    "next lines": lambda size: "a: " + "\x85" * (size // 2),
    "byte order marks": lambda size: "\ufeff" * (size // 3),
    "surrogates": lambda size: "a: " + "\ud800" * (size // 3),
    "astral characters": lambda size: "a: " + "\U0001f600" * (size // 4),
    "nul bytes": lambda size: b"a: b" + b"\x00" * size,
    "utf-16": lambda size: ("a: b" * (size // 8)).encode("utf-16"),
    "latin": lambda size: b"a: " + b"\xe9" * size,
    "control characters": lambda size: "a: " + "\x1b" * size,
    # what a catalogue makes of it
    "unknown sections": lambda size: _numbered("section#: 1\n", size),
    "broken models": lambda size: _filled("  - {x: 1}\n", size, "models:\n"),
    "models that are none": lambda size: _filled("  - seven\n", size, "models:\n"),
    "models that say nothing true": lambda size: _numbered(
        "  - {name: m#, provider: x y, context_window: -1, quality: {a: 7}, as_of: never}\n", size, "models:\n"
    ),
    "the same model again": lambda size: _filled("  - {name: m, provider: openai}\n", size, "models:\n"),
    "unknown fields": lambda size: entry(_numbered("f#: 1, ", size)),
    "wrong scores": lambda size: entry(_numbered("s#: 2, ", size, "quality: {", "}")),
    "wrong flags": lambda size: entry(_numbered("s#: x, ", size, "features: {", "}")),
    "wrong evidence": lambda size: entry(_numbered("s#: 1, ", size, "evidence: {name: {", "}}")),
    "wrong aliases": lambda size: entry(_filled("[1, 2], ", size, "aliases: [", "]")),
    "a long name": lambda size: f"models:\n  - {{name: {'n' * size}, provider: {'p' * 100}, x: 1}}\n",
    "a long name again and again": lambda size: _filled(
        "  - {name: *n, provider: 1, size: *n, base: *n, capabilities: [*n], as_of: *n}\n",
        6_000,
        f"models:\n  - {{name: &n {'n' * size}, provider: openai}}\n",
    ),
    "a long capability": lambda size: entry(_filled("a.", size, "capabilities: [", "a]")),
    "a long base": lambda size: entry("base: " + "b" * size),
    "a long size": lambda size: entry("size: '" + "9" * size + "B'"),
    "a size with a gap": lambda size: entry("size: '1" + " " * size + "x'"),
    "a secret": lambda _: entry("api_key: sk-abc123, x: 1"),
    "a long secret": lambda size: entry("api_key: " + "s" * size),
    "a long pool member": lambda size: "pools: {a: {models: [" + "m" * size + "]}}",
    "broken pools": lambda size: _numbered("  p#: {x: 1}\n", size, "pools:\n"),
    "a pool of much": lambda size: "pools: {a: {" + _numbered("x#: 1, ", size) + "}}",
    "many capabilities": lambda size: _numbered("  c#: []\n", size, "capabilities:\n"),
    "broken includes": lambda size: _filled("x,", size, "include: [", "x]"),
    "a long include": lambda size: "include: [" + "x" * size + "]",
    "a long policy": lambda size: "policy: " + "x" * size,
    "a long store": lambda size: "store: " + "x" * size,
    "a deep policy": lambda _: "policy: " + "{name: " * 30 + "}" * 30,
}

# Large, dense, and as good as any: what they cost is what they hold.
CROWDS: dict[str, Callable[[int], Input]] = {
    "models": lambda size: _numbered("  - {name: model-#, provider: openai}\n", size, "models:\n"),
    "one alias for all": lambda size: _numbered(
        "  - {name: model-#, provider: openai, aliases: [x]}\n", size, "models:\n"
    ),
    "bases": lambda size: _numbered(
        "  - {name: model-#, provider: openai, base: root}\n", size, "models:\n  - {name: root, provider: openai}\n"
    ),
}

CROWDS["words"] = lambda size: _numbered("  w#: generation.text\n", size, "capabilities:\n")
