"""`PointsmanCache`: a `ModelCache` as LangChain's cache, for `set_llm_cache` or a model's `cache=`.

Generations are kept as plain JSON, and made again as messages and nothing else: no class is looked up by a name that
stands in an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, Generation

from pointsman.arguments import expect
from pointsman.cache import ModelCache
from pointsman.cache.codec import is_json

_FORM = "langchain"


class PointsmanCache(BaseCache):
    """LangChain's cache over memory, SQLite and Redis.

    LangChain asks it with the prompt and the model's settings as text, so both are a part of the key; it asks for every
    call of a model that has a cache, whatever the temperature, and does not wait for an identical call under way.

    Args:
        cache: where answers are kept; one in memory unless given.
        tenant: whose answers these are; tenants do not see each other's.
    """

    def __init__(self, cache: ModelCache | None = None, *, tenant: str | None = None) -> None:
        if cache is not None:
            expect(cache, ModelCache, "cache", "a pointsman.cache.ModelCache")
        self.cache = cache or ModelCache()
        self.tenant = tenant

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The generations that are kept."""
        return _generations(self.cache.get(self._key(prompt, llm_string)))

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Like `lookup`; waits for disks and networks in a thread."""
        return _generations(await self.cache.aget(self._key(prompt, llm_string)))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Keep generations; those that are no JSON are not kept, and counted."""
        self.cache.put(self._key(prompt, llm_string), _kept(return_val), tenant=self.tenant)

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Like `update`."""
        await self.cache.aput(self._key(prompt, llm_string), _kept(return_val), tenant=self.tenant)

    def clear(self, **kwargs: Any) -> None:
        """Remove this tenant's answers, or, without a tenant, everything; `model=` and `version=` narrow it."""
        self.cache.invalidate(**{"tenant": self.tenant, **kwargs})

    async def aclear(self, **kwargs: Any) -> None:
        """Like `clear`."""
        self.clear(**kwargs)

    def _key(self, prompt: str, llm_string: str) -> str:
        return str(self.cache.key(_FORM, self.tenant, prompt, llm_string))


def _kept(generations: Sequence[Generation]) -> list[Any] | None:
    """Generations as JSON; None if something of them is no JSON."""
    kept: list[Any] = []
    for each in generations:
        info = each.generation_info
        if isinstance(each, ChatGeneration):
            kept.append({"message": message_to_dict(each.message), "info": info})
        else:
            kept.append({"text": each.text, "info": info})
    return kept if is_json(kept) else None


def _generations(kept: Any) -> list[Generation] | None:
    if not isinstance(kept, list):
        return None
    return [_generation(each) for each in kept]


def _generation(kept: dict[str, Any]) -> Generation:
    info = kept.get("info")
    if "text" in kept:
        return Generation(text=kept["text"], generation_info=info)
    return ChatGeneration(message=messages_from_dict([kept["message"]])[0], generation_info=info)
