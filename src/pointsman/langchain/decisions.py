"""`PointsmanDecisionModel`: the router as a LangChain decision model, for what asks one which model to use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from pointsman.errors import InvalidRequestError, MissingDependencyError
from pointsman.langchain.fields import refuse_unknown
from pointsman.langchain.messages import messages_of
from pointsman.langchain.requirements import merged
from pointsman.router import Router
from pointsman.types import Request

try:
    from langchain_core.decisions import (  # type: ignore[import-not-found, unused-ignore]  # since 1.8
        BaseDecisionModel,
        ChoiceAnswer,
        ClassifierResponse,
    )
except ImportError:
    raise MissingDependencyError("langchain-core>=1.8") from None


class PointsmanDecisionModel(BaseDecisionModel):  # type: ignore[misc, unused-ignore]  # likewise
    """Answers `Choice` questions whose labels are names of registered models, by routing instead of by asking a model.

    With `ModelRouterMiddleware(choices={"gpt-4o": ..., "haiku": ...}, classifier=PointsmanDecisionModel(router=router))`
    each agent run is routed once. The answer's `request_id` is the decision's id, for `router.feedback`.

    Attributes:
        router: who decides.
        requirements: fields of `pointsman.Request` that hold for every question.
    """

    model: str = "pointsman"
    router: Router = Field(repr=False, exclude=True)
    requirements: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    @property
    def _provider(self) -> str:
        return "pointsman"

    def _classify(self, state: Any, questions: Mapping[str, Any]) -> Any:
        decision_id = None
        answers = {}
        for name, question in questions.items():
            if question.type != "choice":
                raise InvalidRequestError(
                    f"question {name!r} is a {question.type}; a router answers choices between models", field=name
                )
            answers[name], decision_id = self._choose(state, question.criteria)
        return ClassifierResponse(model=self.model, answers=answers, request_id=decision_id)

    def _choose(self, state: Any, labels: Mapping[str, Any]) -> tuple[Any, str]:
        registry = self.router.registry
        label_of = {registry.get_model(label).key: label for label in labels}
        others = frozenset(spec.key for spec in registry if spec.key not in label_of)
        wishes = merged(self.requirements, {"exclude": others})
        decision = self.router.decide(Request(**{**wishes, "messages": messages_of(state)}))
        drawn = zip(decision.arms.keys, decision.probabilities, strict=True)
        probabilities = {**dict.fromkeys(labels, 0.0), **{label_of[key]: share for key, share in drawn}}
        answer = ChoiceAnswer(
            type="choice",
            choice=label_of[decision.model],
            probabilities=probabilities,
            confidence=decision.probability,
        )
        return answer, decision.id
