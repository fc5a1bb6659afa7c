"""A `ModelCache` as LiteLLM's cache: `litellm.cache = litellm_cache(ModelCache(...))`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import litellm
from litellm.caching.base_cache import BaseCache

from pointsman.arguments import expect
from pointsman.cache import ModelCache

_FORM = "litellm"


class PointsmanLiteLLMCache(BaseCache):
    """What LiteLLM's cache keeps its entries in; LiteLLM makes the keys, and decides what is kept and looked up.

    Args:
        cache: where entries are kept.
        tenant: whose they are; tenants do not see each other's.
    """

    def __init__(self, cache: ModelCache, *, tenant: str | None = None) -> None:
        super().__init__(default_ttl=int(cache.settings.ttl or 0))
        self.kept_in = cache
        self.tenant = tenant

    def set_cache(self, key: str, value: Any, **kwargs: Any) -> None:
        """Keep an entry."""
        self.kept_in.put(self._key(key), value, tenant=self.tenant, ttl=_ttl(kwargs))

    async def async_set_cache(self, key: str, value: Any, **kwargs: Any) -> None:
        """Like `set_cache`."""
        await self.kept_in.aput(self._key(key), value, tenant=self.tenant, ttl=_ttl(kwargs))

    async def async_set_cache_pipeline(self, cache_list: Iterable[tuple[str, Any]], **kwargs: Any) -> None:
        """Keep many entries."""
        for key, value in cache_list:
            await self.async_set_cache(key, value, **kwargs)

    async def batch_cache_write(self, key: str, value: Any, **kwargs: Any) -> None:
        """Keep an entry at once; there is nothing to collect."""
        await self.async_set_cache(key, value, **kwargs)

    def get_cache(self, key: str, **_: Any) -> Any:
        """The entry, or None."""
        return self.kept_in.get(self._key(key))

    async def async_get_cache(self, key: str, **_: Any) -> Any:
        """Like `get_cache`."""
        return await self.kept_in.aget(self._key(key))

    async def disconnect(self) -> None:
        """Leave the cache open: it belongs to whoever made it."""

    async def ping(self) -> bool:
        """Whether a level answers."""
        return any(count is not None for count in self.kept_in.get_statistics().entries.values())

    def _key(self, key: str) -> str:
        return str(self.kept_in.key(_FORM, self.tenant, key))


def litellm_cache(cache: ModelCache | None = None, *, tenant: str | None = None) -> litellm.Cache:
    """A `litellm.Cache` that keeps its entries in a `ModelCache`; assign it to `litellm.cache`."""
    if cache is not None:
        expect(cache, ModelCache, "cache", "a pointsman.cache.ModelCache")
    made = litellm.Cache(type="local")
    made.cache = PointsmanLiteLLMCache(cache or ModelCache(), tenant=tenant)
    return made


def _ttl(given: dict[str, Any]) -> float | None:
    ttl = given.get("ttl")
    return float(ttl) if isinstance(ttl, int | float) and ttl > 0 else None
