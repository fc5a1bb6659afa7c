"""The pure heart: decides who serves, and learns from outcomes. No I/O, no clock and no chance of its own."""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate, count
from random import Random

from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.calibration import Calibration
from pointsman.eligibility.masks import by_check, eligible, excluded, needs_of
from pointsman.eligibility.mentions import nearest_hint
from pointsman.eligibility.question import AUTO, Question, Rules
from pointsman.eligibility.relaxation import Relaxed, relax, rungs
from pointsman.eligibility.requirements import model_mask, preferred_mask
from pointsman.eligibility.tokens import DEFAULT_RESERVE, PromptSize
from pointsman.eligibility.windows import LearntWindows
from pointsman.errors import ModelNotFoundError, NoEligibleModelsError, PromptTooLongError
from pointsman.health.states import Health
from pointsman.limits.limiter import Limits
from pointsman.policies.base import Context, Lesson, Policy
from pointsman.policies.journal import Noted
from pointsman.policies.names import make_policy
from pointsman.policies.shares import FEW, Even, Shares
from pointsman.pulls import Pulls
from pointsman.registry.arms import Arms
from pointsman.registry.lifecycle import day_of, deprecation_note, fading, last_replacement
from pointsman.registry.models import ModelRegistry
from pointsman.registry.snapshot import Snapshot
from pointsman.types import Clock, Request

_log = logging.getLogger("pointsman")

# Bytes per token of ordinary text, where only an expectation is wanted.
_BYTES_PER_TOKEN = 4
_SESSIONS_KEPT = 10_000


