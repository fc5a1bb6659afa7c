"""The vocabulary of failover: the steps it asks for, what came of them, and the records it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pointsman.catalog.parameters import Dialect
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.failover.readings import Reading
from pointsman.faults import Fault
from pointsman.limits.buckets import Buckets, Take
from pointsman.types import Messages, Outcome, Request


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one model, as the caller gets it.

    Attributes:
        decision: the decision it carries out.
        spec: the model to call.
        number: 1 for the first attempt of this call.
        timeout: seconds it may take, a stream until its first content; None without a limit.
        dialect: whose parameter names `parameters` uses.
        idle_timeout: seconds between two chunks of a stream after its first content.
    """

    decision: RoutingDecision
    spec: ModelSpec
    number: int
    timeout: float | None
    dialect: Dialect
    idle_timeout: float | None = None

    @property
    def model(self) -> str:
        """Key of the model."""
        return self.spec.key

    @property
    def client_timeout(self) -> float | None:
        """Seconds a client may wait for anything to arrive: it cannot tell a stream's first content from the rest."""
        return None if self.timeout is None else max(self.timeout, self.idle_timeout or 0.0)

    @property
    def request(self) -> Request:
        """What is asked."""
        return self.decision.request

    @property
    def messages(self) -> Messages:
        """The prompt as messages."""
        messages = self.decision.request.messages
        return [] if messages is None or isinstance(messages, str) else messages

    @property
    def parameters(self) -> dict[str, Any]:
        """The request's parameters for this model."""
        return self.decision.parameters_for(self.spec, self.dialect)


class Call(NamedTuple):
    """Step: make this attempt; send back `Returned` or `Raised`."""

    attempt: Attempt


class Wait(NamedTuple):
    """Step: let this much time pass."""

    seconds: float


class Reserve(NamedTuple):
    """Step: take all of these or nothing; send back what `buckets.take` said."""

    takes: tuple[Take, ...]
    buckets: Buckets


class Returned(NamedTuple):
    """An attempt delivered; `headers` is what the provider's headers are read from where `value` is none."""

    value: Any
    reading: Reading
    seconds: float
    ttft: float | None = None
    headers: Any = None


class Raised(NamedTuple):
    """An attempt failed; `partial` says what the caller already has of it, None if nothing."""

    error: Exception
    seconds: float
    partial: str | None = None
    chunks: int = 0


class Left(NamedTuple):
    """The caller of a stream went away after it had got so much; what it used is used, and nothing is learnt."""

    chunks: int
    input_tokens: int | None = None
    output_tokens: int | None = None


Step = Call | Wait | Reserve
Result = Returned | Raised | Left | float | None


class AttemptRecord(NamedTuple):
    """What is kept of one attempt."""

    attempt: Attempt
    outcome: Outcome
    fault: Fault | None


@dataclass(slots=True)
class CallRecord:
    """What became of one call."""

    decision: RoutingDecision
    value: Any = None
    attempts: list[AttemptRecord] = field(default_factory=list)

    @property
    def spec(self) -> ModelSpec:
        """The model of the last attempt: the one that answered, if one did."""
        return self.attempts[-1].attempt.spec if self.attempts else self.decision.spec


class Observer(Protocol):
    """Who is told of attempts; the router teaches its policy and writes its ledger here."""

    def began(self, attempt: Attempt) -> None:
        """An attempt starts."""
        ...

    def ended(self, record: AttemptRecord) -> None:
        """It came to an end."""
        ...

    def answered(self, record: AttemptRecord, value: Any, reading: Reading) -> None:
        """It delivered this value; for a stream None, as its chunks have gone to the caller."""
        ...

    def abandoned(self, attempt: Attempt) -> None:
        """It was cancelled; it teaches nothing."""
        ...
