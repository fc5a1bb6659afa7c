"""Three models on loopback, the first of them the cheapest, and chat models in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pointsman import ModelRegistry, ModelSpec, Router
from pointsman.langchain import ChatPointsman
from pointsman.testing import ModelFleet, ServedModel, serve

MODELS = [
    ServedModel("first", 0.1, 0.2, context_window=16_000),
    ServedModel("second", 1.0, 2.0, context_window=128_000, max_output_tokens=8_000),
    ServedModel("third", 5.0, 9.0, context_window=200_000, max_output_tokens=8_000),
]


@pytest.fixture(scope="session")
def _session_fleet() -> Iterator[ModelFleet]:
    with serve(MODELS, seed=7, life_limit=600, keep_bodies=True) as fleet:
        yield fleet


@pytest.fixture
def fleet(_session_fleet: ModelFleet) -> Iterator[ModelFleet]:
    """The models' servers; healed, and their logs forgotten, after each test."""
    yield _session_fleet
    _session_fleet.heal()
    for server in _session_fleet.values():
        server.clear()


@pytest.fixture
def router(fleet: ModelFleet) -> Router:
    """Always chooses the first model that can serve."""
    return make_router(fleet)


@pytest.fixture
def llm(router: Router) -> ChatPointsman:
    return ChatPointsman(router=router)


@pytest.fixture
def router_with(fleet: ModelFleet) -> Callable[..., Router]:
    """Build a router whose entries are changed by model name."""

    def make(**changes: dict[str, Any]) -> Router:
        return make_router(fleet, changes)

    return make


def make_router(fleet: ModelFleet, changes: dict[str, dict[str, Any]] | None = None) -> Router:
    entries = [{**entry, **(changes or {}).get(entry["name"], {})} for entry in fleet.catalogue()]
    return Router(ModelRegistry([ModelSpec(**entry) for entry in entries]), policy="cheapest", seed=1)
