"""What a model server says instead of an answer, before any provider's words and shape are put on it."""

from __future__ import annotations

from dataclasses import dataclass

from .answers import BadRequestError
from .faults import Fault

__all__ = ["Refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error in OpenAI's terms; a wire format says the same in its own.

    Attributes:
        overflow: (tokens of the prompt, tokens of the window), where the prompt is too long.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    error_type: str | None = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()
    overflow: tuple[int, int] | None = None

    @classmethod
    def of_fault(cls, fault: Fault) -> Refusal:
        """Read a fault that is an HTTP error, or an error event."""
        return cls(
            fault.status,
            fault.message,
            fault.code,
            error_type=fault.error_type,
            headers=fault.headers,
            overflow=(fault.window + 1, fault.window) if fault.window else None,
        )

    @classmethod
    def of_bad_request(cls, error: BadRequestError) -> Refusal:
        """Read what is wrong with a request."""
        return cls(400, error.message, error.code, error.param)

    @classmethod
    def of_overflow(cls, tokens: int, window: int) -> Refusal:
        """Refuse a prompt that is longer than the window."""
        return cls(
            400,
            f"This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} tokens. "
            "Please reduce the length of the messages.",
            "context_length_exceeded",
            "messages",
            overflow=(tokens, window),
        )

    @classmethod
    def of_missing_model(cls, name: object) -> Refusal:
        """Refuse a model that is not served here."""
        return cls(
            404, f"The model `{name}` does not exist or you do not have access to it.", "model_not_found", "model"
        )
