"""How much of a file is accepted before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

# Digits of a whole number; more is text in YAML and an error in JSON.
MAX_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a file is accepted: bytes, nodes, levels of nesting, aliases, keys of one mapping.

    Attributes:
        size: bytes of the file.
        nodes: values, keys included, and those that aliases repeat.
        depth: levels of nesting.
        aliases: how many there may be.
        keys: of one mapping.
        key_length: characters of a key.
        bytes_per_node: what a node takes on average in a file of more than 20,000; catalogues have 11 to 15, and
            what is denser is made to cost time and memory.
    """

    size: int = 16 * 1024 * 1024
    nodes: int = 1_000_000
    depth: int = 32
    aliases: int = 100
    keys: int = 20_000
    key_length: int = 1024
    bytes_per_node: int = 8


def short(text: str) -> str:
    """Quote a text, and cut a long one."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
