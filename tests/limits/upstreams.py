"""Models for the tests of limits, each a little dearer than the last, what they answer, and what is left of a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from samples import make_spec

from pointsman import Attempt, ModelRegistry, Request, Router
from pointsman.limits.settings import BudgetSettings

Make = Callable[..., Router]
ASK = Request(input_tokens=100, max_output_tokens=100, tenant="acme")


def answer(tokens_in: int = 10, tokens_out: int = 10) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out},
    }


class Upstream:
    """Models that answer, or fail as told; keeps who was called."""

    def __init__(self, **faults: Any) -> None:
        self.faults = faults
        self.calls: list[str] = []

    def __call__(self, attempt: Attempt) -> Any:
        self.calls.append(attempt.spec.name)
        fault = self.faults.get(attempt.spec.name)
        if isinstance(fault, BaseException):
            raise fault
        return answer() if fault is None else fault

    async def later(self, attempt: Attempt) -> Any:
        return self(attempt)


def fleet(*specs: dict[str, Any]) -> ModelRegistry:
    """Models `a`, `b`, ... each a little dearer than the last."""
    return ModelRegistry(
        [
            make_spec(
                "abcdef"[at],
                **{"cost_per_1m_input_tokens": 10.0**at, "cost_per_1m_output_tokens": 10.0**at, **spec},
            )
            for at, spec in enumerate(specs)
        ]
    )


class Answer(dict[str, Any]):
    """A response with headers, as LangChain has them."""

    def __init__(self, **headers: str) -> None:
        super().__init__(answer())
        self.response_metadata = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}


def budget(**tenants: Any) -> BudgetSettings:
    return BudgetSettings.model_validate(
        {"tenants": {"*" if name == "everybody" else name: each for name, each in tenants.items()}}
    )


def remaining(router: Router) -> dict[str, float]:
    return {key: each["remaining"] for key, each in router.limits().items()}


def full(router: Router) -> bool:
    return all(each["remaining"] == pytest.approx(each["limit"]) for each in router.limits().values())
