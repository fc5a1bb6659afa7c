"""Waiting for a probe: another call is finding out whether a rate limit is over, and nothing else is left to ask."""

from __future__ import annotations

from collections.abc import Generator

from pointsman.catalog.spec import ModelSpec
from pointsman.failover.calls import CallLedger
from pointsman.failover.steps import Result, Step, Wait
from pointsman.health.states import Health

# How soon and how rarely a call looks whether the probe has come back, and for how long.
_FIRST_LOOK, _RAREST_LOOK, _LONGEST = 0.02, 0.5, 10.0


def until_probed(spec: ModelSpec, health: Health, ledger: CallLedger) -> Generator[Step, Result, None]:
    """Wait for what the probe finds, within half of the time that is left; a limit that goes on is waited for, too.

    Afterwards the call goes there in any case: it is its last resort.
    """
    left = _LONGEST if ledger.remaining is None else min(ledger.remaining / 2, _LONGEST)
    pause = _FIRST_LOOK
    while not health.admit(spec):
        throttled = health.throttled_for(spec)
        if throttled is None or max(throttled, pause) > left:
            return
        yield Wait(max(throttled, pause))
        left -= max(throttled, pause)
        pause = min(2 * pause, _RAREST_LOOK)
