"""The fault table: what each class of failure means for the same model, the next model, health and learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class FaultKind(StrEnum):
    """The classes of failure that are told apart."""

    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    AUTHENTICATION = "authentication"
    MODEL_MISSING = "model_missing"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_POLICY = "content_policy"
    BAD_REQUEST = "bad_request"
    STREAM_BROKEN = "stream_broken"
    USELESS_ANSWER = "useless_answer"
    LOCAL = "local"
    CONTROL_FLOW = "control_flow"
    UNKNOWN = "unknown"


Charges = Literal["nobody", "model", "credential", "throttle", "quality"]
RetrySame = Literal["no", "once", "alone"]


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One row of the table.

    Attributes:
        retry_same: `once`, only when `alone` (no other model is left), or `no`.
        fail_over: whether another model may be tried.
        charges: whose account it goes on; `throttle` is state apart from sickness.
        weight: how much of a failure it is for the breaker.
        reward: what learning gets; None teaches nothing.
        cooldown: seconds out of the first rank, if the server says nothing; 0 leaves it to the breaker.
    """

    retry_same: RetrySame
    fail_over: bool
    charges: Charges
    weight: float = 1.0
    reward: float | None = None
    cooldown: float = 0.0


TABLE: Mapping[FaultKind, FaultRule] = {
    FaultKind.RATE_LIMITED: FaultRule("alone", fail_over=True, charges="throttle", weight=0, cooldown=5),
    FaultKind.QUOTA: FaultRule("no", fail_over=True, charges="credential", weight=0, cooldown=900),
    FaultKind.OVERLOADED: FaultRule("once", fail_over=True, charges="model", weight=0.5),
    FaultKind.SERVER_ERROR: FaultRule("once", fail_over=True, charges="model"),
    FaultKind.UNREACHABLE: FaultRule("once", fail_over=True, charges="model"),
    FaultKind.TIMEOUT: FaultRule("no", fail_over=True, charges="model"),
    FaultKind.AUTHENTICATION: FaultRule("no", fail_over=True, charges="credential", weight=0, cooldown=60),
    FaultKind.MODEL_MISSING: FaultRule("no", fail_over=True, charges="model", weight=0, cooldown=300),
    FaultKind.CONTEXT_OVERFLOW: FaultRule("no", fail_over=True, charges="nobody", weight=0),
    FaultKind.CONTENT_POLICY: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.BAD_REQUEST: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.STREAM_BROKEN: FaultRule("no", fail_over=False, charges="model"),
    FaultKind.USELESS_ANSWER: FaultRule("once", fail_over=True, charges="quality", weight=0, reward=0.0),
    FaultKind.LOCAL: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.CONTROL_FLOW: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.UNKNOWN: FaultRule("no", fail_over=True, charges="model", weight=0.25),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A classified failure.

    Attributes:
        retry_after: seconds the server asks to wait, bounded; None if it named nothing usable.
        cooldown: seconds out of the first rank, where the table's do not fit.
    """

    kind: FaultKind
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    cooldown: float | None = None

    @property
    def rule(self) -> FaultRule:
        """The row of the table."""
        return TABLE[self.kind]
