"""What providers really send when they fail, and what it is taken for: one line per shape, readable as a reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import openai
import pytest
from samples import StatusError

from pointsman.faults import LONGEST_WAIT, FaultKind, classify

K = FaultKind
REQUEST = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
GEMINI = "type.googleapis.com/google.rpc."


class Row(NamedTuple):
    provider: str
    status: int
    body: Any
    kind: FaultKind
    wait: float | None = None
    headers: Mapping[str, str] = MappingProxyType({})


def error(**fields: Any) -> dict[str, Any]:
    return {"error": fields}


def gemini(quota: str, delay: str | None) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {
            "@type": f"{GEMINI}QuotaFailure",
            "violations": [{"quotaMetric": "generativelanguage/requests", "quotaId": quota}],
        }
    ]
    if delay is not None:
        details.append({"@type": f"{GEMINI}RetryInfo", "retryDelay": delay})
    message = "You exceeded your current quota, please check your plan and billing details."
    return error(code=429, status="RESOURCE_EXHAUSTED", message=message, details=details)


ROWS = [
    # provider, status, body, kind, seconds to wait, headers
    Row("openai", 429, error(code="rate_limit_exceeded", type="tokens", message="Please try again in 1.5s."), K.RATE_LIMITED, 1.5),
    Row("openai", 429, error(code="rate_limit_exceeded", message="Please try again in 6m0s."), K.RATE_LIMITED, 120),
    Row("openai", 429, error(code="rate_limit_exceeded", message="Please try again in 20ms."), K.RATE_LIMITED, 0.02),
    Row("openai", 429, error(code="insufficient_quota", type="insufficient_quota", message="You exceeded ..."), K.QUOTA),
    Row("openai", 429, error(code="billing_hard_limit_reached", message="..."), K.QUOTA),
    Row("openai", 400, error(code="context_length_exceeded", message="maximum context length is 8192"), K.CONTEXT_OVERFLOW),
    Row("openai", 400, error(code="invalid_value", type="invalid_request_error", message="no"), K.BAD_REQUEST),
    Row("openai", 400, error(code="invalid_prompt", message="flagged as potentially violating our usage policy"), K.CONTENT_POLICY),
    Row("openai", 401, error(code="invalid_api_key", message="Incorrect API key provided"), K.AUTHENTICATION),
    Row("openai", 403, error(code="unsupported_country_region_territory", message="Country"), K.AUTHENTICATION),
    Row("openai", 404, error(code="model_not_found", message="The model does not exist"), K.MODEL_MISSING),
    Row("openai", 500, error(type="server_error", message="The server had an error"), K.SERVER_ERROR),
    Row("openai", 503, error(type="server_error", message="The engine is currently overloaded"), K.OVERLOADED),
    Row("azure", 429, error(code="429", message="Please retry after 20 seconds."), K.RATE_LIMITED, 20),
    Row("azure", 429, error(code="429", message="..."), K.RATE_LIMITED, 0.25, {"retry-after-ms": "250", "retry-after": "1"}),
    Row("azure", 400, error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), K.CONTENT_POLICY),
    Row("azure", 400, error(code="BadRequest", innererror={"code": "ResponsibleAIPolicyViolation"}), K.CONTENT_POLICY),
    Row("azure", 404, error(code="DeploymentNotFound", message="The API deployment does not exist"), K.MODEL_MISSING),
    Row("anthropic", 400, error(type="invalid_request_error", message="Your credit balance is too low to access"), K.QUOTA),
    Row("anthropic", 400, error(type="invalid_request_error", message="prompt is too long: 213462 tokens > 200000"), K.CONTEXT_OVERFLOW),
    Row("anthropic", 400, error(type="invalid_request_error", message="`max_tokens` exceed context limit: 9 + 9"), K.CONTEXT_OVERFLOW),
    Row("anthropic", 400, error(type="invalid_request_error", message="messages: roles must alternate"), K.BAD_REQUEST),
    Row("anthropic", 401, error(type="authentication_error", message="invalid x-api-key"), K.AUTHENTICATION),
    Row("anthropic", 402, error(type="billing_error", message="..."), K.QUOTA),
    Row("anthropic", 429, error(type="rate_limit_error", message="..."), K.RATE_LIMITED, 7, {"retry-after": "7"}),
    Row("anthropic", 500, error(type="api_error", message="Internal server error"), K.SERVER_ERROR),
    Row("anthropic", 529, error(type="overloaded_error", message="Overloaded"), K.OVERLOADED),
    Row("gemini", 429, gemini("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "37s"), K.RATE_LIMITED, 37),
    Row("gemini", 429, gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "51s"), K.QUOTA, 51),
    Row("gemini", 429, gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "40000s"), K.QUOTA, 120),
    Row("gemini", 429, error(code=429, status="RESOURCE_EXHAUSTED", message="Resource exhausted"), K.RATE_LIMITED),
    Row("gemini", 400, error(code=400, status="INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]), K.AUTHENTICATION),
    Row("gemini", 400, error(code=400, message="The input token count (2) exceeds the maximum number of tokens allowed (1)"), K.CONTEXT_OVERFLOW),
    Row("gemini", 400, error(code=400, status="FAILED_PRECONDITION", message="User location is not supported"), K.AUTHENTICATION),
    Row("gemini", 403, error(code=403, status="PERMISSION_DENIED", message="..."), K.AUTHENTICATION),
    Row("gemini", 503, error(code=503, status="UNAVAILABLE", message="The model is overloaded."), K.OVERLOADED),
    Row("gemini", 504, error(code=504, status="DEADLINE_EXCEEDED", message="..."), K.SERVER_ERROR),
    Row("bedrock", 400, {"__type": "ThrottlingException", "message": "Too many requests"}, K.RATE_LIMITED),
    Row("bedrock", 429, {"__type": "ModelNotReadyException", "message": "Model is not ready for inference"}, K.OVERLOADED),
    Row("bedrock", 400, {"__type": "ServiceQuotaExceededException", "message": "exceeds the service quota"}, K.QUOTA),
    Row("bedrock", 400, {"message": "Input is too long for requested model."}, K.CONTEXT_OVERFLOW),
    Row("bedrock", 400, {"message": "The provided model identifier is invalid."}, K.MODEL_MISSING),
    Row("bedrock", 400, {"message": "Invocation of model ID x with on-demand throughput isn't supported."}, K.MODEL_MISSING),
    Row("bedrock", 403, {"__type": "AccessDeniedException", "message": "..."}, K.AUTHENTICATION),
    Row("bedrock", 424, {"message": "The model failed"}, K.SERVER_ERROR),
    Row("openrouter", 402, error(code=402, message="Insufficient credits"), K.QUOTA),
    Row("openrouter", 403, error(code=403, message="flagged", metadata={"flagged_input": "..."}), K.CONTENT_POLICY),
    Row("openrouter", 400, error(code=400, message="foo/bar is not a valid model ID"), K.MODEL_MISSING),
    Row("ollama", 404, {"error": 'model "phi9" not found, try pulling it first'}, K.MODEL_MISSING),
    Row("ollama", 400, error(message="input length exceeds the context length"), K.CONTEXT_OVERFLOW),
    Row("ollama", 503, {"error": "server busy, please try again. maximum pending requests exceeded"}, K.OVERLOADED),
    Row("vllm", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}, K.CONTEXT_OVERFLOW),
    Row("vllm", 400, {"message": "The decoder prompt (length 9) is longer than the maximum model length of 8"}, K.CONTEXT_OVERFLOW),
    Row("vllm", 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError"}, K.MODEL_MISSING),
    Row("llama.cpp", 400, error(code=400, type="exceed_context_size_error", message="exceeds the available"), K.CONTEXT_OVERFLOW),
    Row("llama.cpp", 503, error(code=503, type="unavailable_error", message="Loading model"), K.OVERLOADED),
    Row("tgi", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097"}, K.CONTEXT_OVERFLOW),
    Row("mistral", 400, {"message": "too large for model with 32768 maximum context length", "code": 3051}, K.CONTEXT_OVERFLOW),
    Row("mistral", 400, {"message": "Invalid model: foo", "type": "invalid_model", "code": "1500"}, K.MODEL_MISSING),
    Row("mistral", 429, {"message": "Service tier capacity exceeded for this model.", "code": "3505"}, K.RATE_LIMITED),
    Row("mistral", 401, {"detail": "Unauthorized"}, K.AUTHENTICATION),
    Row("mistral", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"]}]}, K.BAD_REQUEST),
    Row("cohere", 429, {"message": "Trial key, limited to 40 API calls / minute"}, K.RATE_LIMITED),
    Row("cohere", 429, {"message": "Trial key, limited to 1000 API calls / month"}, K.QUOTA),
    Row("cohere", 400, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"}, K.CONTEXT_OVERFLOW),
    Row("cohere", 401, {"message": "invalid api token"}, K.AUTHENTICATION),
    Row("groq", 413, error(code="rate_limit_exceeded", type="tokens", message="Request too large ... (TPM)"), K.RATE_LIMITED),
    Row("groq", 429, error(code="rate_limit_exceeded", message="(TPM): Limit 6000. Please try again in 7.66s."), K.RATE_LIMITED, 7.66),
    Row("groq", 498, error(message="Flex tier capacity exceeded"), K.OVERLOADED),
    Row("groq", 400, error(code="model_decommissioned", message="has been decommissioned"), K.MODEL_MISSING),
    Row("groq", 400, error(code="tool_use_failed", failed_generation="..."), K.USELESS_ANSWER),
    Row("hugging face", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}, K.OVERLOADED, 20),
    Row("hugging face", 402, {"error": "You have exceeded your monthly included credits"}, K.QUOTA),
    Row("deepseek", 402, error(message="Insufficient Balance"), K.QUOTA),
    Row("xai", 400, {"code": "...", "error": "Incorrect API key provided"}, K.AUTHENTICATION),
    Row("xai", 400, {"error": "This model's maximum prompt length is 131072 but the request contains 2"}, K.CONTEXT_OVERFLOW),
    Row("moonshot", 429, error(type="engine_overloaded_error", message="..."), K.OVERLOADED),
    Row("a proxy", 502, "<html><h1>502 Bad Gateway</h1></html>", K.SERVER_ERROR),
    Row("a proxy", 503, "", K.OVERLOADED, 5, {"retry-after": "5"}),
    Row("a proxy", 429, "\x00\xff", K.RATE_LIMITED),
]  # fmt: skip


def shown(row: Row) -> str:
    return f"{row.provider}-{row.status}-{row.kind}"


def response(row: Row) -> httpx.Response:
    content = row.body if isinstance(row.body, str) else json.dumps(row.body)
    return httpx.Response(row.status, request=REQUEST, headers=row.headers, content=content.encode("latin-1"))


def raised_by_httpx(row: Row) -> Exception:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response(row).raise_for_status()
    return caught.value


def raised_by_openai(row: Row) -> Exception:
    client = openai.OpenAI(base_url="http://127.0.0.1/v1", api_key="none")
    return client._make_status_error_from_response(response(row))


def raised_with_a_message(row: Row) -> Exception:
    """As LiteLLM words it: the body as text after the provider's name, the response without it."""
    failure = StatusError(row.status, **row.headers)
    failure.args = (f"litellm.SomeError: {row.provider}Exception - {response(row).text}",)
    return failure


