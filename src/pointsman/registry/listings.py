"""What a registry lists: models by provider, family, status, capability or tag, and what there is of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, get_args

from pointsman.arguments import expect, expect_text
from pointsman.catalog.spec import ModelSpec, Status, nearest
from pointsman.errors import InvalidRequestError
from pointsman.registry import overview
from pointsman.registry.membership import pool_mask
from pointsman.registry.snapshot import Snapshot


class Listings(ABC):
    """Lists of what is registered."""

    @property
    @abstractmethod
    def snapshot(self) -> Snapshot:
        """What is registered at this moment; never changes once taken."""

    @abstractmethod
    def get_model(self, name: str, provider: str | None = None) -> ModelSpec:
        """Look up a key, a bare name or an alias."""

    def list_models(
        self,
        *,
        provider: str | None = None,
        family: str | None = None,
        status: Status | None = None,
        capability: str | None = None,
        tag: str | None = None,
    ) -> list[ModelSpec]:
        """List models, optionally only those of a provider, family, status, capability or tag.

        Raises:
            InvalidRequestError: E4103, for what is no status, or no capability's name.
        """
        if status is not None and status not in get_args(Status):
            hint = nearest(str(status), get_args(Status)) or f"one of: {', '.join(get_args(Status))}"
            raise InvalidRequestError(f"there is no status {status!r}", field="status", hint=hint)
        snapshot = self.snapshot
        mask = snapshot.live
        for prefix, value in (("provider", provider), ("family", family), ("status", status), ("tag", tag)):
            if value is not None:
                expect_text(value, prefix)
                mask &= snapshot.mask(f"{prefix}:{value}")
        if capability is not None:
            mask &= _having(snapshot, capability)
        return list(snapshot.arms(mask))

    def get_models_by_capability(self, capability: str) -> list[ModelSpec]:
        """Models that declare this node of the capability tree or one below it."""
        return self.list_models(capability=capability)

    def get_models_by_capabilities(self, capabilities: Iterable[str]) -> list[ModelSpec]:
        """Models that declare all of them."""
        expect(capabilities, Iterable, "capabilities", "names of capabilities")
        snapshot = self.snapshot
        mask = snapshot.live
        for capability in (capabilities,) if isinstance(capabilities, str) else capabilities:
            mask &= _having(snapshot, capability)
        return list(snapshot.arms(mask))

    def get_family_models(self, family: str) -> list[ModelSpec]:
        """Models of one family."""
        return self.list_models(family=family)

    def get_available_models(self) -> list[ModelSpec]:
        """Models that are routable by their status: active, or deprecated but not gone."""
        snapshot = self.snapshot
        return list(snapshot.arms(snapshot.mask("status:active") | snapshot.mask("status:deprecated")))

    def list_providers(self) -> list[str]:
        """Providers that have a model."""
        return overview.named(self.snapshot, "provider")

    def list_capabilities(self) -> list[str]:
        """Nodes of the capability tree that some model serves."""
        return overview.named(self.snapshot, "cap")

    def pools_of(self, name: str) -> list[str]:
        """Names of the pools this model is in."""
        snapshot = self.snapshot
        flag = 1 << snapshot.bits[self.get_model(name).key]
        return sorted(pool for pool in snapshot.pools if pool_mask(snapshot, pool) & flag)

    def stats(self) -> dict[str, Any]:
        """Totals: models, active ones, providers, capabilities, models per provider."""
        return overview.stats(self.snapshot)


def _having(snapshot: Snapshot, capability: str) -> int:
    expect_text(capability, "capability")
    try:
        return snapshot.mask(f"cap:{snapshot.capability(capability)}")
    except ValueError as error:
        raise InvalidRequestError(str(error), field="capability") from None
