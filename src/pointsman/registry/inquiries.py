"""What a registry answers about one model by its name: parameters, prices, what replaces it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, get_args

from pointsman.arguments import expect_mapping
from pointsman.catalog import parameters as parameter_rules
from pointsman.catalog.parameters import Dialect, OnUnsupported, ParameterIssue
from pointsman.catalog.prices import Cost, call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidRequestError
from pointsman.registry.lifecycle import last_replacement


class Inquiries(ABC):
    """Questions about one model."""

    @abstractmethod
    def get_model(self, name: str, provider: str | None = None) -> ModelSpec:
        """Look up a key, a bare name or an alias."""

    @abstractmethod
    def find_model(self, name: str, provider: str | None = None) -> ModelSpec | None:
        """Look up a key, a bare name or an alias; None if it is not registered."""

    def validate_parameters(
        self, name: str, parameters: Mapping[str, Any], *, input_tokens: int | None = None
    ) -> list[ParameterIssue]:
        """Report everything wrong with standard parameters (and a prompt's size) for a model; empty when fine."""
        expect_mapping(parameters, "parameters")
        return parameter_rules.check(self.get_model(name), parameters, input_tokens=input_tokens)

    def map_parameters(
        self,
        name: str,
        parameters: Mapping[str, Any],
        *,
        dialect: Dialect = "provider",
        on_unsupported: OnUnsupported = "raise",
    ) -> dict[str, Any]:
        """Rename standard parameters to the provider's; see `pointsman.catalog.parameters.translate`."""
        expect_mapping(parameters, "parameters")
        for field, value, known in (
            ("dialect", dialect, get_args(Dialect)),
            ("on_unsupported", on_unsupported, get_args(OnUnsupported)),
        ):
            if value not in known:
                raise InvalidRequestError(f"there is no {field} {value!r}", field=field, hint=f"one of: {known}")
        return parameter_rules.translate(
            self.get_model(name), parameters, dialect=dialect, on_unsupported=on_unsupported
        )

    def get_model_defaults(self, name: str) -> dict[str, Any]:
        """Parameters the model is called with unless the request says otherwise."""
        return dict(self.get_model(name).default_parameters)

    def request_cost(
        self, name: str, input_tokens: int, output_tokens: int, *, cached_input_tokens: int = 0, batch: bool = False
    ) -> Cost:
        """Price a call in USD; what is not known is named in the result.

        Raises:
            InvalidRequestError: E4103, for what is no number of tokens.
        """
        counts: dict[str, Any] = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cached_input_tokens": cached_input_tokens,
        }
        for field, count in counts.items():
            if not isinstance(count, int | float) or isinstance(count, bool) or not 0 <= count < math.inf:
                raise InvalidRequestError(f"{field} is {count!r}; expected a number of tokens", field=field)
        return call_cost(
            self.get_model(name), input_tokens, output_tokens, cached_input_tokens=cached_input_tokens, batch=batch
        )

    def migrate(self, name: str, *, as_of: date | None = None) -> str:
        """Name of the last replacement in the chain of models that are deprecated as of a day (today unless given)."""
        return last_replacement(self.get_model(name), self.find_model, as_of or datetime.now(UTC).date()).name
