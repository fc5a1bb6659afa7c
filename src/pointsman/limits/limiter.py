"""What limits one call: the rates of its model and credential, declared or learnt, and the budgets of its tenant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pointsman.catalog.prices import call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import BudgetExceededError
from pointsman.faults import FaultKind
from pointsman.limits.buckets import Buckets, Take
from pointsman.limits.headers import DAY, MINUTE, Told, headers_of, parse_headers
from pointsman.limits.memory import MemoryBuckets
from pointsman.limits.reservation import Reservation, unit_of
from pointsman.limits.settings import CALENDAR, BudgetSettings, LimitSettings, Quota, Rate
from pointsman.registry.snapshot import Snapshot
from pointsman.types import Clock, Outcome

_EVERY_TENANT = "*"
_LONGEST_NAME = 64
_MOST_MODELS = 20_000
# No answer is longer; a count beyond this is a server's mistake.
_MOST_TOKENS = 10**9
_LEAST_USD = 1e-6
_RATES = frozenset({"rpm", "rpd", "tpm"})


class _Limit(NamedTuple):
    """One rate of a model: its bucket, how much, per how many seconds."""

    key: str
    limit: float
    period: float


class Limits:
    """Turns a model, a tenant and the size of a request into takes, and keeps what came of them. Thread-safe.

    Args:
        clock: where time comes from.
        limits: rates of models and credentials.
        budget: quotas of tenants.
        buckets: where they are counted; in memory unless another place is given.

    Attributes:
        buckets: where takes go.
        has_budgets: whether any tenant has a quota.
        ignored_headers: how many headers of providers could not be read.
    """

    def __init__(
        self,
        clock: Clock,
        limits: LimitSettings | None = None,
        budget: BudgetSettings | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        self._clock = clock
        # Read once, so that setting the wall clock ends no window.
        self._since_epoch = clock.time() - clock.monotonic()
        self._settings = limits or LimitSettings()
        self._budget = budget or BudgetSettings()
        self.buckets: Buckets = MemoryBuckets(clock) if buckets is None else buckets
        # What this process knows, where the buckets are elsewhere: for orders and reports, which must cost no round trip.
        self._view = self.buckets if isinstance(self.buckets, MemoryBuckets) else MemoryBuckets(clock)
        self.has_budgets = bool(self._budget.tenants or self._budget.total)
        self.ignored_headers = 0
        self._rates: dict[str, tuple[ModelSpec, tuple[_Limit, ...]]] = {}
        self._learnt: dict[tuple[str, str], float] = {}
        self._exhausted: dict[str, tuple[float, float]] = {}

    # -- before a call

    def apply_to(self, spec: ModelSpec) -> bool:
        """Whether anything limits calls to this model."""
        return self.has_budgets or bool(self._rates_of(spec))

    def tokens_per_minute(self, spec: ModelSpec) -> float:
        """The smallest of its rates of tokens; infinite without one."""
        return min((limit for key, limit, _ in self._rates_of(spec) if unit_of(key) == "tpm"), default=math.inf)

    def takes(self, spec: ModelSpec, tenant: str | None, tokens: float, cost: float | None) -> tuple[Take, ...]:
        """What a call of this size takes, rates first. An unknown cost takes no money."""
        rates = tuple(
            # What is larger than a whole rate takes all of it: whether that is too much is the provider's to say.
            Take(key, 1.0 if unit_of(key) != "tpm" else min(tokens, limit), limit, period)
            for key, limit, period in self._rates_of(spec)
        )
        return (*rates, *self._budgets_of(tenant, tokens, cost)) if self.has_budgets else rates

    def check_budget(self, tenant: str | None) -> None:
        """Refuse before a call that somebody else will make, as far as this process knows what was spent.

        Raises:
            BudgetExceededError: E4208, if nothing is left.
        """
        if self.has_budgets:
            wait = self._view.wait(self._budgets_of(tenant, 1, _LEAST_USD))
            if wait > 0:
                raise budget_error(tenant, wait)

    def granted(self, takes: tuple[Take, ...]) -> Reservation:
        """The takes were taken."""
        if self._view is not self.buckets:
            self._view.settle(takes)
        return Reservation(takes, self._now())

    def refused(self, spec: ModelSpec, tokens: float, wait: float) -> None:
        """The model has no room for a request of so many tokens for so many seconds."""
        if (at_all := self._wait_at_all(spec)) > 0:
            wait, tokens = at_all, 0.0
        now = self._clock.monotonic()
        known_until, least = self._exhausted.get(spec.key, (now, tokens))
        if known_until > now and least < tokens:
            return  # known already to have no room for less
        if len(self._exhausted) < _MOST_MODELS:
            self._exhausted[spec.key] = (now + min(wait, DAY), tokens)

    @property
    def any_exhausted(self) -> bool:
        """Whether any model was at its limit lately."""
        return bool(self._exhausted)

    def behind(self, snapshot: Snapshot, tokens: float) -> int:
        """The mask of models that are known to have no room for a request of so many tokens now."""
        now, mask = self._clock.monotonic(), 0
        for key, (until, least) in tuple(self._exhausted.items()):
            if until <= now:
                self._exhausted.pop(key, None)
            elif tokens >= least and (bit := snapshot.bits.get(key)) is not None:
                mask |= 1 << bit
        return mask

    # -- after a call

    def settle(self, reservation: Reservation, spec: ModelSpec, outcome: Outcome) -> list[Take]:
        """An attempt delivered: what it really took counts instead of the estimate; says what that changed."""
        if not reservation.takes:
            return []
        if outcome.cached:
            self.refund(reservation, None)
            return []
        cost = _cost(spec, outcome) if self.has_budgets else None
        changes = reservation.settlement(_tokens(outcome), cost, now=self._now())
        self._apply(changes)
        return changes

    def refund(self, reservation: Reservation, fault: FaultKind | None) -> None:
        """An attempt failed, or was cancelled: what its provider has not counted is given back."""
        if reservation.takes:
            self._apply(reservation.refund(fault, now=self._now()))

    def observed(self, spec: ModelSpec, tenant: str | None, outcome: Outcome, fault: FaultKind | None) -> None:
        """Count an attempt that somebody else made, and note whether the model has room for another."""
        if not self.apply_to(spec) or outcome.cached:
            return
        takes = self.takes(spec, tenant, _tokens(outcome) or 0, _cost(spec, outcome))
        reservation = self.granted(takes)
        self.buckets.settle(takes)
        if fault is not None:
            self.refund(reservation, fault)
        self._note(spec)

    def learn(self, spec: ModelSpec, source: Any) -> None:
        """Read what a provider says of its limits, in an answer or an exception."""
        if source is None or not self._settings.learn_from_headers:
            return
        headers = headers_of(source)
        if headers is not None:
            self.learn_headers(spec, headers)

    def learn_headers(self, spec: ModelSpec, headers: Mapping[Any, Any]) -> None:
        """Like `learn`, from the headers themselves."""
        if not self._settings.learn_from_headers:
            return
        found, ignored = parse_headers(headers, provider=spec.provider, now=self._clock.time())
        self.ignored_headers += ignored
        for told in found:
            self._told(spec, told)
        if found:
            self._note(spec)

    def _told(self, spec: ModelSpec, told: Told) -> None:
        unit = "tpm" if told.unit == "tokens" else "rpd" if told.period == DAY else "rpm"
        key = f"{unit}|{spec.key}"
        if told.limit is not None and self._learnt.get((spec.key, unit)) != told.limit:
            if len(self._learnt) >= _MOST_MODELS:
                self._learnt.clear()
            self._learnt[spec.key, unit] = told.limit
            self._rates.pop(spec.key, None)
        ours = next((each.limit for each in self._rates_of(spec) if each.key == key), None)
        if ours is None:
            return
        theirs = told.limit if told.limit is not None else ours
        # Of a rate that others share, what is left for us is what is left beyond their part.
        remaining = min(max(told.remaining - theirs * (1 - self._settings.share), 0.0), ours)
        for buckets in {id(each): each for each in (self.buckets, self._view)}.values():
            buckets.told(key, limit=ours, remaining=remaining, reset=told.reset, period=told.period)

    # -- for people

    def headroom(self) -> dict[str, dict[str, float]]:
        """What is left of each limit that was used lately, as far as this process knows."""
        return self._view.headroom()

    # -- inside

    def _budgets_of(self, tenant: str | None, tokens: float, cost: float | None) -> list[Take]:
        name, quotas = _tenant_name(tenant), self._budget.tenants
        own = quotas.get(tenant if tenant is not None else _EVERY_TENANT, quotas.get(_EVERY_TENANT, ()))
        return [
            *(take for quota in own for take in _windows(quota, f"tenant|{name}", tokens, cost)),
            *(take for quota in self._budget.total for take in _windows(quota, "total", tokens, cost)),
        ]

    def _now(self) -> float:
        """Seconds since the epoch."""
        return self._since_epoch + self._clock.monotonic()

    def _apply(self, changes: list[Take]) -> None:
        if changes:
            self.buckets.settle(changes)
            if self._view is not self.buckets:
                self._view.settle(changes)

    def _note(self, spec: ModelSpec) -> None:
        """Remember it if the model has no room for anything."""
        if (wait := self._wait_at_all(spec)) > 0:
            self.refused(spec, 0.0, wait)

    def _wait_at_all(self, spec: ModelSpec) -> float:
        """Seconds until the model has room for the smallest request, as far as this process knows."""
        return self._view.wait([Take(key, 1.0, limit, period) for key, limit, period in self._rates_of(spec)])

    def _rates_of(self, spec: ModelSpec) -> tuple[_Limit, ...]:
        known = self._rates.get(spec.key)
        if known is not None and known[0] is spec:
            return known[1]
        found = tuple(self._compiled(spec))
        if len(self._rates) >= _MOST_MODELS:
            self._rates.clear()
        self._rates[spec.key] = (spec, found)
        return found

    def _compiled(self, spec: ModelSpec) -> list[_Limit]:
        settings = self._settings
        own = settings.models.get(spec.key)
        declared: Mapping[str, int | None] = (
            {"rpm": spec.rate_limit_rpm, "tpm": spec.rate_limit_tpm} if own is None else _by_unit(own)
        )
        shared = settings.credentials.get(spec.api_key if spec.api_key is not None else spec.provider)
        found: list[_Limit] = []
        for unit in ("rpm", "rpd", "tpm"):
            limits = [each for each in (declared.get(unit), self._learnt.get((spec.key, unit))) if each]
            if limits:
                found.append(
                    _Limit(f"{unit}|{spec.key}", min(limits) * settings.share, DAY if unit == "rpd" else MINUTE)
                )
        if shared is not None:
            account = _account_name(spec)
            found += [
                _Limit(f"{unit}|credential|{account}", limit * settings.share, MINUTE)
                for unit, limit in _by_unit(shared).items()
                if limit is not None
            ]
        # A share of a small rate may be less than one request, which could then never be made.
        return [each._replace(limit=max(each.limit, 1.0)) for each in found]


def budget_error(tenant: str | None, wait: float) -> BudgetExceededError:
    """That there is no room in a tenant's budget, or in that of all, for so many seconds."""
    whose = "requests without a tenant" if tenant is None else f"tenant {tenant[:_LONGEST_NAME]!r}"
    if math.isinf(wait):
        return BudgetExceededError(f"the budget of {whose}, or of all, is too small for this request", retry_after=None)
    text = f"the budget of {whose}, or of all, has no room for this request for another {wait:.0f} s"
    return BudgetExceededError(text, retry_after=wait)