@pytest.mark.parametrize("client", [raised_by_httpx, raised_by_openai, raised_with_a_message])
@pytest.mark.parametrize("row", ROWS, ids=shown)
def test_every_shape_is_taken_for_what_it_is(row: Row, client: Any) -> None:
    fault = classify(client(row))
    assert (fault.kind, fault.retry_after) == (row.kind, row.wait)


def test_no_shape_is_an_unknown() -> None:
    assert not [row for row in ROWS if row.kind is FaultKind.UNKNOWN]
    assert all(row.wait is None or row.wait <= LONGEST_WAIT for row in ROWS)


def test_errors_inside_a_stream_that_began_with_200() -> None:
    ok = httpx.Response(200, request=REQUEST)
    overloaded = openai.APIError("Overloaded", REQUEST, body={"type": "overloaded_error", "message": "Overloaded"})
    assert classify(overloaded).kind is K.OVERLOADED
    broken = openai.APIError("oops", REQUEST, body={"type": "server_error", "message": "oops"})
    assert classify(broken).kind is K.SERVER_ERROR
    numbered = openai.APIError("oops", REQUEST, body={"code": 429, "message": "slow down"})
    assert classify(numbered).kind is K.RATE_LIMITED
    by_status = openai.APIStatusError("Overloaded", response=ok, body={"error": {"type": "overloaded_error"}})
    assert classify(by_status) == classify(overloaded), "the status of the stream says nothing of the error in it"


