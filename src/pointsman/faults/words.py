"""What providers and clients call their failures: codes, exception classes, statuses and phrases, each with its kind."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman import errors
from pointsman.faults.table import FaultKind

# Values of `code`, `type`, `status`, `reason`, `__type` ... in lower case, in exceptions and bodies.
BY_CODE: Mapping[str, FaultKind] = {
    # OpenAI, Azure and who speaks like them
    "insufficient_quota": FaultKind.QUOTA,
    "insufficient_balance": FaultKind.QUOTA,
    "billing_error": FaultKind.QUOTA,
    "billing_hard_limit_reached": FaultKind.QUOTA,
    "billing_not_active": FaultKind.QUOTA,
    "rate_limit_exceeded": FaultKind.RATE_LIMITED,
    "rate_limit_error": FaultKind.RATE_LIMITED,
    "too_many_requests": FaultKind.RATE_LIMITED,
    "slow_down": FaultKind.RATE_LIMITED,
    "server_error": FaultKind.SERVER_ERROR,
    "internal_server_error": FaultKind.SERVER_ERROR,
    "engine_overloaded_error": FaultKind.OVERLOADED,
    "context_length_exceeded": FaultKind.CONTEXT_OVERFLOW,
    "string_above_max_length": FaultKind.CONTEXT_OVERFLOW,
    "content_filter": FaultKind.CONTENT_POLICY,
    "content_policy_violation": FaultKind.CONTENT_POLICY,
    "moderation_blocked": FaultKind.CONTENT_POLICY,
    "responsibleaipolicyviolation": FaultKind.CONTENT_POLICY,
    "model_not_found": FaultKind.MODEL_MISSING,
    "deploymentnotfound": FaultKind.MODEL_MISSING,
    "invalid_api_key": FaultKind.AUTHENTICATION,
    # Anthropic
    "overloaded_error": FaultKind.OVERLOADED,
    "api_error": FaultKind.SERVER_ERROR,
    "timeout_error": FaultKind.SERVER_ERROR,
    "authentication_error": FaultKind.AUTHENTICATION,
    "permission_error": FaultKind.AUTHENTICATION,
    # Gemini and Vertex; `resource_exhausted` says per minute or per day elsewhere
    "resource_exhausted": FaultKind.RATE_LIMITED,
    "unavailable": FaultKind.OVERLOADED,
    "deadline_exceeded": FaultKind.SERVER_ERROR,
    "internal": FaultKind.SERVER_ERROR,
    "unauthenticated": FaultKind.AUTHENTICATION,
    "permission_denied": FaultKind.AUTHENTICATION,
    "api_key_invalid": FaultKind.AUTHENTICATION,
    "billing_disabled": FaultKind.QUOTA,
    # Bedrock
    "throttlingexception": FaultKind.RATE_LIMITED,
    "throttledexception": FaultKind.RATE_LIMITED,
    "toomanyrequestsexception": FaultKind.RATE_LIMITED,
    "servicequotaexceededexception": FaultKind.QUOTA,
    "modelnotreadyexception": FaultKind.OVERLOADED,
    "serviceunavailableexception": FaultKind.OVERLOADED,
    "internalserverexception": FaultKind.SERVER_ERROR,
    "modelerrorexception": FaultKind.SERVER_ERROR,
    "modelstreamerrorexception": FaultKind.SERVER_ERROR,
    "modeltimeoutexception": FaultKind.SERVER_ERROR,
    "resourcenotfoundexception": FaultKind.MODEL_MISSING,
    "accessdeniedexception": FaultKind.AUTHENTICATION,
    "unrecognizedclientexception": FaultKind.AUTHENTICATION,
    "expiredtokenexception": FaultKind.AUTHENTICATION,
    # Groq, Mistral, llama.cpp
    "capacity_exceeded": FaultKind.OVERLOADED,
    "service_tier_capacity_exceeded": FaultKind.RATE_LIMITED,
    "model_decommissioned": FaultKind.MODEL_MISSING,
    "invalid_model": FaultKind.MODEL_MISSING,
    "json_validate_failed": FaultKind.USELESS_ANSWER,
    "tool_use_failed": FaultKind.USELESS_ANSWER,
    "exceed_context_size_error": FaultKind.CONTEXT_OVERFLOW,
}

# Our own classes; names would not do, since other packages use the same ones.
OURS: Mapping[type[BaseException], FaultKind] = {
    errors.EmptyAnswerError: FaultKind.USELESS_ANSWER,
    # Before content, a broken stream is a server error; failover knows when there was content.
    errors.TruncatedStreamError: FaultKind.SERVER_ERROR,
    errors.StreamInterruptedError: FaultKind.STREAM_BROKEN,
    errors.DeadlineExceededError: FaultKind.LOCAL,
    errors.CostLimitError: FaultKind.LOCAL,
    errors.LimitReachedError: FaultKind.LOCAL,
    errors.InvalidParametersError: FaultKind.BAD_REQUEST,
    errors.MissingCredentialError: FaultKind.AUTHENTICATION,
    errors.MissingDependencyError: FaultKind.MODEL_MISSING,
    # Like a server that cannot be reached: never the request's fault, and perhaps better soon.
    errors.ModelLoadError: FaultKind.UNREACHABLE,
}

# Names of exception classes, looked for along the whole inheritance, most specific first; these say more than a status.
BY_TYPE: Mapping[str, FaultKind] = {
    # openai, anthropic, litellm
    "ContextWindowExceededError": FaultKind.CONTEXT_OVERFLOW,
    "ContextOverflowError": FaultKind.CONTEXT_OVERFLOW,
    "ContentPolicyViolationError": FaultKind.CONTENT_POLICY,
    "ContentFilterFinishReasonError": FaultKind.CONTENT_POLICY,
    "PaymentRequiredError": FaultKind.QUOTA,
    "BudgetExceededError": FaultKind.LOCAL,
    "RejectedRequestError": FaultKind.LOCAL,
    "GuardrailRaisedException": FaultKind.LOCAL,
    "BlockedPiiEntityError": FaultKind.LOCAL,
    "SensitiveDataRouteException": FaultKind.LOCAL,
    "ModifyResponseException": FaultKind.LOCAL,
    "LiteLLMUnknownProvider": FaultKind.MODEL_MISSING,
    "APITimeoutError": FaultKind.TIMEOUT,
    "Timeout": FaultKind.TIMEOUT,
    "APIConnectionError": FaultKind.UNREACHABLE,
    "MidStreamFallbackError": FaultKind.SERVER_ERROR,
    "JSONSchemaValidationError": FaultKind.USELESS_ANSWER,
    # langchain
    "OutputParserException": FaultKind.USELESS_ANSWER,
    "GraphBubbleUp": FaultKind.CONTROL_FLOW,
    # httpx, requests, aiohttp, botocore, urllib3 and the standard library
    "ConnectTimeout": FaultKind.UNREACHABLE,
    "ConnectTimeoutError": FaultKind.UNREACHABLE,
    "ReadTimeoutError": FaultKind.TIMEOUT,
    "TimeoutException": FaultKind.TIMEOUT,
    "TimeoutError": FaultKind.TIMEOUT,
    "NetworkError": FaultKind.UNREACHABLE,
    "RemoteProtocolError": FaultKind.UNREACHABLE,
    "ClientConnectionError": FaultKind.UNREACHABLE,
    "ClientPayloadError": FaultKind.UNREACHABLE,
    "ChunkedEncodingError": FaultKind.UNREACHABLE,
    "EndpointConnectionError": FaultKind.UNREACHABLE,
    "ConnectionClosedError": FaultKind.UNREACHABLE,
    "ProtocolError": FaultKind.UNREACHABLE,
    "IncompleteRead": FaultKind.UNREACHABLE,
    "ConnectionError": FaultKind.UNREACHABLE,
    "gaierror": FaultKind.UNREACHABLE,
    "SSLError": FaultKind.UNREACHABLE,
    "JSONDecodeError": FaultKind.USELESS_ANSWER,
}

# Likewise, for exceptions that carry no status.
BY_GENERAL_TYPE: Mapping[str, FaultKind] = {
    "ModelAuthenticationError": FaultKind.AUTHENTICATION,
    "ModelPermissionDeniedError": FaultKind.AUTHENTICATION,
    "ModelInvalidRequestError": FaultKind.BAD_REQUEST,
    "ModelNotFoundError": FaultKind.MODEL_MISSING,
    "ModelRateLimitError": FaultKind.RATE_LIMITED,
    "ModelAPIError": FaultKind.SERVER_ERROR,
    "ModelConnectionError": FaultKind.UNREACHABLE,
    "ModelTimeoutError": FaultKind.TIMEOUT,
    "ResourceExhausted": FaultKind.RATE_LIMITED,
    "ServiceUnavailable": FaultKind.OVERLOADED,
    "ReportedError": FaultKind.SERVER_ERROR,
}

BY_STATUS: Mapping[int, FaultKind] = {
    400: FaultKind.BAD_REQUEST,
    401: FaultKind.AUTHENTICATION,
    402: FaultKind.QUOTA,
    403: FaultKind.AUTHENTICATION,
    404: FaultKind.MODEL_MISSING,
    408: FaultKind.SERVER_ERROR,
    410: FaultKind.MODEL_MISSING,
    413: FaultKind.BAD_REQUEST,
    422: FaultKind.BAD_REQUEST,
    424: FaultKind.SERVER_ERROR,  # Bedrock: the model behind it failed
    425: FaultKind.OVERLOADED,
    429: FaultKind.RATE_LIMITED,
    498: FaultKind.OVERLOADED,  # Groq: no capacity on the flex tier
    503: FaultKind.OVERLOADED,
    504: FaultKind.SERVER_ERROR,
    529: FaultKind.OVERLOADED,
}

# Phrases that refine what a status or a general code says, first match wins. Never asked about a bare exception.
BY_TEXT: tuple[tuple[str, FaultKind], ...] = (
    ("credit balance is too low", FaultKind.QUOTA),
    ("insufficient_quota", FaultKind.QUOTA),
    ("exceeded your current quota", FaultKind.QUOTA),
    ("exceeded your monthly", FaultKind.QUOTA),
    ("insufficient balance", FaultKind.QUOTA),
    ("insufficient credits", FaultKind.QUOTA),
    ("spending limit", FaultKind.QUOTA),
    ("calls / month", FaultKind.QUOTA),
    ("billing to be enabled", FaultKind.QUOTA),
    ("api key not valid", FaultKind.AUTHENTICATION),
    ("incorrect api key", FaultKind.AUTHENTICATION),
    ("invalid api key", FaultKind.AUTHENTICATION),
    ("invalid api token", FaultKind.AUTHENTICATION),
    ("location is not supported", FaultKind.AUTHENTICATION),
    ("maximum context length", FaultKind.CONTEXT_OVERFLOW),
    ("maximum context limit", FaultKind.CONTEXT_OVERFLOW),
    ("maximum prompt length", FaultKind.CONTEXT_OVERFLOW),
    ("maximum model length", FaultKind.CONTEXT_OVERFLOW),
    ("context_length_exceeded", FaultKind.CONTEXT_OVERFLOW),
    ("exceeds the context length", FaultKind.CONTEXT_OVERFLOW),
    ("exceeds the context window", FaultKind.CONTEXT_OVERFLOW),
    ("exceed the context window", FaultKind.CONTEXT_OVERFLOW),
    ("exceed context limit", FaultKind.CONTEXT_OVERFLOW),
    ("exceeds the available context size", FaultKind.CONTEXT_OVERFLOW),
    ("exceeds the maximum number of tokens allowed", FaultKind.CONTEXT_OVERFLOW),
    ("exceed model maximum", FaultKind.CONTEXT_OVERFLOW),
    ("prompt is too long", FaultKind.CONTEXT_OVERFLOW),
    ("input is too long", FaultKind.CONTEXT_OVERFLOW),
    ("too many tokens: total number of tokens", FaultKind.CONTEXT_OVERFLOW),
    ("`inputs` tokens + `max_new_tokens` must be", FaultKind.CONTEXT_OVERFLOW),
    ("content_filter", FaultKind.CONTENT_POLICY),
    ("content management policy", FaultKind.CONTENT_POLICY),
    ("responsibleaipolicyviolation", FaultKind.CONTENT_POLICY),
    ("flagged_input", FaultKind.CONTENT_POLICY),
    ("violating our usage policy", FaultKind.CONTENT_POLICY),
    ("try pulling it first", FaultKind.MODEL_MISSING),
    ("model identifier is invalid", FaultKind.MODEL_MISSING),
    ("on-demand throughput isn", FaultKind.MODEL_MISSING),
    ("is not a valid model", FaultKind.MODEL_MISSING),
    ("has been decommissioned", FaultKind.MODEL_MISSING),
    ("currently loading", FaultKind.OVERLOADED),
    ("not ready for inference", FaultKind.OVERLOADED),
    ("overloaded", FaultKind.OVERLOADED),
)
REFINABLE = frozenset(
    {
        FaultKind.BAD_REQUEST,
        FaultKind.RATE_LIMITED,
        FaultKind.SERVER_ERROR,
        FaultKind.AUTHENTICATION,
        FaultKind.MODEL_MISSING,
        FaultKind.UNKNOWN,
    }
)
