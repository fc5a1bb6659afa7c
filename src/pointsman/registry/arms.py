"""The models that a policy chooses among, as the sequence that it sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from pointsman.catalog.spec import ModelSpec


class Arms(Sequence[ModelSpec]):
    """The models that a policy chooses among, in registration order; the same object for the same set.

    `memo` holds what a policy prepares once per set of models, such as cumulative weights.
    """

    __slots__ = ("keys", "mask", "memo", "positions", "specs")

    def __init__(self, specs: Iterable[ModelSpec], mask: int) -> None:
        self.specs = tuple(specs)
        self.keys = tuple(spec.key for spec in self.specs)
        self.positions = {key: position for position, key in enumerate(self.keys)}
        self.mask = mask
        self.memo: dict[Any, Any] = {}

    @overload
    def __getitem__(self, position: int) -> ModelSpec: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[ModelSpec, ...]: ...
    def __getitem__(self, position: int | slice) -> ModelSpec | tuple[ModelSpec, ...]:
        return self.specs[position]

    @property
    def by_arm(self) -> Mapping[str, Sequence[int]]:
        """Where each arm stands; more than once if several deployments serve it."""
        found: dict[str, list[int]] | None = self.memo.get("by arm")
        if found is None:
            found = {}
            for position, spec in enumerate(self.specs):
                found.setdefault(spec.arm, []).append(position)
            self.memo["by arm"] = found
        return found

    def __len__(self) -> int:
        return len(self.specs)
