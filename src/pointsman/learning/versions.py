"""Versions of what a policy has learnt, so that a decision's row can name the state it grew from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.errors import UnknownVersionError
from pointsman.policies.base import LearningPolicy
from pointsman.stores.base import Store

VERSIONS = "learnt.versions"
_LESSONS_BETWEEN = 500
_KEPT = 50


class PolicyVersions:
    """Keeps the state of one process's policy every 500 lessons, its newest 50 in the store.

    Args:
        store: where they are kept.
        policy: name of the policy.
        space: where the replicas of a shared store keep their sums.
        replica: this process.

    Attributes:
        current: the newest version; None before the first.
    """

    def __init__(self, store: Store, policy: str, space: str, replica: str) -> None:
        self._store = store
        self._policy = policy
        self._space = space
        self._replica = replica
        self._lessons = 0
        self._number = 0
        self.current: str | None = None

    def taught(self, policy: LearningPolicy, at: float) -> None:
        """Count a lesson; when enough have come, keep a version.

        Raises:
            StoreError: E4301; the version is kept after as many lessons more, then.
        """
        self._lessons += 1
        if self._lessons % _LESSONS_BETWEEN:
            return
        others = {key: row for key, row in self._store.items(self._space) if not key.startswith(f"{self._replica}/")}
        rows = others | {f"{self._replica}/{arm}": row for arm, row in policy.state().items()}
        version = f"{self._replica}-{self._number + 1}"
        self._store.put(VERSIONS, version, {"policy": self._policy, "at": at, "rows": rows})
        self._store.trim(VERSIONS, _KEPT)
        self._number += 1
        self.current = version


def learnt_at(store: Store, version: str) -> Mapping[str, Any]:
    """A kept version: the policy's name, when it was (seconds since the epoch), and the sums per replica and arm.

    Raises:
        UnknownVersionError: E4007, if it is not kept, or not any more.
    """
    row = store.get(VERSIONS, version)
    if not isinstance(row, Mapping):
        raise UnknownVersionError(version, (key for key, _ in store.items(VERSIONS)))
    return row


def teach(policy: LearningPolicy, learnt: Mapping[str, Any]) -> None:
    """Give a policy what a version holds."""
    for key, row in learnt["rows"].items():
        replica, _, arm = key.partition("/")
        policy.merge(replica, {arm: row})
