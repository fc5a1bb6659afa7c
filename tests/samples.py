"""Sample models, errors and callers that the tests share."""

from __future__ import annotations

import os
from typing import Any

from pointsman import ModelSpec

# `make test-all` turns every screw further: more rounds of what is checked a few times in `make test`.
LONG = os.environ.get("POINTSMAN_LONG") == "1"


def make_spec(name: str = "m", **fields: Any) -> ModelSpec:
    """A model of which as little as possible is known."""
    return ModelSpec(**{"name": name, "provider": "openai", **fields})


class StatusError(Exception):
    """What a client raises for an HTTP status."""

    def __init__(self, status_code: int, **headers: str) -> None:
        super().__init__(f"HTTP {status_code}")
        self.status_code = status_code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