def test_botocore_keeps_its_answer_in_a_dictionary() -> None:
    exceptions = pytest.importorskip("botocore.exceptions")
    answer = {
        "Error": {"Code": "ThrottlingException", "Message": "Too many requests"},
        "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {"retry-after": "3"}},
    }
    fault = classify(exceptions.ClientError(answer, "Converse"))
    assert (fault.kind, fault.status, fault.retry_after) == (K.RATE_LIMITED, 429, 3)


def test_anthropics_own_exceptions() -> None:
    anthropic = pytest.importorskip("anthropic")
    transport = pytest.importorskip("httpx2") if hasattr(anthropic._exceptions, "httpx2") else httpx
    request = transport.Request("POST", "http://127.0.0.1/v1/messages")
    client = anthropic.Anthropic(api_key="none", base_url="http://127.0.0.1")

    def failed(status: int, kind: str, message: str = "...") -> Exception:
        answer = transport.Response(status, request=request)
        body = {"type": "error", "error": {"type": kind, "message": message}}
        failure: Exception = client._make_status_error(message, body=body, response=answer)
        return failure

    assert classify(failed(529, "overloaded_error")).kind is K.OVERLOADED
    assert classify(failed(200, "overloaded_error")).kind is K.OVERLOADED, "in a stream that began with 200"
    assert classify(failed(400, "invalid_request_error", "Your credit balance is too low")).kind is K.QUOTA
    assert classify(failed(504, "timeout_error")).kind is K.SERVER_ERROR
    assert classify(anthropic.APITimeoutError(request)).kind is K.TIMEOUT


