"""The `limits:` and `budget:` sections: how much may be asked of models and credentials, and spent by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pointsman.limits.periods import LONGEST_MONTH, WEEK, Kind

PERIODS: Mapping[str, float] = {"minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
PeriodName = Literal["minute", "hour", "day"]
# Periods that are no multiple of their length since the epoch.
CalendarPeriod = Literal["week", "month"]
CALENDAR: Mapping[str, float] = {"week": WEEK, "month": LONGEST_MONTH}


def _seconds(value: Any) -> Any:
    return PERIODS.get(value, value) if isinstance(value, str) else value


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, Mapping | BaseModel) else value


Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, le=10**15)]
Seconds = Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)]
Period = Annotated[
    CalendarPeriod | Seconds, BeforeValidator(_seconds, json_schema_input_type=PeriodName | CalendarPeriod | Seconds)
]


class Rate(BaseModel):
    """What may be asked of one model or credential per minute.

    Attributes:
        rpm: requests per minute.
        tpm: tokens per minute, of prompts and answers together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    rpm: Count | None = None
    tpm: Count | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Rate:
        if self.rpm is None and self.tpm is None:
            raise ValueError("give rpm, tpm or both")
        return self


class LimitSettings(BaseModel):
    """The `limits:` section: rates that models and credentials allow, counted ahead so that no call meets a 429.

    Attributes:
        models: rates by model key (`openai:gpt-4o`), instead of the model's own `rate_limit_rpm` and `rate_limit_tpm`.
        credentials: rates by key reference (`env:OPENAI_API_KEY`), or by provider for models without one; all models on
            the credential share them.
        share: the part of every rate that is ours, where others use the same account.
        learn_from_headers: whether what providers say of their limits in response headers counts too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    models: dict[str, Rate] = Field(default_factory=dict)
    credentials: dict[str, Rate] = Field(default_factory=dict)
    share: float = Field(default=1.0, gt=0, le=1)
    learn_from_headers: bool = True


class Quota(BaseModel):
    """What may be used up within one period: a day from midnight UTC, a week from its Monday, a month of the calendar.

    Attributes:
        usd: US dollars, for models whose price is known.
        requests: answered requests.
        tokens: tokens of prompts and answers together.
        period: `minute`, `hour`, `day`, `week`, `month`, or seconds, counted from the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    usd: Amount | None = None
    requests: Count | None = None
    tokens: Count | None = None
    period: Period

    @property
    def window(self) -> tuple[Kind, float]:
        """How its windows are counted, and their seconds; of months the longest's."""
        if isinstance(self.period, str):
            return self.period, CALENDAR[self.period]
        return "window", self.period

    @model_validator(mode="after")
    def _says_something(self) -> Quota:
        if self.usd is None and self.requests is None and self.tokens is None:
            raise ValueError("give usd, requests or tokens")
        return self


def _of_different_periods(quotas: tuple[Quota, ...]) -> tuple[Quota, ...]:
    if len({quota.period for quota in quotas}) < len(quotas):
        raise ValueError("two quotas have the same period; write them as one")
    return quotas


Quotas = Annotated[
    tuple[Quota, ...],
    BeforeValidator(_several, json_schema_input_type=Quota | tuple[Quota, ...]),
    AfterValidator(_of_different_periods),
]


class BudgetSettings(BaseModel):
    """The `budget:` section: what may be spent, per request, per tenant and in all.

    Attributes:
        per_request: USD one request may cost at most; dearer models do not serve it.
        tenants: quotas by tenant, one or a list; `"*"` is each tenant that is not named, and all requests without one.
        total: quotas of all tenants together, one or a list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    per_request: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tenants: dict[str, Quotas] = Field(default_factory=dict)
    total: Quotas = ()