class Choice:
    """A policy under the name that decisions carry, and whether it counts decisions as pulls."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name: str = getattr(policy, "name", type(policy).__name__)
        self.counts_pulls: bool = getattr(policy, "counts_pulls", False)


class Chooser:
    """Turns requests into decisions and outcomes into lessons.

    Args:
        registry: what exists.
        policy: who spreads probability.
        health: who is well.
        clock: where time comes from.
        rng: where chance comes from; a seed replays to the same decisions.
        rules: how strictly requests are matched.
        limits: who has no room now.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        policy: Policy,
        health: Health,
        clock: Clock,
        rng: Random,
        rules: Rules | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits
        self.registry = registry
        self.choice = Choice(policy)
        self.health = health
        self.rules = rules or Rules()
        self._clock = clock
        self._rng = rng
        self._lock = threading.RLock()
        self.pulls = Pulls()
        self.calibration = Calibration()
        self.windows = LearntWindows()
        self._mean_seconds: Noted[float] = Noted()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._pool_choices: dict[str, tuple[object, Choice]] = {}
        self._warned: set[str] = set()
        self._ids = _Ids()

    def decide(self, request: Request) -> RoutingDecision:
        """Choose who serves the request.

        Raises:
            ModelNotFoundError: E4001, if the request names a model or pool that does not exist.
            NoEligibleModelsError: E4101 (E4102 when the prompt is larger than every window).
        """
        snapshot = self.registry.snapshot
        now = self._clock.time()
        notes: tuple[str, ...] = ()
        if self.rules.on_deprecated == "prefer_replacement" and request.model is not None:
            request, notes = self._with_replacement(request, now)
        needs, size = needs_of(request, snapshot), PromptSize(request)
        question = Question(snapshot, request, needs, size, self.rules, now, self.calibration.factors)
        mask = eligible(question)
        relaxed: tuple[Relaxed, ...] = ()
        if not mask or not (self.health.settings.last_resort or self._serves(mask, snapshot)):
            question, relaxed = self._relaxed(question, mask)
            mask = eligible(question)
        tiers, override = self._tiers(mask, question)
        arms = snapshot.arms(tiers[0])
        choice = self._choice_for(request, snapshot)
        context = self._context(request, question)
        decision_id = self._ids.next()
        if choice.counts_pulls:
            moment = self._clock.monotonic()
            with self.pulls.lock:  # or concurrent requests would all see the same counts and choose alike
                self.pulls.expire(moment)
                probabilities, position, bent = self._spread(arms, context, choice)
                self.pulls.promise(decision_id, arms[position].arm, moment)
        else:
            probabilities, position, bent = self._spread(arms, context, choice)
        if bent == "sticky" or override == "none":
            override = bent
        return RoutingDecision(
            decision_id=decision_id,
            at=now,
            question=question,
            arms=arms,
            probabilities=probabilities,
            position=position,
            policy=choice.name,
            override=override,
            behind=[snapshot.arms(tier) for tier in tiers[1:]],
            scores=context.scores,
            notes=(*notes, *self._warning(arms[position], now)),
            memo=context.memo,
            asked=request,
            relaxed=relaxed,
        )

    def _spread(self, arms: Arms, context: Context, choice: Choice) -> tuple[Sequence[float], int, str]:
        """The distribution, the position drawn from it, and what bent it."""
        probabilities = choice.policy.probabilities(arms, context)
        stuck = self._session_position(context.request, arms)
        if stuck is not None:
            return _all_to(stuck, len(arms)), stuck, "sticky"
        return probabilities, self._draw(arms, probabilities), context.override or "none"

    def _serves(self, mask: int, snapshot: Snapshot) -> bool:
        """Whether one of these models may be used."""
        if not mask or self.health.settings.last_resort:
            return mask != 0
        return mask & ~self.health.behind(snapshot) != 0

    def _relaxed(self, question: Question, mask: int) -> tuple[Question, tuple[Relaxed, ...]]:
        """The question with what is soft given up as far as somebody can serve."""
        found = relax(question, lambda mask: self._serves(mask, question.snapshot))
        if found is not None:
            return found
        if not mask:
            raise self._nothing(question)
        return question, ()  # what can serve is not well; the ranks say so

    def learn(self, lesson: Lesson, pool: str | None = None) -> None:
        """Teach the policy that chose, and keep the arm's mean latency."""
        if lesson.ok and lesson.seconds is not None:
            with self._lock:
                known = self._mean_seconds.get(lesson.key)
                newest = lesson.seconds if known is None else known + 0.1 * (lesson.seconds - known)
                self._mean_seconds[lesson.key] = newest
                self._mean_seconds.journal.note(lesson.key)
        choice = self._pool_choices.get(pool or "", (None, self.choice))[1]
        choice.policy.learn(lesson)

    def keep_session(self, request: Request, spec: ModelSpec) -> None:
        """Remember who served a session."""
        if request.session is not None:
            with self._lock:
                self._sessions[_session_key(request)] = spec.key
                self._sessions.move_to_end(_session_key(request))
                if len(self._sessions) > _SESSIONS_KEPT:
                    self._sessions.popitem(last=False)

    def _context(self, request: Request, question: Question) -> Context:
        """What the policy hears: the request as it was asked, since what gave way may still say what is better."""
        size = question.size
        return Context(
            request=request,
            input_tokens=size.upper if size.known else size.upper // _BYTES_PER_TOKEN,
            output_tokens=DEFAULT_RESERVE if request.max_output_tokens is None else request.max_output_tokens,
            pending=self.pulls.counts,
            mean_seconds=self._mean_seconds,
        )

    def _tiers(self, mask: int, question: Question) -> tuple[list[int], str]:
        """Split what is eligible into ranks: preferred, others, deprecated, too small of late, full, and not well."""
        snapshot, request = question.snapshot, question.request
        ill = mask & self.health.behind(snapshot)
        full = 0
        if self._limits is not None and self._limits.any_exhausted:
            room = DEFAULT_RESERVE if request.max_output_tokens is None else request.max_output_tokens
            full = mask & ~ill & self._limits.behind(snapshot, question.size.upper + room)
        well = mask & ~ill & ~full
        tight = self.windows.too_small(question, well, self._clock.monotonic()) if self.windows else 0
        well &= ~tight
        deprecated = well & fading(snapshot, question.now)
        first = well & ~deprecated
        preferred = 0
        if request.prefer or request.prefer_providers:
            preferred = first & preferred_mask(request, snapshot)
        ranks = [preferred, first & ~preferred, deprecated, tight, full]
        if self.health.settings.last_resort:
            ranks.append(ill)
        tiers = [rank for rank in ranks if rank]
        if not tiers:
            raise NoEligibleModelsError(
                "every model that can serve this request is out of health",
                stage="health",
                hint="wait, or allow `last_resort` in the health settings",
            )
        return tiers, "none" if well or tight or full else "last_resort"

    def _with_replacement(self, request: Request, now: float) -> tuple[Request, tuple[str, ...]]:
        """A request that names a deprecated model gets what replaces it, if that is registered."""
        spec = self.registry.find_model(request.model or "")
        if spec is None:
            return request, ()
        successor = last_replacement(spec, self.registry.find_model, day_of(now))
        if successor is spec:
            return request, ()
        note = f"{spec.key} is deprecated; {successor.key} takes its place"
        return request.replace(model=successor.key), (note,)

    def _warning(self, spec: ModelSpec, now: float) -> tuple[str, ...]:
        """A note for the decision, and once per model a line in the log, when the chosen model will not stay."""
        if spec.status != "deprecated" and spec.deprecation_date is None and spec.sunset_date is None:
            return ()
        note = deprecation_note(spec, day_of(now))
        if note is None:
            return ()
        if spec.key not in self._warned:
            self._warned.add(spec.key)
            _log.warning("%s", note)
        return (note,)

    def _choice_for(self, request: Request, snapshot: Snapshot) -> Choice:
        """The pool's own policy, if the request names a pool that has one."""
        pool = snapshot.pools.get(request.model) if request.model is not None else None
        if pool is None or pool.policy is None or request.model is None:
            return self.choice
        known = self._pool_choices.get(request.model)
        if known is not None and known[0] is pool:
            return known[1]
        policy = make_policy(pool.policy)
        made = Choice(policy)
        self._pool_choices[request.model] = (pool, made)
        return made

    def _session_position(self, request: Request, arms: Arms) -> int | None:
        if request.session is None:
            return None
        key = self._sessions.get(_session_key(request))
        return None if key is None else arms.positions.get(key)

    def _draw(self, arms: Arms, probabilities: Sequence[float]) -> int:
        if len(probabilities) != len(arms):
            raise ValueError(f"the policy gave {len(probabilities)} probabilities for {len(arms)} models")
        if len(arms) == 1:
            return 0
        if isinstance(probabilities, tuple):
            # A tuple is prepared once per set of models, so its cumulative sums are too.
            known = arms.memo.get("cumulative")
            if known is None or known[0] is not probabilities:
                known = arms.memo["cumulative"] = (probabilities, list(accumulate(probabilities)))
            cumulative = known[1]
        elif type(probabilities) is not list and isinstance(probabilities, Shares):
            return probabilities.draw(self._rng.random())
        else:
            cumulative = list(accumulate(probabilities))
        position = bisect_right(cumulative, self._rng.random() * cumulative[-1])
        return min(position, len(arms) - 1)

    def _nothing(self, question: Question) -> NoEligibleModelsError | ModelNotFoundError:
        snapshot, request = question.snapshot, question.request
        name = request.model
        if name is not None and name != AUTO and name not in snapshot.pools and not model_mask(snapshot, name):
            self.registry.get_model(name)  # which raises, naming what looks alike
        reasons = excluded(question)
        counts = by_check(reasons)
        if not snapshot.live:
            return NoEligibleModelsError(
                "no model is registered", stage="registry", hint="register models, or load a configuration"
            )
        if "context window" in counts:
            windows = [
                spec.context_window
                for key, why in reasons.items()
                if why.check == "context window" and (spec := self.registry.find_model(key)) and spec.context_window
            ]
            tokens = question.size.count()
            return PromptTooLongError(
                f"the prompt has {tokens:,} tokens; the largest window among the models that fit otherwise has "
                f"{max(windows, default=0):,}",
                tokens=tokens,
                largest=max(windows, default=None),
                excluded=reasons,
            )
        told = ", ".join(f"{check} {number}" for check, number in counts.items())
        if given_up := rungs(question):
            told += f"; even without {', '.join(given_up)}"
        first = next(iter(reasons.items()), None)
        hint = nearest_hint(question) or (f"for example {first[0]} {first[1].reason}" if first else None)
        return NoEligibleModelsError(
            f"none of {len(reasons)} models can serve this request (left out by: {told})",
            stage="requirements",
            excluded=reasons,
            hint=hint,
        )


def _all_to(position: int, size: int) -> Sequence[float]:
    """Probabilities of which one model has it all."""
    if size > FEW:
        return Even(size, 1 << position)
    return [1.0 if at == position else 0.0 for at in range(size)]


def _session_key(request: Request) -> str:
    return f"{request.tenant or ''}\x00{request.session}"


class _Ids:
    """Decision ids: unique over processes whatever the seed, so they come from the system's own randomness."""

    def __init__(self) -> None:
        self._owner = 0
        self._prefix = ""
        self._numbers = count()

    def next(self) -> str:
        owner = os.getpid()
        if owner != self._owner:  # a fork must not repeat its parent's ids
            self._owner, self._prefix = owner, os.urandom(8).hex()
        return f"{self._prefix}{next(self._numbers):08x}"
