"""OTLP/gRPC for those who have the token: some programs (Chroma's server) speak nothing else.

It is beside the receiver of OTLP/HTTP and handles requests alike; gRPC's own threads read them, so that no client costs
a scrape. Loaded only where it is asked for: grpcio takes some 15 MB.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from exporters.otlp_http import BODY_BYTES, SIGNALS, Handle, Request
from exporters.otlp_wire import PROTOBUF
from exporters.secret import presents

_THREADS = 2
_AT_ONCE = 32
"""Requests under way; more are told to come again, which SDKs do."""

_SERVICES = {
    f"/opentelemetry.proto.collector.{word}.v1.{word.capitalize()}Service/Export": signal
    for word, signal in zip(("metrics", "trace", "logs"), SIGNALS, strict=True)
}
_STATUS = {400: grpc.StatusCode.INVALID_ARGUMENT, 413: grpc.StatusCode.RESOURCE_EXHAUSTED}


class GrpcError(Exception):
    """The receiver cannot listen."""


class GrpcReceiver:
    """Serves until the process ends; `requests` counts answers by signal and the status that HTTP would have.

    Raises GrpcError.
    """

    def __init__(self, where: str, token: str, handle: Handle, requests: "Counter[tuple[str, int]]") -> None:
        self._token = token
        self._handle = handle
        self._requests = requests
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc"),
            handlers=[_Service(self)],
            options=[
                ("grpc.max_receive_message_length", BODY_BYTES),
                ("grpc.so_reuseport", 0),  # a taken port must be an error, not shared
            ],
            maximum_concurrent_rpcs=_AT_ONCE,
        )
        try:
            port = self._server.add_insecure_port(where)
        except RuntimeError as error:
            raise GrpcError(f"nothing can listen on {where}: is the port taken?") from error
        self.address = f"{where.rpartition(':')[0]}:{port}"
        self._server.start()

    def answer(self, signal: str, body: bytes, context: "grpc.ServicerContext") -> bytes:
        """Answer one request; the body is looked into only for those who have the token."""
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        if not presents(metadata.get("authorization", ""), self._token):
            self._requests["none", 401] += 1
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong")
        try:
            reply = self._handle(Request(signal, PROTOBUF, "", body))
        except Exception as error:  # noqa: BLE001 - whatever a body does to us, the next one is taken
            self._requests[signal, 500] += 1
            context.abort(grpc.StatusCode.INTERNAL, type(error).__name__)
        self._requests[signal, reply.code] += 1
        if reply.code != 200:
            context.abort(_STATUS.get(reply.code, grpc.StatusCode.INTERNAL), "the body is no OTLP request")
        return reply.body


class _Service(grpc.GenericRpcHandler):  # type: ignore[misc] # grpcio ships no types
    """Hands requests on as bytes: they are parsed after the token was looked at."""

    def __init__(self, receiver: GrpcReceiver) -> None:
        self._receiver = receiver

    def service(self, handler_call_details: "grpc.HandlerCallDetails") -> Any:
        """See grpc.GenericRpcHandler; None: there is no such method."""
        signal = _SERVICES.get(handler_call_details.method)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda body, context: self._receiver.answer(signal, body, context),
            request_deserializer=None,
            response_serializer=None,
        )