def is_rate(take: Take) -> bool:
    """Whether it is taken of a model or a credential, not of a budget."""
    return unit_of(take.key) in _RATES


def _by_unit(rate: Rate) -> dict[str, int | None]:
    return {"rpm": rate.rpm, "tpm": rate.tpm}


def _windows(quota: Quota, whose: str, tokens: float, cost: float | None) -> list[Take]:
    amounts = (("usd", quota.usd, cost or 0.0), ("requests", quota.requests, 1.0), ("tokens", quota.tokens, tokens))
    kind, period = quota.window
    name = kind if kind in CALENDAR else f"{period:g}"
    return [
        Take(f"{unit}|{whose}|{name}", amount, limit, period, kind)
        for unit, limit, amount in amounts
        if limit is not None
    ]


def _tenant_name(tenant: str | None) -> str:
    """A tenant in a key: a long name by its hash, none by nothing."""
    if tenant is None or len(tenant) <= _LONGEST_NAME:
        return tenant or ""
    return blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _account_name(spec: ModelSpec) -> str:
    """A credential in a key: provider and reference, and of an address the host alone."""
    name = f"{spec.provider}|{spec.api_key or ''}"
    if spec.api_base is None:
        return name
    digest = blake2b(spec.api_base.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    try:
        host = urlsplit(spec.api_base).hostname or ""
    except ValueError:
        host = ""
    return f"{name}|{host}#{digest}"


def _tokens(outcome: Outcome) -> int | None:
    if outcome.input_tokens is None and outcome.output_tokens is None:
        return None
    return min((outcome.input_tokens or 0) + (outcome.output_tokens or 0), _MOST_TOKENS)


def _cost(spec: ModelSpec, outcome: Outcome) -> float | None:
    cost, tokens_in, tokens_out = outcome.cost, outcome.input_tokens, outcome.output_tokens
    if cost is None and tokens_in is not None and tokens_out is not None:
        cost = call_cost(spec, min(tokens_in, _MOST_TOKENS), min(tokens_out, _MOST_TOKENS)).total
    return cost if cost is not None and math.isfinite(cost) and cost >= 0 else None
