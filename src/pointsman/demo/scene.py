"""What there is to look at: the tally, the health of the models, the failures their servers have played."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.demo.tally import Tally
    from pointsman.health.states import HealthReport
    from pointsman.router import Router
    from pointsman.testing import ModelFleet


class Scene:
    """Everything a display reads.

    Args:
        tally: what happened.
        router: whose health reports are shown.
        fleet: the local model servers, if the models are those.
    """

    def __init__(self, tally: Tally, router: Router, fleet: ModelFleet | None = None) -> None:
        self.tally = tally
        self._router = router
        self._fleet = fleet

    @property
    def counts_failures(self) -> bool:
        """Whether the servers are ours, so that their failures can be counted."""
        return self._fleet is not None

    @staticmethod
    def name(key: str) -> str:
        """A model's name without its provider."""
        return key.partition(":")[2] or key

    def failures(self, key: str) -> int:
        """How many calls a server has failed on purpose, whoever made them."""
        name = self.name(key)
        if self._fleet is None or name not in self._fleet:
            return 0
        return sum(record.fault is not None for record in self._fleet[name].requests)

    def health(self, key: str) -> str:
        """The health of a model in one word or two."""
        if self._router.registry.find_model(key) is None:
            return ""
        return health_word(self._router.health(key))


def health_word(report: HealthReport) -> str:
    """How the model is; a throttle is not a sickness, so it has a word of its own."""
    if report.state == "unknown":
        return "not known"
    if report.available_in > 0 and any("rate limited" in issue for issue in report.issues):
        return "rate limited"
    return report.state
