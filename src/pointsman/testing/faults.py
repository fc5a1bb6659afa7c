"""Everything that can go wrong between a client and a model server, as values.

A fault is asked for by `ModelServer.fail`, by the request header `x-test-fault: NAME`, or by the text `[[fault:NAME]]`
in any message of the request (so that one request can be poisonous on every server). `FAULTS` lists the stable names;
`Fault.named` also reads names with a number in them: `server_error_507`, `reset_after_4_chunks`, `slow_first_token_0.2`.

Each endpoint shows a fault as its provider does: errors in its shape, words and headers. Where a fault counts chunks,
what opens the stream (the role, `response.created`, `message_start`) is the first: `reset_after_first_chunk` therefore
happens before any content, `reset_after_3_chunks` after two pieces of it. A count beyond the answer's end
strikes right before the chunk that carries the finish reason, so a fault that was asked for is never missed. Asked
without `stream`, the faults of streams strike in the middle of the JSON body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["FAULTS", "Fault", "FaultKind"]

FaultKind = Literal[
    "status",  # an HTTP error with the provider's error body
    "hang",  # accepts the request and never answers
    "slow",  # waits before the first token
    "reset",  # TCP reset after N chunks; 0 is before the first byte
    "clean_eof",  # the stream ends well-formed, but without finish_reason and [DONE]
    "cut",  # the connection closes in the middle of the body
    "stall",  # goes silent after N chunks
    "stream_error",  # an error event inside a 200
    "empty",  # 200 without content
    "filtered",  # 200 that ends as filtered: content_filter, or refusal
    "invalid_json",  # 200 whose body is no JSON
]

_ERRORS = {
    400: ("invalid_request_error", "invalid_value", "Invalid value for a parameter of this request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("billing_error", "billing_not_active", "Your credit balance is too low."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "This key may not use this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    413: ("invalid_request_error", "request_too_large", "Request exceeds the maximum allowed number of bytes."),
    422: ("invalid_request_error", "unprocessable_entity", "The request was well-formed but could not be processed."),
    500: ("server_error", None, "The server had an error while processing your request."),
    502: ("server_error", "bad_gateway", "Bad gateway."),
    503: ("server_error", "service_unavailable", "The engine is currently overloaded, please try again later."),
    529: ("overloaded_error", "overloaded", "Overloaded."),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong; made by its class methods or `Fault.named`."""

    name: str
    kind: FaultKind
    status: int = 200
    error_type: str | None = None
    code: str | None = None
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    chunks: int = 0
    window: int = 0

    @classmethod
    def http_error(cls, status: int, *, name: str | None = None, code: str | None = None, message: str = "") -> Fault:
        """Answer any 4xx or 5xx status with the provider's error body."""
        if not 400 <= status <= 599:
            raise ValueError(f"an HTTP error has a status from 400 to 599, not {status!r}")
        error_type, usual_code, usual_message = _ERRORS.get(status, ("server_error", None, f"Status {status}."))
        return cls(
            name or f"http_error_{status}",
            "status",
            status=status,
            error_type=error_type,
            code=code or usual_code,
            message=message or usual_message,
        )

    @classmethod
    def server_error(cls, status: int = 500) -> Fault:
        """Answer 500, 502, 503, 529 or another 5xx."""
        return cls.http_error(status, name=f"server_error_{status}")

    @classmethod
    def rate_limited(
        cls,
        retry_after: str | None = None,
        *,
        retry_after_ms: str | None = None,
        code: str = "rate_limit_exceeded",
        name: str | None = None,
    ) -> Fault:
        """Answer 429 with these headers, exactly as given."""
        headers = [("retry-after", retry_after)] if retry_after is not None else []
        headers += [("retry-after-ms", retry_after_ms)] if retry_after_ms is not None else []
        quota = code == "insufficient_quota"
        hints = "_".join(re.sub(r"[^a-zA-Z0-9.-]+", "_", value)[:24] for _, value in headers)
        return cls(
            name or "_".join(part for part in (code if quota else "rate_limited", hints) if part),
            "status",
            status=429,
            error_type=code if quota else "requests",
            code=code,
            message="You exceeded your current quota, please check your plan and billing details."
            if quota
            else "Rate limit reached for requests.",
            headers=tuple(headers),
        )

    @classmethod
    def insufficient_quota(cls) -> Fault:
        """Answer as when the money is gone: 429 as OpenAI, 400 as Anthropic does."""
        return cls.rate_limited(code="insufficient_quota")

    @classmethod
    def bad_request(cls) -> Fault:
        """Answer 400 as for a parameter with a wrong value."""
        return cls.http_error(400, name="bad_request")

    @classmethod
    def unauthorized(cls) -> Fault:
        """Answer 401 as for a wrong key."""
        return cls.http_error(401, name="unauthorized")

    @classmethod
    def forbidden(cls) -> Fault:
        """Answer 403."""
        return cls.http_error(403, name="forbidden")

    @classmethod
    def model_not_found(cls) -> Fault:
        """Answer 404 as for a model that was retired."""
        return cls.http_error(404, name="model_not_found")

    @classmethod
    def too_large(cls) -> Fault:
        """Answer 413."""
        return cls.http_error(413, name="too_large")

    @classmethod
    def unprocessable(cls) -> Fault:
        """Answer 422."""
        return cls.http_error(422, name="unprocessable")

    @classmethod
    def context_overflow(cls, context_window: int = 4096) -> Fault:
        """Answer 400 as for a prompt beyond the context window, whatever its length."""
        fault = cls.http_error(
            400,
            name="context_overflow",
            code="context_length_exceeded",
            message=f"This model's maximum context length is {context_window} tokens. However, your messages resulted "
            f"in {context_window + 1} tokens. Please reduce the length of the messages.",
        )
        return replace(fault, window=context_window)

    @classmethod
    def content_filter(cls) -> Fault:
        """Answer 400 as Azure OpenAI does for a prompt that its filter refuses."""
        return cls.http_error(
            400,
            name="content_filter",
            code="content_filter",
            message="The response was filtered due to the prompt triggering the content management policy.",
        )

    @classmethod
    def filtered_answer(cls) -> Fault:
        """Answer 200 and break off as filtered: content_filter at OpenAI's endpoints, refusal at Anthropic's."""
        return cls("filtered_answer", "filtered")

    @classmethod
    def hang(cls) -> Fault:
        """Accept the request and say nothing until the client leaves or the server stops."""
        return cls("hang", "hang")

    @classmethod
    def slow_first_token(cls, seconds: float = 2.0) -> Fault:
        """Wait before the first token; a stream's headers come at once."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"a delay is a number of seconds >= 0, not {seconds!r}")
        return cls(f"slow_first_token_{seconds:g}", "slow", seconds=seconds)

    @classmethod
    def reset(cls) -> Fault:
        """Reset the TCP connection before the first byte of an answer."""
        return cls("reset_before_first_byte", "reset")

    @classmethod
    def reset_after_chunks(cls, chunks: int = 3) -> Fault:
        """Reset the TCP connection after so many chunks."""
        return cls(_counted("reset_after", chunks), "reset", chunks=chunks)

    @classmethod
    def stall_after_chunks(cls, chunks: int = 3) -> Fault:
        """Go silent after so many chunks, with the connection open."""
        return cls(_counted("stall_after", chunks), "stall", chunks=chunks)

    @classmethod
    def clean_eof(cls, chunks: int = 3) -> Fault:
        """End the stream well-formed after so many chunks, without finish_reason and without [DONE]."""
        return cls(_counted("clean_eof_after", chunks), "clean_eof", chunks=chunks)

    @classmethod
    def truncated_body(cls, chunks: int = 3) -> Fault:
        """Close the connection in the middle of the body: fewer bytes than Content-Length, or no last chunk."""
        return cls("truncated_body" if chunks == 3 else _counted("truncated_after", chunks), "cut", chunks=chunks)

    @classmethod
    def stream_error(cls, chunks: int = 1) -> Fault:
        """Send an error event inside a 200 stream after so many chunks."""
        return cls(
            "stream_error" if chunks == 1 else _counted("stream_error_after", chunks),
            "stream_error",
            error_type="server_error",
            message="The server had an error while processing your request.",
            chunks=chunks,
        )

    @classmethod
    def empty_answer(cls) -> Fault:
        """Answer 200 with empty content."""
        return cls("empty_answer", "empty")

    @classmethod
    def invalid_json(cls) -> Fault:
        """Answer 200 with a body (or an event) that is no JSON."""
        return cls("invalid_json", "invalid_json")

    @classmethod
    def named(cls, name: str) -> Fault:
        """Find a fault by its name.

        Raises:
            KeyError: No fault has this name.
        """
        if name in FAULTS:
            return FAULTS[name]
        if match := re.fullmatch(r"(?:server_error|http_error)_([45]\d\d)", name):
            return cls.http_error(int(match[1]), name=name)
        if match := re.fullmatch(r"slow_first_token_(\d+(?:\.\d+)?)", name):
            return cls.slow_first_token(float(match[1]))
        if match := re.fullmatch(r"(reset|stall|clean_eof|truncated|stream_error)_after_(\d+)_chunks", name):
            makers = {
                "reset": cls.reset_after_chunks,
                "stall": cls.stall_after_chunks,
                "clean_eof": cls.clean_eof,
                "truncated": cls.truncated_body,
                "stream_error": cls.stream_error,
            }
            return makers[match[1]](int(match[2]))
        raise KeyError(f"no fault is named {name!r}; the names are {', '.join(sorted(FAULTS))}")


def _counted(prefix: str, chunks: int) -> str:
    if chunks < 1:
        raise ValueError(f"{prefix}: a count of chunks is at least 1, not {chunks!r}")
    return f"{prefix}_first_chunk" if chunks == 1 else f"{prefix}_{chunks}_chunks"


def _limited(suffix: str, retry_after: str | None = None, retry_after_ms: str | None = None) -> Fault:
    return Fault.rate_limited(retry_after, retry_after_ms=retry_after_ms, name=f"rate_limited_{suffix}")


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault.server_error(500),
        Fault.server_error(502),
        Fault.server_error(503),
        Fault.server_error(529),
        Fault.rate_limited(),
        _limited("retry_after_0", "0"),
        _limited("retry_after_negative", "-5"),
        _limited("retry_after_fraction", "1.5"),
        _limited("retry_after_ms", retry_after_ms="250"),
        _limited("retry_after_past_date", "Wed, 21 Oct 2015 07:28:00 GMT"),
        _limited("retry_after_date_2100", "Fri, 01 Jan 2100 00:00:00 GMT"),
        _limited("retry_after_day", "86400"),
        _limited("retry_after_nan", "NaN"),
        _limited("retry_after_400_digits", "9" * 400),
        _limited("retry_after_garbage", "soon, I promise"),
        Fault.insufficient_quota(),
        Fault.bad_request(),
        Fault.unauthorized(),
        Fault.http_error(402, name="payment_required"),
        Fault.forbidden(),
        Fault.model_not_found(),
        Fault.too_large(),
        Fault.unprocessable(),
        Fault.context_overflow(),
        Fault.content_filter(),
        Fault.filtered_answer(),
        Fault.hang(),
        Fault.slow_first_token(),
        Fault.reset(),
        Fault.reset_after_chunks(1),
        Fault.reset_after_chunks(3),
        Fault.stall_after_chunks(1),
        Fault.stall_after_chunks(3),
        Fault.clean_eof(1),
        Fault.clean_eof(3),
        Fault.truncated_body(),
        Fault.stream_error(),
        Fault.stream_error(3),
        Fault.empty_answer(),
        Fault.invalid_json(),
    )
}
