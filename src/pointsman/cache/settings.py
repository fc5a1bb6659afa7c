"""The `cache:` section of the configuration, typed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

When = Literal["not_random", "asked", "always"]


class CacheSettings(BaseModel):
    """The `cache:` section: where answers are kept for the next identical request, for how long, and which.

    Attributes:
        levels: nearest first, each `memory`, `sqlite:///FILE`, `redis://HOST:PORT/N` or `env:NAME` for one; what a far one has is promoted.
        ttl: seconds an answer is good for; None keeps it until it is evicted.
        max_entries: how many a level holds; the least recently used go first.
        max_bytes: how much a level holds; of Redis its own `maxmemory` decides.
        compression: whether large answers are compressed, by zstd if `zstandard` is installed, else by zlib.
        compress_above: bytes above which they are.
        when: `not_random` leaves out requests with a temperature above 0, `asked` keeps those with `cache=True` alone,
            `always` keeps all. What a request says itself goes before this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # A URL may hold a password.
    levels: Annotated[tuple[str, ...], Field(min_length=1, max_length=4, repr=False)] = ("memory",)
    ttl: float | None = Field(default=3600.0, gt=0)
    max_entries: int = Field(default=10_000, ge=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    compression: bool = True
    compress_above: int = Field(default=1024, ge=0)
    when: When = "not_random"
