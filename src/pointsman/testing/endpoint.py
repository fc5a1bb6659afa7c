"""What a model server does with a request: check, choose the fault, answer."""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .answers import Answer, BadRequestError, answer_chat, answer_text, shortened
from .delivery import Headers, Reply, StreamReply, deliver, deliver_stream
from .faults import Fault
from .journal import Entry, Journal
from .limits import RateLimit, TellsTime
from .models import RequestRecord, ServedModel
from .plan import FaultPlan
from .validation import validate
from .wire import Envelope, embedding_body, embedding_inputs, encode, error_body, model_entry, prompt_of

if TYPE_CHECKING:
    from .connection import Connection, HttpRequest

__all__ = ["Endpoint"]

_CALL_PATHS = {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"}
_KEPT_HEADERS = {
    "content-type", "user-agent", "traceparent", "x-request-id", "x-stainless-retry-count", "x-stainless-timeout", "x-test-fault",
}  # fmt: skip
_FAULT_IN_TEXT = re.compile(r"\[\[fault:([\w.]+)\]\]")


class _Call:
    """One request for a completion or an embedding, and the headers its answer will carry."""

    def __init__(self, request: HttpRequest, body: dict[str, Any] | None) -> None:
        self.request = request
        self.body = body
        self.id = uuid.uuid4().hex
        self.headers: Headers = [("x-request-id", f"req_{self.id}"), ("openai-processing-ms", "1")]
        self.text, self.size, self.tokens = prompt_of(request.path, body or {})

    def metadata(self) -> dict[str, Any]:
        if self.body is None:
            return {}
        return {
            "model": str(self.body.get("model")),
            "stream": self.body.get("stream") is True,
            "prompt_bytes": self.size,
            "prompt_tokens": self.tokens,
            "fields": tuple(sorted(self.body)),
        }


class Endpoint:
    """A model behind HTTP, without the socket."""

    def __init__(self, model: ServedModel, seed: int, clock: TellsTime, *, keep_bodies: bool) -> None:
        self.model = model
        self.journal = Journal()
        self.faults = FaultPlan(random.Random(f"faults {seed} {model.name}"))
        self._seed = seed
        self._latencies = random.Random(f"latencies {seed} {model.name}")
        self._keep_bodies = keep_bodies
        self._limit = RateLimit(model.rate_limit_rpm, model.rate_limit_tpm, clock)
        self._created = int(time.time())

    async def handle(self, connection: Connection, request: HttpRequest) -> None:
        """Answer one request."""
        kept = {name: value for name, value in request.headers.items() if name in _KEPT_HEADERS}
        record = RequestRecord(request.path, headers=kept, has_key="authorization" in request.headers)
        is_call = request.method == "POST" and request.path in _CALL_PATHS
        entry = self.journal.open(record, is_call=is_call)
        try:
            if is_call:
                await self._call(connection, request, entry)
            else:
                await deliver(connection, self._lookup(request), None, entry)
        finally:
            entry.end()

    def _lookup(self, request: HttpRequest) -> Reply:
        if (refusal := self._key_refusal(request)) is not None:
            return refusal
        entry = model_entry(self.model.name, self._created)
        known = {"/v1/models": {"object": "list", "data": [entry]}, f"/v1/models/{self.model.name}": entry}
        if request.path in (_CALL_PATHS if request.method == "GET" else {*_CALL_PATHS, *known}):
            return _refusal(405, f"Method {request.method} is not allowed here.", "method_not_supported")
        if request.path in known:
            return Reply(200, encode(known[request.path]))
        if request.path.startswith("/v1/models/"):
            return self._model_missing(request.path.removeprefix("/v1/models/"))
        return _refusal(404, f"Unknown request URL: {request.method} {request.path}.", "unknown_url")

    def _key_refusal(self, request: HttpRequest) -> Reply | None:
        if self.model.requires_key is None:
            return None
        if request.headers.get("authorization", "") == f"Bearer {self.model.requires_key}":
            return None
        return _refusal(401, "Incorrect API key provided.", "invalid_api_key")

    def _model_missing(self, name: Any) -> Reply:
        return _refusal(
            404, f"The model `{name}` does not exist or you do not have access to it.", "model_not_found", "model"
        )

    async def _call(self, connection: Connection, request: HttpRequest, entry: Entry) -> None:
        call = _Call(request, _json_object(request.body))
        entry.note(**call.metadata(), body=call.body if self._keep_bodies else None)
        try:
            fault = self._fault(call)
        except KeyError as error:
            await deliver(connection, _refusal(400, str(error.args[0]), "unknown_fault"), None, entry)
            return
        if fault is not None:
            entry.note(fault=fault.name)
        if fault is not None and fault.kind == "hang":
            await connection.pause(None)
        elif fault is not None and fault.kind == "reset" and fault.chunks == 0:
            entry.end()
            await connection.reset()
        elif fault is not None and fault.kind == "status":
            body = encode(error_body(fault.message, fault.error_type, fault.code))
            await deliver(connection, Reply(fault.status, body, [*call.headers, *fault.headers]), None, entry)
        elif (refusal := self._refusal(call)) is not None:
            await deliver(connection, replace(refusal, headers=[*call.headers, *refusal.headers]), None, entry)
        else:
            await self._answer(connection, call, fault, entry)

    def _fault(self, call: _Call) -> Fault | None:
        asked = call.request.headers.get("x-test-fault") or next(iter(_FAULT_IN_TEXT.findall(call.text)), None)
        return Fault.named(asked) if asked else self.faults.draw()

    def _refusal(self, call: _Call) -> Reply | None:
        if (refusal := self._key_refusal(call.request)) is not None:
            return refusal
        if call.request.body is None:
            return _refusal(413, "Request exceeds the maximum allowed number of bytes.", "request_too_large")
        if call.body is None:
            return _refusal(400, "We could not parse the JSON body of your request.", None)
        if call.body.get("model") not in (self.model.name, *self.model.aliases):
            return self._model_missing(call.body.get("model"))
        try:
            validate(call.request.path, call.body)
        except BadRequestError as error:
            return _refusal(400, error.message, None, error.param)
        return self._limit_refusal(call)

    def _limit_refusal(self, call: _Call) -> Reply | None:
        if not self._limit.take(call.tokens):
            message = f"Rate limit reached for {self.model.name}."
            reply = _refusal(429, message, "rate_limit_exceeded", error_type="requests")
            return replace(reply, headers=self._limit.refusal_headers())
        call.headers += self._limit.headers()
        window = self.model.context_window
        if call.tokens > window:
            message = (
                f"This model's maximum context length is {window} tokens. However, your messages resulted in "
                f"{call.tokens} tokens. Please reduce the length of the messages."
            )
            return _refusal(400, message, "context_length_exceeded", "messages")
        return None

    def _latency(self) -> float:
        latency = self.model.latency
        return self._latencies.uniform(*latency) if isinstance(latency, tuple) else latency

    async def _answer(self, connection: Connection, call: _Call, fault: Fault | None, entry: Entry) -> None:
        await connection.pause(self._latency())
        try:
            reply = self._reply(call, fault)
        except BadRequestError as error:
            refusal = _refusal(400, error.message, None, error.param)
            await deliver(connection, replace(refusal, headers=call.headers), None, entry)
            return
        if isinstance(reply, StreamReply):
            await deliver_stream(connection, reply, fault, entry)
        else:
            await deliver(connection, reply, fault, entry)

    def _reply(self, call: _Call, fault: Fault | None) -> Reply | StreamReply:
        body = call.body or {}
        envelope = Envelope(call.request.path, call.id, self.model.name, call.tokens)
        kind = None if fault is None else fault.kind
        if envelope.path == "/v1/embeddings":
            vectors = embedding_body(self.model.name, body, self.model.embedding_dimensions, call.tokens)
            return Reply(200, encode(vectors | {"data": []} if kind == "empty" else vectors), call.headers)
        answer = self._say(envelope, body)
        if kind == "empty":
            answer = Answer("")
        elif kind == "filtered":
            answer = Answer(answer.text[: len(answer.text) // 2], finish_reason="content_filter")
        if body.get("stream") is not True:
            return Reply(200, encode(envelope.body(answer)), call.headers)
        include_usage = (body.get("stream_options") or {}).get("include_usage") is True
        events = envelope.events(answer, include_usage=include_usage)
        return StreamReply(*events, call.headers, self.model.seconds_per_chunk)

    def _say(self, envelope: Envelope, body: dict[str, Any]) -> Answer:
        if envelope.is_chat:
            answer = answer_chat(body, self.model, self._seed)
        else:
            prompts = embedding_inputs(body.get("prompt"))
            if len(prompts) != 1:
                raise BadRequestError("Invalid 'prompt': expected one text.", "prompt")
            answer = Answer(answer_text(prompts[0], self.model, self._seed))
        room = max(1, self.model.context_window - envelope.prompt_tokens)
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or self.model.max_output_tokens
        return shortened(answer, stop=body.get("stop"), max_tokens=min(asked, room, self.model.max_output_tokens))


def _json_object(raw: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refusal(
    status: int, message: str, code: str | None, param: str | None = None, *, error_type: str = "invalid_request_error"
) -> Reply:
    return Reply(status, encode(error_body(message, error_type, code, param)))
