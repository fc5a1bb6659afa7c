"""The demo: local model servers or your own models, prompts through every door, and what came of it."""

from __future__ import annotations

from pointsman.demo.own_models import run_on_own_models
from pointsman.demo.tour import run_on_local_models

__all__ = ["run_on_local_models", "run_on_own_models"]
