"""Routers over a model that is code, with a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import make_spec

from pointsman import ModelRegistry, Router


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Router]]:
    """A router over one model that is code, with a cache."""
    made: list[Router] = []

    def router(code: Any, **options: Any) -> Router:
        registry = ModelRegistry()
        registry.register_model(make_spec("own", provider="custom"), implementation=code)
        made.append(Router(registry, "weighted", seed=1, **{"cache": True, **options}))
        return made[-1]

    yield router
    for each in made:
        each.close()
