"""What a door is to the demo: a prompt goes in; an answer comes out, and who gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as the caller got it.

    Attributes:
        text: what the model said.
        model: key of the model that answered.
        decision_id: what feedback refers to.
        input_tokens: as the provider counted them, likewise `output_tokens`.
    """

    text: str
    model: str
    decision_id: str
    input_tokens: int = 0
    output_tokens: int = 0


class Door(Protocol):
    """One way into pointsman."""

    name: str

    async def ask(self, prompt: str) -> Answer:
        """Ask for an answer; raises whatever the user of this door would see."""
        ...

    async def score(self, answer: Answer, score: float) -> None:
        """Say how good an answer was; raises `UnknownDecisionError` while its decision is not known."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...
