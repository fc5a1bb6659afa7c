"""The four models of the demo: cheap and weak, dear and good, fast, flaky. Their prices are made up."""

from __future__ import annotations

from pointsman.testing import ModelFleet, ServedModel, serve

CHEAP, DEAR, FAST, FLAKY = "cheap-and-weak", "dear-and-good", "fast", "flaky"


def stage(*, seed: int, pace: float = 1.0) -> ModelFleet:
    """Make the servers; `pace` stretches or shortens how long they think."""

    def model(name: str, prices: tuple[float, float], quality: float, latency: tuple[float, float]) -> ServedModel:
        return ServedModel(
            name,
            input_price_per_1m=prices[0],
            output_price_per_1m=prices[1],
            quality=quality,
            latency=(latency[0] * pace, latency[1] * pace),
        )

    return serve(
        [
            model(CHEAP, (0.1, 0.4), 0.55, (0.3, 0.6)),
            model(DEAR, (30.0, 150.0), 0.97, (0.5, 0.9)),
            model(FAST, (1.0, 4.0), 0.9, (0.1, 0.25)),
            model(FLAKY, (0.6, 2.4), 0.8, (0.2, 0.4)),
        ],
        seed=seed,
        life_limit=600,
    )
