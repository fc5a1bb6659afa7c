"""What a router shares with the other processes on its store, kept up to date by a thread beside the calls."""

from __future__ import annotations

import atexit
import contextlib
import logging
import weakref
from collections.abc import Callable

from pointsman.errors import StoreError
from pointsman.health.states import Health
from pointsman.learning.ledger import Ledger
from pointsman.learning.lessons import Learning
from pointsman.limits.buckets import Buckets
from pointsman.limits.redis_buckets import RedisBuckets
from pointsman.registry.models import ModelRegistry
from pointsman.shared.redis_replicas import RedisReplicas
from pointsman.shared.worker import Worker
from pointsman.stores.base import Store
from pointsman.stores.redis import RedisStore
from pointsman.stores.redis_link import RedisLink
from pointsman.stores.write_behind import WriteBehind
from pointsman.types import Clock

_log = logging.getLogger("pointsman")

# Whoever has learnt something that is not written yet; a router that nobody holds any more waits here for its round.
_unwritten: set[SharedState] = set()


def kept_off_calls(store: Store) -> Store:
    """The store as calls should see it: what lies behind a network is written behind them."""
    return WriteBehind(store) if isinstance(store, RedisStore) else store


def shared_buckets(store: Store, clock: Clock, replicas: Callable[[], int]) -> Buckets | None:
    """Where processes on this store count limits together; None if each has to count its own."""
    inner = store.store if isinstance(store, WriteBehind) else store
    return RedisBuckets(inner.link, clock, replicas) if isinstance(inner, RedisStore) else None


class SharedState:
    """Exchanges what was learnt on any shared store; on Redis also health, and the rows that wait.

    Args:
        store: as `kept_off_calls` gave it.
        registry: persisted there as soon as a Redis can be reached.
        health: what is shared of it are breakers, rate limits and refused credentials.
        learning: told when to exchange.
        ledger: told when to write and to trim.
        clock: monotonic time.

    Attributes:
        replicas: the other processes on Redis; None on other stores.
    """

    def __init__(
        self, store: Store, registry: ModelRegistry, health: Health, learning: Learning, ledger: Ledger, clock: Clock
    ) -> None:
        self._registry = registry
        self._learning = learning
        self._ledger = ledger
        self._worker = Worker([self.exchange])
        self._closed = False
        self._journal = store if isinstance(store, WriteBehind) else None
        self._store: Store = store if self._journal is None else self._journal.store
        self._link: RedisLink | None = None
        self.replicas: RedisReplicas | None = None
        if self._journal is not None:
            self._journal.when_many = self._worker.wake
        if isinstance(self._store, RedisStore):
            self._link = self._store.link
            self.replicas = RedisReplicas(self._link, health, clock, self._worker.wake)
            self.replicas.on_flush(learning.write_again)
            self._link.on_return(self._worker.wake)
            health.sharing.replicas = self.replicas
        try:
            self._attach()
        except StoreError as error:
            _log.warning("%s: the registry is persisted as soon as the store is there: %s", error.code, error)
        learning.ensure_exchange = self._exchange_soon
        atexit.register(_leave, weakref.ref(self))

    @property
    def count(self) -> int:
        """How many processes share the state, as far as was last known."""
        return 1 if self.replicas is None else self.replicas.count

    @property
    def dropped_writes(self) -> int:
        """How many rows were given up because too many waited."""
        return 0 if self._journal is None else self._journal.dropped

    def exchange(self) -> None:
        """One round: health first; whatever the store refuses is tried again in the next."""
        if self.replicas is not None:
            self.replicas.exchange()
        if self._link is not None and not self._link.is_up:
            return
        _unwritten.discard(self)  # before, so that what is learnt meanwhile counts as not written
        try:
            self._attach()
            self._learning.exchange()
            if self._journal is not None:
                self._ledger.flush()
                self._ledger.tidy()
                self._journal.flush()
        except StoreError as error:
            _unwritten.add(self)
            _log.warning("%s: what is shared waits for the next round: %s", error.code, error)

    def flush(self) -> None:
        """Write what waits, and read what others have written.

        Raises:
            StoreError: E4301.
        """
        self._learning.flush()
        self._learning.exchange()
        if self._journal is not None:
            self._journal.flush()
        if self.replicas is not None:
            self.replicas.exchange()

    def close(self) -> None:
        """Write what waits, and be no replica any more.

        Raises:
            StoreError: E4301; the thread has ended all the same.
        """
        if self._closed:
            return
        self._closed = True
        _unwritten.discard(self)
        self._worker.stop()
        try:
            self.flush()
        finally:
            if self.replicas is not None:
                with contextlib.suppress(StoreError):
                    self.replicas.leave()

    def _exchange_soon(self) -> None:
        if not self._closed:
            _unwritten.add(self)
            self._worker.ensure()

    def _attach(self) -> None:
        """Persist the registry, whose changes are acknowledged only when they are written."""
        if self._link is not None and not self._registry.attached:
            self._link.ask("PING")
            self._registry.attach(self._store)


def _leave(shared: weakref.ref[SharedState]) -> None:
    """Write what the last second taught; a store that is closed or gone by then keeps what it has."""
    alive = shared()
    if alive is not None:
        with contextlib.suppress(StoreError):
            alive.close()
