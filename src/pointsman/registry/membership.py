"""Who is in a pool, as of a snapshot."""

from __future__ import annotations

from pointsman.catalog.pools import Pool
from pointsman.registry.snapshot import Snapshot


def pool_mask(snapshot: Snapshot, name: str) -> int:
    """Members of a pool as of a snapshot; refreshed by every change because each snapshot has its own memo."""
    memo = snapshot.memo
    key = ("pool", name)
    mask = memo.get(key)
    if mask is None:
        mask = memo[key] = _pool_mask(snapshot, snapshot.pools[name])
    return int(mask)


def _pool_mask(snapshot: Snapshot, pool: Pool) -> int:
    mask = snapshot.live if pool.models is None else snapshot.mask_of(pool.models)
    for need in pool.needs:
        mask &= snapshot.mask(f"cap:{need}")
    for prefix, values in (("provider", pool.providers), ("family", pool.families), ("tag", pool.tags)):
        if values:
            either = 0
            for value in values:
                either |= snapshot.mask(f"{prefix}:{value}")
            mask &= either
    if pool.max_cost_per_1m_input_tokens is not None:
        mask &= snapshot.bound("input_price").at_most(pool.max_cost_per_1m_input_tokens)
    if pool.max_cost_per_1m_output_tokens is not None:
        mask &= snapshot.bound("output_price").at_most(pool.max_cost_per_1m_output_tokens)
    if pool.min_quality is not None:
        mask &= snapshot.bound("quality").at_least(pool.min_quality)
    return mask
