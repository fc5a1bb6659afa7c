"""Pools: named sets of models, listed or described by a query; a pool's name is a virtual model name at every door."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from pointsman.catalog import capabilities as tree


class Pool(BaseModel):
    """A set of models: those listed in `models` (all when unset) that also fit every other field that is set.

    Raises:
        pydantic.ValidationError: turned into a located `ConfigError` where a file is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    models: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    max_cost_per_1m_input_tokens: float | None = None
    max_cost_per_1m_output_tokens: float | None = None
    min_quality: float | None = None
    policy: str | dict[str, Any] | None = None

    @field_validator("needs", mode="after")
    @classmethod
    def _canonical(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tree.canonical(each) for each in value)
