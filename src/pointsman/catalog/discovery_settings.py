"""The `discovery:` section: how often servers are asked what they serve, and what may be applied unasked."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DiscoverySettings(BaseModel):
    """How often the registered models' servers are asked for their lists of models.

    Attributes:
        interval: seconds between two rounds; unset asks only when told to.
        auto_apply: `none` registers nothing by itself, `additions` what is new; removals and changes never are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    interval: float | None = Field(default=None, gt=0)
    auto_apply: Literal["none", "additions"] = "none"
