"""The trouble that is made: one model fails now and then from the start; half way one hangs and one answers 429."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.demo.cast import DEAR, FLAKY
from pointsman.testing import Fault

if TYPE_CHECKING:
    from pointsman.testing import ModelFleet

FLAKY_SHARE = 0.2
_RETRY_AFTER = "2"


class Trouble:
    """Makes trouble and ends it.

    Args:
        fleet: the servers to trouble.
    """

    def __init__(self, fleet: ModelFleet) -> None:
        self._fleet = fleet
        self._troubled: list[str] = []
        self._rest()

    def begin(self, most_used: str, others: list[str]) -> str:
        """Let the model that serves most hang and another answer 429: the dear one, unless it serves most.

        Returns:
            What happens now, in words.
        """
        limited = DEAR if most_used != DEAR else others[0]
        self._fleet[most_used].fail(Fault.hang())
        self._fleet[limited].fail(Fault.rate_limited(_RETRY_AFTER))
        self._troubled = [most_used, limited]
        return f"half way: {most_used}, which serves most, hangs; {limited} answers 429"

    def end(self) -> str:
        """Let both answer properly again.

        Returns:
            What happens now, in words.
        """
        for name in self._troubled:
            self._fleet[name].heal()
        self._rest()
        return f"{' and '.join(self._troubled)} are well again"

    def _rest(self) -> None:
        self._fleet[FLAKY].fail(Fault.server_error(500), probability=FLAKY_SHARE)
