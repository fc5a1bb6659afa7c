"""A fleet of two models that all tests of the served API share; faults are healed after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pointsman.testing import ModelFleet, ServedModel, serve


@pytest.fixture(scope="session")
def _session_fleet() -> Iterator[ModelFleet]:
    models = [ServedModel("cheap", quality=0.6), ServedModel("good", quality=0.95, context_window=500)]
    with serve(models, seed=7, life_limit=300, keep_bodies=True) as fleet:
        yield fleet


@pytest.fixture
def fleet(_session_fleet: ModelFleet) -> Iterator[ModelFleet]:
    yield _session_fleet
    _session_fleet.heal()
    for server in _session_fleet.values():
        server.clear()
