"""What usage and overflows teach of tokens and windows, and how replicas share what they learnt of tokenizers."""

from __future__ import annotations

from pointsman.chooser import Chooser
from pointsman.eligibility.sizing import is_counted_exactly
from pointsman.errors import StoreError
from pointsman.failover.steps import AttemptRecord
from pointsman.faults import FaultKind
from pointsman.stores.base import Store, Write
from pointsman.types import Clock

TOKENS = "learnt.tokens"


class TokenLessons:
    """Teaches the chooser's calibration and windows.

    Args:
        chooser: whose they are.
        store: where replicas keep what they learnt of tokenizers.
        clock: where time comes from.
        replica: this process.
    """

    def __init__(self, chooser: Chooser, store: Store, clock: Clock, replica: str) -> None:
        self._calibration = chooser.calibration
        self._windows = chooser.windows
        self._store = store
        self._clock = clock
        self._replica = replica
        self._changed: set[str] = set()

    @property
    def waiting(self) -> bool:
        """Whether something was learnt that other replicas do not know of."""
        return bool(self._changed) and self._store.shared

    def take_in(self, record: AttemptRecord) -> None:
        """Learn what a token and a window are to this model."""
        attempt, outcome, fault = record
        spec, size = attempt.spec, attempt.decision.question.size
        if fault is not None:
            if fault.kind is FaultKind.CONTEXT_OVERFLOW and outcome.error is not None:
                self._windows.overflowed(spec, size, outcome.error, self._clock.monotonic())
        elif not outcome.cached:
            if self._windows:
                self._windows.served(spec, size)
            counted = size.counted is not None and outcome.input_tokens is not None and not is_counted_exactly(spec)
            if counted and self._calibration.learn(spec, size, outcome.input_tokens or 0):
                self._changed.add(spec.arm)

    def exchange(self) -> None:
        """Write what was learnt here and take in what others have.

        Raises:
            StoreError: E4301; it is written the next time.
        """
        changed, self._changed = self._changed, set()
        rows = self._calibration.state()
        try:
            self._store.put_all([Write(TOKENS, f"{self._replica}/{arm}", rows[arm]) for arm in changed if arm in rows])
        except StoreError:
            self._changed |= changed
            raise
        self.merge()

    def merge(self) -> None:
        """Take in what other replicas, running or gone, have learnt.

        Raises:
            StoreError: E4301.
        """
        for key, row in self._store.items(TOKENS):
            replica, _, arm = key.partition("/")
            if replica != self._replica:
                self._calibration.merge(replica, {arm: row})

    def renew(self, replica: str) -> None:
        """This is a child process: what was learnt so far is its parent's."""
        inherited = self._calibration.state()
        self._calibration.reset()
        self._calibration.merge(self._replica, inherited)
        self._replica, self._changed = replica, set()
