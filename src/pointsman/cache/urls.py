"""From the names of levels to levels: `memory`, `sqlite:///FILE`, `redis://HOST:PORT/N`, or `env:NAME` for one of these."""

from __future__ import annotations

import os

from pointsman.cache.level import Level
from pointsman.cache.memory import MemoryLevel
from pointsman.cache.settings import CacheSettings
from pointsman.catalog.bounds import short
from pointsman.errors import ConfigError

_LOCAL_REDIS = "redis://127.0.0.1:6379/0"
_REDIS = ("redis://", "rediss://", "unix://")


def open_levels(settings: CacheSettings) -> list[Level]:
    """Open what the settings name, nearest first.

    Raises:
        ConfigError: E4006, for a name of another form.
        MissingDependencyError: E4401, for Redis without its package.
    """
    return [_open(name, settings) for name in settings.levels]


def check_levels(names: tuple[str, ...]) -> None:
    """Say whether the names are of levels, without opening any.

    Raises:
        ConfigError: E4006.
    """
    for name in names:
        known = name.startswith("env:") or name in ("memory", "memory://", "redis") or name.startswith(_REDIS)
        if not known and not (name.startswith("sqlite:///") and len(name) > len("sqlite:///")):
            raise ConfigError(
                f"{short(name.partition('://')[0])} is no level of the cache",
                hint="one of: memory, sqlite:///FILE, redis://HOST:PORT/N, env:NAME",
            )


def _open(name: str, settings: CacheSettings) -> Level:
    if name.startswith("env:"):
        variable = name.removeprefix("env:")
        name = os.environ.get(variable, "")
        if not name or name.startswith("env:"):
            raise ConfigError(f"a level of the cache is to be in {short(variable)}, which names none")
    check_levels((name,))
    if name.startswith("memory"):
        return MemoryLevel(settings.max_entries, settings.max_bytes)
    if name.startswith("sqlite"):
        from pointsman.cache.sqlite import SQLiteLevel  # noqa: PLC0415  sqlite3 is loaded when it is used

        return SQLiteLevel(name.removeprefix("sqlite:///"), settings.max_entries, settings.max_bytes)
    from pointsman.cache.redis import RedisLevel  # noqa: PLC0415  likewise

    return RedisLevel(_LOCAL_REDIS if name == "redis" else name, settings.max_entries)
