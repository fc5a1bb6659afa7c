"""Limits counted in Redis for all processes together: one Lua script, one round trip, the server's clock.

While the server is away each process counts by itself and takes its share: the limit, divided by the processes that
were last known. What was taken meanwhile is added on the server afterwards.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pointsman.errors import StoreError
from pointsman.forks import renew_after_fork
from pointsman.limits.afterwards import Afterwards
from pointsman.limits.buckets import Take
from pointsman.limits.memory import MemoryBuckets
from pointsman.limits.periods import LUA, Kind
from pointsman.stores.redis_link import RedisLink
from pointsman.types import Clock

# KEYS: one per take. ARGV: mode, then per take (kind, amount, limit, period); amounts may be negative when they settle.
# A rate is kept as the moment at which it is full again (GCRA), a window as "number used", both by the server's clock.
# Modes: take (all or nothing), settle (never refused), least (raise a rate's use to at least the amount).
# Replies the seconds to wait as text, since numbers are cut to integers; "0" if taken.
_SCRIPT = (
    LUA
    + """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local mode = ARGV[1]
local slack = 1e-9
local longest, changes = 0, {}

local function meter(key, kind, period)
    if changes[key] then return changes[key] end
    local known = redis.call('GET', key)
    if kind == 'rate' then return {kind = kind, mark = math.max(tonumber(known or '0') or 0, now)} end
    local number = number_of(kind, period, now)
    local same, used = string.match(known or '', '^(%S+) (%S+)$')
    if tonumber(same) ~= number then used = 0 end
    return {kind = kind, mark = number, used = tonumber(used) or 0}
end

for at = 1, #KEYS do
    local from = 4 * at - 2
    local kind, amount = ARGV[from], tonumber(ARGV[from + 1])
    local limit, period = tonumber(ARGV[from + 2]), tonumber(ARGV[from + 3])
    local each = meter(KEYS[at], kind, period)
    each.period = period
    changes[KEYS[at]] = each
    if mode == 'take' and amount > limit * (1 + slack) then return 'inf' end
    local wait = 0
    if kind == 'rate' then
        local cost = amount * period / limit
        if mode == 'least' then
            each.mark = math.max(each.mark, now + cost)
        else
            each.mark = math.max(each.mark + cost, now)
        end
        local over = each.mark - period - now
        if over > slack * period then wait = over end
    else
        each.used = math.max(each.used + amount, 0)
        if each.used > limit * (1 + slack) then wait = end_of(kind, period, each.mark) - now end
    end
    longest = math.max(longest, wait)
end
if mode == 'take' and longest > 0 then return string.format('%.6f', longest) end
for key, each in pairs(changes) do
    if each.kind == 'rate' then
        local left = math.ceil((each.mark - now) * 1000)
        if left > 0 then
            redis.call('SET', key, string.format('%.6f', each.mark), 'PX', left)
        else
            redis.call('DEL', key)
        end
    else
        local left = math.ceil((end_of(each.kind, each.period, each.mark) - now) * 1000)
        redis.call('SET', key, string.format('%.0f %.9g', each.mark, each.used), 'PX', math.max(left, 1))
    end
