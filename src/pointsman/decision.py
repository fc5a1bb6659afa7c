"""`RoutingDecision`: who serves, in which order, with what probability and parameters, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pointsman.catalog.parameters import Dialect, OnUnsupported, is_supported, translate
from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.masks import excluded
from pointsman.eligibility.mentions import warnings_of
from pointsman.eligibility.question import Exclusion, Question
from pointsman.html import table

if TYPE_CHECKING:
    from pointsman.eligibility.relaxation import Relaxed
    from pointsman.registry.arms import Arms
    from pointsman.types import Request

_SHOWN = 12


class RoutingDecision:
    """One decision, which is also its own explanation: `print(decision)`.

    Everything that costs time and is often not needed (fallbacks, exclusions, parameters) is worked out when it is
    first asked for, from the registry snapshot the decision was made on.

    Attributes:
        id: what outcomes and feedback refer to.
        model: key of the model that serves.
        probability: with which the policy's distribution drew it, exactly.
        policy: name of the policy.
        override: `none`, or what bent the distribution before the draw: `sticky`, `last_resort`, `nursery`.
        registry_version: hash of what was registered.
        request: what was asked.
        relaxed: the soft requirements that gave way because nobody could serve otherwise.
        memo: what the policy wants to be told again when an outcome or a score comes.
    """

    __slots__ = (
        "_fallbacks",
        "arms",
        "asked",
        "at",
        "behind",
        "id",
        "memo",
        "notes",
        "override",
        "policy",
        "probabilities",
        "probability",
        "question",
        "relaxed",
        "scores",
        "spec",
    )

    def __init__(
        self,
        *,
        decision_id: str,
        at: float,
        question: Question,
        arms: Arms,
        probabilities: Sequence[float],
        position: int,
        policy: str,
        override: str,
        behind: Sequence[Arms],
        scores: Sequence[float] | None,
        notes: Sequence[str] = (),
        memo: Any = None,
        asked: Request | None = None,
        relaxed: tuple[Relaxed, ...] = (),
    ) -> None:
        self.id = decision_id
        self.at = at
        self.question = question
        self.arms = arms
        self.probabilities = probabilities
        self.probability = probabilities[position]
        self.spec: ModelSpec = arms[position]
        self.policy = policy
        self.override = override
        self.behind = behind
        self.scores = scores
        self.notes = notes
        self.memo = memo
        self.asked = question.request if asked is None else asked
        self.relaxed = relaxed
        self._fallbacks: tuple[ModelSpec, ...] | None = None

    @property
    def model(self) -> str:
        """Key of the model that serves."""
        return self.spec.key

    @property
    def request(self) -> Request:
        """What was asked."""
        return self.asked

    @property
    def registry_version(self) -> str:
        """Hash of what was registered."""
        return self.question.snapshot.version

    @property
    def specs(self) -> tuple[ModelSpec, ...]:
        """The plan: the model that serves and its fallbacks, in order."""
        return (self.spec, *self.fallback_specs)

    @property
    def plan(self) -> tuple[str, ...]:
        """Keys of the plan, in order."""
        return tuple(spec.key for spec in self.specs)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Keys of the eligible models that are tried if the first fails, best first; models that are ill come last."""
        return tuple(spec.key for spec in self.fallback_specs)

    @property
    def fallback_specs(self) -> tuple[ModelSpec, ...]:
        """The fallbacks as specs."""
        if self._fallbacks is None:
            others = [spec for spec in self._ranked() if spec is not self.spec]
            later = [tier[at] for tier in self.behind for at in _cheapest_first(tier)]
            self._fallbacks = (*others, *later)
        return self._fallbacks

    @property
    def eligible(self) -> tuple[str, ...]:
        """Keys of every model that could serve, in registration order."""
        return tuple(key for tier in (self.arms, *self.behind) for key in tier.keys)

    @property
    def excluded(self) -> Mapping[str, Exclusion]:
        """For every registered model that could not serve: the check it failed and why."""
        return excluded(self.question)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names in the request that had no effect because nobody has them, with the nearest one that somebody has."""
        return warnings_of(self.request, self.question.snapshot)

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """For each planned model, the parameters under its provider's names."""
        return {spec.key: self.parameters_for(spec) for spec in self.specs}

    def parameters_for(self, spec: ModelSpec, dialect: Dialect = "provider") -> dict[str, Any]:
        """The request's parameters for one model: translated (or not, for `openai`), clamped, defaults filled in.

        Under the provider's names they hold the request's tools and response format too, in the provider's form;
        callers that use standard names send those two themselves.
        """
        request = self.request
        plain = dialect == "openai" and spec.converter is None and not spec.default_parameters
        if plain and not request.parameters and request.max_output_tokens is None:
            return {}  # most calls name none
        parameters = dict(request.parameters)
        if request.max_output_tokens is not None:
            for name in ("max_completion_tokens", "max_output_tokens"):
                parameters.pop(name, None)
            parameters["max_tokens"] = request.max_output_tokens
        if dialect == "provider" and request.tools:
            parameters.setdefault("tools", list(request.tools))
        if dialect == "provider" and request.response_format is not None:
            parameters.setdefault("response_format", request.response_format)
        mode: OnUnsupported = "raise" if self.question.rules.on_unsupported == "raise" else "drop"
        translated = translate(spec, parameters, dialect=dialect, on_unsupported=mode)
        convert = self.question.snapshot.converters.get(spec.converter) if spec.converter is not None else None
        return translated if convert is None else convert(translated, spec)

    def dropped_for(self, spec: ModelSpec) -> tuple[str, ...]:
        """Parameters that the model does not take."""
        return tuple(name for name in self.request.parameters if not is_supported(spec, name))

    def _ranked(self) -> list[ModelSpec]:
        """The models by probability, among equals by score, then by price; sorting keeps what stands already."""
        order = list(_cheapest_first(self.arms))
        for numbers in (self.scores, self.probabilities):
            if numbers is not None:
                order.sort(key=list(numbers).__getitem__, reverse=True)
        return [self.arms[at] for at in order]

    def __repr__(self) -> str:
        return f"RoutingDecision({self.id!r}, model={self.model!r}, probability={self.probability:.4g})"

    def __str__(self) -> str:
        """The explanation."""
        left_out = self.excluded
        total = len(self.eligible) + len(left_out)
        bent = "" if self.override == "none" else f", {self.override.replace('_', ' ')}"
        lines = [
            f"{self.model} serves decision {self.id}",
            (
                f"  chosen by   {self.policy} with probability {self.probability:.3f}{bent}; "
                f"{len(self.eligible)} of {total} models can serve"
            ),
        ]
        lines += [f"  relaxed     {each}, or nobody could serve" for each in self.relaxed]
        lines += [f"  candidate   {line}" for line in self._candidates()]
        lines += [f"  behind      {spec.key} (not well, tried last)" for tier in self.behind for spec in tier]
        lines += [f"  excluded    {key}: {why.check}: {why.reason}" for key, why in left_out.items()]
        for spec in self.specs[:_SHOWN]:
            lines += [f"  dropped     {name} for {spec.key}, which does not take it" for name in self.dropped_for(spec)]
        lines += [f"  note        {note}" for note in self.notes]
        lines += [f"  warning     {warning}" for warning in self.warnings]
        lines.append(f"  registry    {self.registry_version}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The explanation as a table, for notebooks."""
        rows: list[tuple[object, ...]] = []
        for at, spec in enumerate(self.specs):
            position = self.arms.positions.get(spec.key)
            probability = None if position is None else self.probabilities[position]
            score = None if position is None or self.scores is None else self.scores[position]
            why = "serves" if at == 0 else f"fallback {at}" if position is not None else f"fallback {at}, behind"
            rows.append((spec.key, why, probability, score))
        rows += [(key, f"{each.check}: {each.reason}", None, None) for key, each in self.excluded.items()]
        note = f"decision {self.id}, policy {self.policy}, registry {self.registry_version}"
        if self.relaxed:
            note += f"; relaxed: {', '.join(map(str, self.relaxed))}"
        if self.warnings:
            note += f"; warning: {'; '.join(self.warnings)}"
        return table(f"{self.model} serves", ("model", "why", "probability", "score"), rows, note)

    def _candidates(self) -> list[str]:
        lines = []
        for spec in self._ranked():
            position = self.arms.positions[spec.key]
            score = "" if self.scores is None else f", score {self.scores[position]:.4g}"
            lines.append(f"{spec.key}: probability {self.probabilities[position]:.3f}{score}")
        return lines


def _cheapest_first(arms: Arms) -> Sequence[int]:
    """Positions by price, unknown prices last; sorted once per set of models."""
    found: Sequence[int] | None = arms.memo.get("by price")
    if found is None:
        found = arms.memo["by price"] = sorted(range(len(arms)), key=lambda at: _by_cost(arms[at]))
    return found


def _by_cost(spec: ModelSpec) -> tuple[bool, float, str]:
    price = None
    if spec.cost_per_1m_input_tokens is not None and spec.cost_per_1m_output_tokens is not None:
        price = spec.cost_per_1m_input_tokens + spec.cost_per_1m_output_tokens
    return (price is None, price or 0.0, spec.key)
