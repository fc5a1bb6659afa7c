"""What a model server does with a request: check, choose the fault, answer."""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from .answers import BadRequestError
from .delivery import BREAKING, Reply, StreamReply, deliver, deliver_stream
from .faults import Fault
from .formats import FORMATS, PLAIN
from .journal import Entry, Journal
from .limits import RateLimit, TellsTime
from .models import RequestRecord, ServedModel
from .openai_wire import model_entry
from .plan import FaultPlan
from .refusals import Refusal
from .wire import Chunks, Envelope, WireFormat, encode

if TYPE_CHECKING:
    from .connection import Connection, HttpRequest

__all__ = ["Endpoint"]

_KEPT_HEADERS = {
    "anthropic-beta", "anthropic-version", "content-type", "user-agent", "traceparent", "x-request-id",
    "x-stainless-retry-count", "x-stainless-timeout", "x-test-fault",
}  # fmt: skip
_FAULT_IN_TEXT = re.compile(r"\[\[fault:([\w.]+)\]\]")


class _Call:
    """One request for a completion or an embedding, and the headers its answer will carry."""

    def __init__(self, request: HttpRequest, wire: WireFormat, model: ServedModel) -> None:
        self.request = request
        self.format = wire
        self.body = _json_object(request.body)
        self.text, self.size, tokens = wire.prompt(self.body or {})
        self.envelope = Envelope(uuid.uuid4().hex, model, self.body or {}, tokens)
        self.headers = wire.headers(self.envelope.request_id)

    def metadata(self) -> dict[str, Any]:
        if self.body is None:
            return {}
        return {
            "model": str(self.body.get("model")),
            "stream": self.body.get("stream") is True,
            "prompt_bytes": self.size,
            "prompt_tokens": self.envelope.prompt_tokens,
            "fields": tuple(sorted(self.body)),
        }

    def refuse(self, refusal: Refusal) -> Reply:
        status, body = self.format.error(refusal, self.envelope)
        return Reply(status, encode(body), [*self.headers, *refusal.headers])


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
        wire = FORMATS.get(request.path, PLAIN)
        record = RequestRecord(request.path, headers=kept, has_key=wire.has_key(request.headers))
        is_call = request.method == "POST" and request.path in FORMATS
        entry = self.journal.open(record, is_call=is_call)
        try:
            if is_call:
                await self._call(connection, _Call(request, wire, self.model), entry)
            else:
                await deliver(connection, self._look_up(request, wire), None, entry)
        finally:
            entry.end()

    def _look_up(self, request: HttpRequest, wire: WireFormat) -> Reply:
        entry = model_entry(self.model.name, self._created)
        known = {"/v1/models": {"object": "list", "data": [entry]}, f"/v1/models/{self.model.name}": entry}
        refusal = self._key_refusal(request, wire)
        if refusal is None and request.path in (FORMATS if request.method == "GET" else {*FORMATS, *known}):
            refusal = Refusal(405, f"Method {request.method} is not allowed here.", "method_not_supported")
        if refusal is None and request.path in known:
            return Reply(200, encode(known[request.path]))
        if refusal is None and request.path.startswith("/v1/models/"):
            refusal = Refusal.of_missing_model(request.path.removeprefix("/v1/models/"))
        if refusal is None:
            refusal = Refusal(404, f"Unknown request URL: {request.method} {request.path}.", "unknown_url")
        status, body = wire.error(refusal)
        return Reply(status, encode(body))

    def _key_refusal(self, request: HttpRequest, wire: WireFormat) -> Refusal | None:
        key = self.model.requires_key
        if key is None or wire.accepts(request.headers, key):
            return None
        return Refusal(401, "Incorrect API key provided.", "invalid_api_key")

    async def _call(self, connection: Connection, call: _Call, entry: Entry) -> None:
        entry.note(**call.metadata(), body=call.body if self._keep_bodies else None)
        try:
            fault = self._fault(call)
        except KeyError as error:
            refusal = Refusal(400, str(error.args[0]), "unknown_fault")
            await deliver(connection, call.refuse(refusal), None, entry)
            return
        if fault is not None:
            entry.note(fault=fault.name)
        if fault is not None and fault.kind == "hang":
            await connection.pause(None)
        elif fault is not None and fault.kind == "reset" and fault.chunks == 0:
            entry.end()
            await connection.reset()
        elif fault is not None and fault.kind == "status":
            await deliver(connection, call.refuse(Refusal.of_fault(fault)), None, entry)
        elif (refused := self._refusal(call)) is not None:
            await deliver(connection, call.refuse(refused), None, entry)
        else:
            await self._answer(connection, call, fault, entry)

    def _fault(self, call: _Call) -> Fault | None:
        asked = call.request.headers.get("x-test-fault") or next(iter(_FAULT_IN_TEXT.findall(call.text)), None)
        return Fault.named(asked) if asked else self.faults.draw()

    def _refusal(self, call: _Call) -> Refusal | None:
        if (refusal := self._key_refusal(call.request, call.format)) is not None:
            return refusal
        if call.request.body is None:
            return Refusal(413, "Request exceeds the maximum allowed number of bytes.", "request_too_large")
        if call.body is None:
            return Refusal(400, "We could not parse the JSON body of your request.")
        if call.body.get("model") not in (self.model.name, *self.model.aliases):
            return Refusal.of_missing_model(call.body.get("model"))
        try:
            call.format.check(call.body)
        except BadRequestError as error:
            return Refusal.of_bad_request(error)
        return self._limit_refusal(call)

    def _limit_refusal(self, call: _Call) -> Refusal | None:
        tokens = call.envelope.prompt_tokens
        is_within = self._limit.take(tokens)
        call.headers += call.format.limit_headers(self._limit.allowances())
        if not is_within:
            message = f"Rate limit reached for {self.model.name}."
            headers = (self._limit.retry_header(),)
            return Refusal(429, message, "rate_limit_exceeded", error_type="requests", headers=headers)
        window = self.model.context_window
        return Refusal.of_overflow(tokens, window) if tokens > window else None

    def _latency(self) -> float:
        latency = self.model.latency
        return self._latencies.uniform(*latency) if isinstance(latency, tuple) else latency

    async def _answer(self, connection: Connection, call: _Call, fault: Fault | None, entry: Entry) -> None:
        await connection.pause(self._latency())
        try:
            reply = self._reply(call, fault)
        except BadRequestError as error:
            await deliver(connection, call.refuse(Refusal.of_bad_request(error)), None, entry)
            return
        if isinstance(reply, StreamReply):
            await deliver_stream(connection, reply, fault, entry)
        else:
            await deliver(connection, reply, fault, entry)

    def _reply(self, call: _Call, fault: Fault | None) -> Reply | StreamReply:
        wire, envelope = call.format, call.envelope
        said = wire.reply(envelope, self._seed, fault)
        if not isinstance(said, Chunks):
            spoilt = None if fault is None else wire.spoilt_body(fault, envelope)
            return Reply(200, encode(said) if spoilt is None else spoilt, call.headers)
        if fault is not None and fault.kind in BREAKING:
            sent = said.before[: fault.chunks]
            said = Chunks(sent, wire.last_words(fault, envelope, sent))
        return StreamReply(said.before, said.ending, call.headers, self.model.seconds_per_chunk)


def _json_object(raw: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