end
return '0'
"""
)
# `settle`, `least` or `repay`, and the takes it is about.
_Work = tuple[str, list[Take]]
_THREADS = 4
_MOST_OWED = 10_000


class RedisBuckets:
    """Counts on a Redis server; see `MemoryBuckets` for what a rate and a window are.

    Args:
        link: the way to the server.
        clock: where time comes from while the server is away.
        replicas: how many processes share the limits, as far as is known.

    Attributes:
        taken_alone: how often something was taken without the server.
    """

    def __init__(self, link: RedisLink, clock: Clock, replicas: Callable[[], int]) -> None:
        self._link = link
        self._clock = clock
        self._replicas = replicas
        self._run = link.script(_SCRIPT)
        self.taken_alone = 0
        # Calls queue for our few connections, so that a server that is merely slow would cost them several answers' time.
        self._patience = 2 * link.timeout
        self._start()
        link.on_return(self.repay)
        renew_after_fork(self)

    def _start(self) -> None:
        self._local = MemoryBuckets(self._clock)
        self._lock = threading.RLock()
        self._owed: dict[tuple[str, Kind, float, float], tuple[float, float]] = {}
        # A thread's socket knows when an answer came in time; a busy event loop would see it too late and call it lost.
        self._threads: ThreadPoolExecutor | None = None
        self._afterwards: Afterwards[_Work] = Afterwards(self._catch_up, "pointsman-limits")

    def take(self, takes: Sequence[Take]) -> float:
        """Take all or nothing; 0 if taken, else the seconds until it could be, infinite if it never could."""
        wanted = [take for take in takes if take.amount > 0]
        if not wanted:
            return 0.0
        if any(not take.limit > 0 for take in wanted):
            return math.inf
        try:
            wait = float(self._ask("take", wanted))
        except StoreError:
            return self._take_alone(wanted)
        if self._owed:  # the server was there all the time, and refused
            self._afterwards.do(("repay", []))
        return wait

    async def atake(self, takes: Sequence[Take]) -> float:
        """Like `take`, without holding up the loop."""
        if not self._link.is_up:
            return self.take(takes)
        # asyncio is loaded when somebody awaits.
        import asyncio  # noqa: PLC0415

        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pointsman-limits")
        taking = self._threads.submit(self.take, takes)
        try:
            await asyncio.wait({asyncio.wrap_future(taking)}, timeout=self._patience)
        except asyncio.CancelledError:
            self._forgo(taking, takes)
            raise
        if taking.done():  # also if the loop was too busy to see it in time
            return taking.result()
        self._forgo(taking, takes)
        return self._take_alone([take for take in takes if take.amount > 0])

    def settle(self, takes: Sequence[Take]) -> None:
        """Add what an estimate fell short of, or give back what it exceeded; nobody waits for it."""
        known = [take for take in takes if math.isfinite(take.amount) and take.limit > 0 and take.amount]
        if known:
            self._later("settle", known)

    def told(self, key: str, *, limit: float, remaining: float, reset: float, period: float) -> None:
        """A server has said what is left of a rate limit and the seconds until it is full again; the stricter wins."""
        self._local.told(key, limit=limit, remaining=remaining, reset=reset, period=period)
        if limit > 0 and period > 0 and remaining >= 0:
            least = Take(key, max(limit - remaining, 0.0), limit, period)
            self._later("least", [least])

    def repay(self) -> None:
        """Add on the server what was taken without it and still counts."""
        with self._lock:
            owed, self._owed = self._owed, {}
        now = self._clock.monotonic()
        takes = []
        for (key, kind, limit, period), (amount, at) in owed.items():
            left = amount - (now - at) * limit / period if kind == "rate" else amount
            if left > 0 and now - at < period:
                takes.append(Take(key, left, limit, period, kind))
        if takes:
            try:
                self._ask("settle", takes)
            except StoreError:
                self._owe(takes)  # it counts here already

    def forked(self) -> None:
        """A child has threads of its own, and owes nothing."""
        self._start()

    # -- inside

    def _forgo(self, taking: Future[float], takes: Sequence[Take]) -> None:
        """Nobody waits for the answer any more: what is taken all the same is given back."""
        taking.cancel()
        taking.add_done_callback(lambda taken: self._give_back(taken, takes))

    def _give_back(self, taken: Future[float], takes: Sequence[Take]) -> None:
        if not taken.cancelled() and taken.exception() is None and taken.result() <= 0:
            self.settle([take._replace(amount=-take.amount) for take in takes])

    def _ask(self, mode: str, takes: Sequence[Take]) -> Any:
        arguments: list[Any] = [mode]
        for take in takes:
            arguments += [take.kind, repr(float(take.amount)), repr(float(take.limit)), repr(float(take.period))]
        return self._run([self._link.key("limits", take.key) for take in takes], arguments)

    def _take_alone(self, takes: Sequence[Take]) -> float:
        """Take this process's share; what is too large for a share takes all of it."""
        parts = max(self._replicas(), 1)
        shares = []
        for take in takes:
            share = take.limit / parts
            if take.amount > take.limit:
                return math.inf
            shares.append(take._replace(limit=share, amount=min(take.amount, share)))
        wait = self._local.take(shares)
        if wait == 0:
            self.taken_alone += 1
            self._owe(takes)
        return wait

    def _settle(self, takes: Sequence[Take]) -> None:
        try:
            self._ask("settle", takes)
        except StoreError:
            parts = max(self._replicas(), 1)
            self._local.settle([take._replace(limit=take.limit / parts) for take in takes])
            self._owe(takes)

    def _raise_to(self, least: Take) -> None:
        try:
            self._ask("least", [least])
        except StoreError:
            return  # the local buckets know it, and the provider will say it again

    def _owe(self, takes: Sequence[Take]) -> None:
        now = self._clock.monotonic()
        with self._lock:
            for take in takes:
                place = (take.key, take.kind, take.limit, take.period)
                amount, at = self._owed.get(place, (0.0, now))
                if take.kind == "rate":
                    amount = max(amount - (now - at) * take.limit / take.period, 0.0)
                elif now - at >= take.period:
                    amount = 0.0
                if place in self._owed or len(self._owed) < _MOST_OWED:
                    self._owed[place] = (amount + take.amount, now)

    def _later(self, what: str, takes: list[Take]) -> None:
        if self._link.is_up:
            self._afterwards.do((what, takes))
        else:
            self._catch_up([(what, takes)])

    def _catch_up(self, works: Sequence[_Work]) -> None:
        """Tell the server what is known meanwhile; what is settled in one round trip, so that a slow server keeps up."""
        settled = [take for what, takes in works if what == "settle" for take in takes]
        if settled:
            self._settle(settled)
        for what, takes in works:
            if what == "least":
                self._raise_to(takes[0])
        if any(what == "repay" for what, _ in works):
            self.repay()
