"""OTLP/gRPC for those who have the token: some programs (Chroma's server) speak nothing else.

It is beside the receiver of OTLP/HTTP and handles requests alike; gRPC's own threads read them, from few connections at
once, so that no client costs a scrape. Loaded only where it is asked for: grpcio takes some 15 MB.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from exporters.otlp_http import BODY_BYTES, SIGNALS, Handle, Request
from exporters.otlp_wire import PROTOBUF
from exporters.secret import presents

_THREADS = 2
_AT_ONCE = 32
"""Requests under way; more are told to come again, which SDKs do."""

_CONNECTIONS = 256
"""Open at once; beyond that new ones are closed, and SDKs come again. Without a limit silent ones would take all the
files that a process may open, and with them the sidecar's own port."""

_HANDSHAKE_MS = 2000
"""Milliseconds in which a client must have begun to speak HTTP/2."""

_IDLE_MS = 20_000
"""Milliseconds without a request after which a connection makes room."""

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
                ("grpc.max_allowed_incoming_connections", _CONNECTIONS),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
            ],
            maximum_concurrent_rpcs=_AT_ONCE,
        )
        try:
            port = self._server.add_insecure_port(where)
        except RuntimeError as error:
            raise GrpcError(f"nothing can listen on {where}: is the port taken?") from error
        self.address = f"{where.rpartition(':')[0]}:{port}"
        self._server.start()

    def admits(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        """Tell whether the client has the token."""
        words = {key: value for key, value in metadata if isinstance(value, str)}
        return presents(words.get("authorization", ""), self._token)

    def refuse(self, context: "grpc.ServicerContext") -> bytes:
        """Answer one request of a stranger."""
        self._requests["none", 401] += 1
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong")
        return b""

    def answer(self, signal: str, body: bytes, context: "grpc.ServicerContext") -> bytes:
        """Answer one request."""
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
    """Hands requests on as bytes, those of strangers without: their bodies are not even read."""

    def __init__(self, receiver: GrpcReceiver) -> None:
        self._receiver = receiver

    def service(self, handler_call_details: "grpc.HandlerCallDetails") -> Any:
        """See grpc.GenericRpcHandler; None: there is no such method."""
        signal = _SERVICES.get(handler_call_details.method)
        if not self._receiver.admits(handler_call_details.invocation_metadata):
            # A handler of a stream gets its messages one by one as it asks for them.
            return grpc.stream_unary_rpc_method_handler(
                lambda _, context: self._receiver.refuse(context), request_deserializer=None, response_serializer=None
            )
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda body, context: self._receiver.answer(signal, body, context),
            request_deserializer=None,
            response_serializer=None,
        )
