"""Answers kept for the next identical request: memory, SQLite and Redis, one level in front of the other."""

from __future__ import annotations

from pointsman.cache.model_cache import ModelCache
from pointsman.cache.settings import CacheSettings
from pointsman.cache.statistics import CacheStatistics

__all__ = ["CacheSettings", "CacheStatistics", "ModelCache"]
