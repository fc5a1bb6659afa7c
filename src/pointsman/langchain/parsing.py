"""`AnswerParser`: reads a structured answer in the way of the child that gave it, and scores what cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, Field

from pointsman.errors import PointsmanError
from pointsman.langchain.children import Children
from pointsman.langchain.messages import RECORD
from pointsman.langchain.replay import StructuredOutput
from pointsman.router import Router


class AnswerParser(RunnableSerializable[Any, Any]):
    """Reads answers by the parser of the child that answered; an answer that cannot be read counts as quality 0."""

    structure: StructuredOutput = Field(exclude=True)
    models: Children = Field(exclude=True, repr=False)
    router: Router = Field(exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Read an answer."""
        with self._scored(input):
            return self._judged(self._parser(input).invoke(input, config, **kwargs), input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Read an answer."""
        with self._scored(input):
            return self._judged(await self._parser(input).ainvoke(input, config, **kwargs), input)

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Read an answer as it comes, if all children are read alike; else when it is complete."""
        parser = self._common_parser()
        if parser is None:
            yield from super().transform(input, config, **kwargs)
        else:
            yield from parser.transform(input, config, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Read an answer as it comes, if all children are read alike; else when it is complete."""
        parser = self._common_parser()
        parts = (
            super().atransform(input, config, **kwargs)
            if parser is None
            else parser.atransform(input, config, **kwargs)
        )
        async for part in parts:
            yield part

    def _common_parser(self) -> Runnable[Any, Any] | None:
        kinds = {type(child) for child in self.models.known}
        child = self.models.reference
        return self.structure.for_child(child).parser if child is not None and len(kinds) == 1 else None

    def _parser(self, answer: Any) -> Runnable[Any, Any]:
        record = _record(answer)
        name = record.get("model")
        child = self.models[name] if isinstance(name, str) and name in self.router.registry else self.models.reference
        if child is None:
            raise PointsmanError("no chat model is there whose parser could read this")
        return self.structure.for_child(child).parser

    @contextlib.contextmanager
    def _scored(self, answer: Any) -> Iterator[None]:
        try:
            yield
        except Exception:
            self._score_zero(answer)
            raise

    def _judged(self, parsed: Any, answer: Any) -> Any:
        """With `include_raw` an error is not raised but returned."""
        if isinstance(parsed, dict) and isinstance(answer, dict) and parsed.get("parsing_error") is not None:
            self._score_zero(answer)
        return parsed

    def _score_zero(self, answer: Any) -> None:
        decision_id = _record(answer).get("decision_id")
        if isinstance(decision_id, str):
            with contextlib.suppress(PointsmanError):  # it has a score already, or is not known here
                self.router.feedback(decision_id, 0.0, source="parser")


def _record(answer: Any) -> dict[str, Any]:
    message = answer.get("raw") if isinstance(answer, dict) else answer
    record = message.response_metadata.get(RECORD) if isinstance(message, BaseMessage) else None
    return record if isinstance(record, dict) else {}