def test_langchains_own_exceptions() -> None:
    from langchain_core import exceptions

    assert classify(exceptions.ContextOverflowError("long")).kind is K.CONTEXT_OVERFLOW
    assert classify(exceptions.OutputParserException("no JSON")).kind is K.USELESS_ANSWER
    for name, kind in [
        ("ModelRateLimitError", K.RATE_LIMITED),
        ("ModelAuthenticationError", K.AUTHENTICATION),
        ("ModelTimeoutError", K.TIMEOUT),
        ("ModelNotFoundError", K.MODEL_MISSING),
    ]:
        if hasattr(exceptions, name):
            assert classify(getattr(exceptions, name)("?")).kind is kind


def test_litellms_own_exceptions() -> None:
    import litellm

    def made(kind: Any, message: str = "?", **more: Any) -> Exception:
        failure: Exception = kind(message, model="m", llm_provider="gemini", **more)
        return failure

    day = json.dumps(gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "51s"))
    minute = json.dumps(gemini("GenerateRequestsPerMinutePerProjectPerModel", "37s"))
    assert classify(made(litellm.RateLimitError, day)).kind is K.QUOTA
    limited = classify(made(litellm.RateLimitError, minute))
    assert (limited.kind, limited.retry_after) == (K.RATE_LIMITED, 37)
    assert classify(made(litellm.RateLimitError, category="litellm_rate_limit")).kind is K.LOCAL, "the caller's own"
    assert classify(made(litellm.ContextWindowExceededError)).kind is K.CONTEXT_OVERFLOW
    assert classify(made(litellm.ContentPolicyViolationError)).kind is K.CONTENT_POLICY
    assert classify(made(litellm.Timeout)).kind is K.TIMEOUT
    assert classify(made(litellm.Timeout, exception_status_code=504)).kind is K.SERVER_ERROR
    assert classify(made(litellm.APIConnectionError)).kind is K.UNREACHABLE
    assert classify(made(litellm.ServiceUnavailableError)).kind is K.OVERLOADED
    assert classify(made(litellm.exceptions.RejectedRequestError, request_data={})).kind is K.LOCAL


def test_a_wrapper_is_what_its_cause_is() -> None:
    wrapper = RuntimeError("the model failed")
    wrapper.__cause__ = StatusError(401)
    assert classify(wrapper).kind is K.AUTHENTICATION
    circle = RuntimeError("a circle")
    circle.__cause__ = other = RuntimeError("of causes")
    other.__cause__ = circle
    assert classify(circle).kind is K.UNKNOWN
