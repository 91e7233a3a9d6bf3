"""Bodies of OTLP/HTTP requests, in protobuf or JSON, plain or gzipped, and the answers to them.

JSON is protobuf's with three differences (opentelemetry-proto, "JSON Protobuf Encoding"): ids are hex, enums are
numbers, unknown fields are ignored.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
INFLATED_BYTES = 64 * 2**20
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_DEEPEST = 100

REQUESTS: Mapping[str, type[Message]] = {
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_ANSWERS: Mapping[str, type[Message]] = {
    "metrics": ExportMetricsServiceResponse,
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
}
_REJECTED = {"metrics": "rejected_data_points", "traces": "rejected_spans", "logs": "rejected_log_records"}


class WireError(Exception):
    """A body cannot be read; `code` is the HTTP status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def inflate(body: bytes, encoding: str) -> bytes:
    """Undo a content-encoding. Raises WireError: 415 for one that we do not know, 413 for too much, 400 for garbage."""
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise WireError(415, f"content-encoding {encoding[:40]!r} is not known: send gzip or identity")
    parts: list[bytes] = []
    room = INFLATED_BYTES
    while body or not parts:  # a gzip file may have several members (RFC 1952, 2.2)
        inflater = zlib.decompressobj(wbits=31)
        try:
            # One more byte than there is room for, since 0 would mean no limit.
            parts.append(inflater.decompress(body, room + 1))
        except zlib.error as error:
            raise WireError(400, "the body is no gzip") from error
        room -= len(parts[-1])
        if room < 0:
            raise WireError(413, f"the body is larger than {INFLATED_BYTES} bytes when inflated")
        if not inflater.eof:
            raise WireError(400, "the gzip body ends too early")
        body = inflater.unused_data
    return b"".join(parts)


def decode(signal: str, kind: str, body: bytes) -> Message:
    """Read a request for `signal`; `kind` is PROTOBUF or JSON. Raises WireError."""
    message = REQUESTS[signal]()
    try:
        if kind == PROTOBUF:
            message.ParseFromString(body)
        else:
            json_format.ParseDict(_tree(body), message, ignore_unknown_fields=True)
    except Exception as error:  # protobuf's readers raise whatever their conversions raise
        raise WireError(400, f"the body is no OTLP {signal} request ({type(error).__name__})") from error
    return message


def _tree(body: bytes) -> dict[str, Any]:
    tree = _ids(json.loads(body), _from_hex)
    if not isinstance(tree, dict):
        raise TypeError("no JSON object")
    return tree


def as_json(message: Message) -> str:
    """Return a message as one line of OTLP JSON."""
    tree = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(_ids(tree, _to_hex), separators=(",", ":"))


def success(signal: str, kind: str, rejected: int = 0, why: str = "") -> bytes:
    """Return the body of an answer that all was taken, but for `rejected` points, spans or records."""
    answer: Any = _ANSWERS[signal]()
    if rejected:
        setattr(answer.partial_success, _REJECTED[signal], rejected)
        answer.partial_success.error_message = why
    return _body(answer, kind)


def failure(kind: str, text: str) -> bytes:
    """Return the body of an answer that says why nothing was."""
    return _body(Status(message=text), kind)


def _body(message: Message, kind: str) -> bytes:
    body: bytes = message.SerializeToString() if kind == PROTOBUF else json_format.MessageToJson(message).encode()
    return body


def _ids(tree: Any, turn: Callable[[str], str], depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(tree, dict):
        return {
            key: turn(value) if key in _IDS and isinstance(value, str) else _ids(value, turn, depth + 1)
            for key, value in tree.items()
        }
    return [_ids(item, turn, depth + 1) for item in tree] if isinstance(tree, list) else tree


def _from_hex(text: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError as error:
        raise ValueError("an id is no hex") from error


def _to_hex(text: str) -> str:
    try:
        return base64.b64decode(text).hex()
    except binascii.Error as error:
        raise ValueError("an id is no base64") from error
