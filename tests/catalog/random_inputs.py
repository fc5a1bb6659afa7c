"""As many random inputs for a reader of catalogues as wanted: odd, damaged, nested, noise, bombs in disguise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from catalog.bombs import BOMBS, FINE, MIB, Input, entry

# Values that look like something, for fields of every kind.
ODD_VALUES = (
    *(
        "no",
        "yes",
        "on",
        "~",
        "null",
        "''",
        "[]",
        "{}",
        "[[]]",
        "{a: {b: c}}",
        "true",
        "-1",
        "0",
        "1e400",
        ".nan",
        ".inf",
    ),
    *(
        "-.inf",
        "0x10",
        "0o17",
        "1_000",
        "1:30",
        "=",
        "<<",
        "*x",
        "&x 1",
        "!!int 3",
        "!!binary aGk=",
        "!!python/name:os.system",
    ),
    *(
        "2024-06-01",
        "2024-6-1",
        "20240601",
        "2024-13-45",
        "2024-06-01T12:00:00Z",
        "2001-12-14t21:59:43.10-05:00",
        "86400",
    ),
    *("'2024-06-01 00:00:00'", "01.06.2024", "June 1st", "0000-00-00", "99999-01-01", "1e30", "-62135596801"),
    *(
        '"\\u0000"',
        '"\\uD800"',
        "²",
        "½",
        "٣",
        "9" * 41,
        "9" * 5000,
        "'9x9x9B'",
        "8x7B",
        "7 B",
        "env:",
        "env:A B",
    ),
)
ODD_KEYS = (
    "²",
    "9" * 5000,
    "self",
    "__class__",
    "model_config",
    "0",
    "-1",
    "a.b",
    "''",
    "? ",
    "name",
    "true",
    "1.5",
    "~",
)
_FIELDS = (
    *("name", "provider", "family", "base", "aliases", "tags", "capabilities", "features", "constraints", "quality"),
    *("size", "size_billions", "context_window", "max_tokens", "cost_per_1k_input_tokens", "input_cost_per_token"),
    *("latency_p50_ms", "parameter_names", "default_parameters", "api_key", "api_base", "status", "as_of", "evidence"),
    *("sunset_date", "maintenance", "weight", "priority", "supports_vision", "is_deprecated", "batch", "delivery"),
)
_SOUP = (
    *(
        "[",
        "]",
        "{",
        "}",
        ",",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!t ",
        "|",
        ">",
        "'",
        '"',
        "#",
        "%",
        "@",
        "`",
        "\n",
        "\t",
        "  ",
    ),
    *(
        "---\n",
        "...\n",
        "<<: ",
        "models:\n",
        "pools:",
        "name: ",
        "a",
        "0",
        "-",
        "~",
        "\\",
        "\r",
        "\x00",
        "\ufeff",
        "\u2028",
    ),
)


def random_inputs(count: int, seed: int, largest: int = MIB) -> Iterator[tuple[str, Input]]:
    """Yield named inputs: odd values in real places, damaged catalogues, soups of tokens, noise, bombs in disguise."""
    random = Random(seed)
    makers = (_odd_value, _damaged, _soup, _noise, _disguised, _nested)
    for number in range(count):
        maker = makers[number % len(makers)]
        size = int(2 ** random.uniform(4, largest.bit_length() - 1))
        yield f"{maker.__name__.removeprefix('_')} {number}", maker(random, size)


def _odd_value(random: Random, _size: int) -> Input:
    fields = [f"{random.choice(_FIELDS)}: {random.choice(ODD_VALUES)}" for _ in range(random.randint(1, 3))]
    holder = f"{random.choice(_FIELDS)}: {{{random.choice(ODD_KEYS)}: {random.choice(ODD_VALUES)}}}"
    section = f"{random.choice(('pools', 'health', 'calls', 'policy', 'seed', 'store', 'include', 'lifecycle'))}: "
    return entry(", ".join([*fields, holder])) + section + random.choice(ODD_VALUES) + "\n"


def _damaged(random: Random, size: int) -> Input:
    text = bytearray((FINE * max(1, size // len(FINE) if random.random() < 0.2 else 1)).encode())
    for _ in range(random.randint(1, 12)):
        at = random.randrange(len(text))
        match random.randrange(3):
            case 0:
                text[at] = random.randrange(256)
            case 1:
                del text[at : at + random.randint(1, 20)]
            case _:
                text[at:at] = random.choice(_SOUP).encode() * random.randint(1, 5)
    return bytes(text)


def _soup(random: Random, size: int) -> Input:
    some = random.sample(_SOUP, random.randint(2, 8))
    return "".join(random.choices(some, k=size // 2))


def _noise(random: Random, size: int) -> Input:
    return random.randbytes(size)


def _disguised(random: Random, size: int) -> Input:
    bomb = random.choice(list(BOMBS.values()))(size)
    if isinstance(bomb, bytes):
        return FINE.encode() + b"x: " + bomb
    return random.choice((FINE + bomb, bomb + "\n" + FINE, entry(f"constraints: {{x: {bomb}}}")))


def _nested(random: Random, size: int) -> Input:
    def value(depth: int) -> object:
        if depth == 0 or random.random() < 0.3:
            return random.choice((None, True, 0, -1, 1e300, "text", "", "\u2028", 10**30))
        if random.random() < 0.5:
            return [value(depth - 1) for _ in range(random.randint(0, 4))]
        return {random.choice(_FIELDS): value(depth - 1) for _ in range(random.randint(0, 4))}

    return json.dumps({"models": [value(random.randint(1, 6)) for _ in range(min(200, 1 + size // 2000))]})
