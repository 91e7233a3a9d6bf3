"""The KServe v2 protocol over gRPC. The messages are described here, so that no generated code is needed.

Sources: kserve/open-inference-protocol, `specification/protocol/open_inference_grpc.proto`; for ModelConfig,
triton-inference-server/common, `protobuf/model_config.proto`. What is not used is left out: protobuf passes it over.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from loadtests.kserve.base import Answer, Metadata, Request, Wanted
from loadtests.kserve.tensors import Spec, Tensor, check, supported
from loadtests.outcome import Outcome, RequestFailed, SetupError

_SERVICE = "/inference.GRPCInferenceService/"
_CHANNEL = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # a site's proxy must not stand between us and the service
    ("grpc.enable_retries", 0),  # a second try that we do not see would hide a failure
)
_SETUP_WITHIN = 10.0

_FIELDS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "Parameter": (("bool", 1, "bool"), ("int", 2, "int64"), ("str", 3, "string"), ("float", 4, "double")),
    "Entry": (("key", 1, "string"), ("value", 2, "Parameter")),
    "Tensor": (("name", 1, "string"), ("datatype", 2, "string"), ("shape", 3, "*int64")),
    "Wanted": (("name", 1, "string"),),
    "InferRequest": (
        *(("model", 1, "string"), ("version", 2, "string"), ("parameters", 4, "*Entry"), ("inputs", 5, "*Tensor")),
        *(("outputs", 6, "*Wanted"), ("raw", 7, "*bytes")),
    ),
    "InferResponse": (("model", 1, "string"), ("outputs", 5, "*Tensor"), ("raw", 6, "*bytes")),
    "Model": (("name", 1, "string"), ("version", 2, "string")),
    "ModelMetadata": (
        *(("versions", 2, "*string"), ("platform", 3, "string"), ("inputs", 4, "*Tensor")),
        ("outputs", 5, "*Tensor"),
    ),
    "Config": (("max_batch_size", 4, "int32"),),
    "ModelConfig": (("config", 1, "Config"),),
}
"""Messages by names of ours: name, number and type of each field; * marks a repeated one. A map is such on the wire."""


class RpcClient:
    """Speaks to one model over one HTTP/2 connection, as clients of gRPC do. Made inside a running loop."""

    def __init__(self, url: str, model: str, version: str | None, headers: Mapping[str, str]) -> None:
        self._model, self._version = model, version or ""
        self._where = url.removeprefix("grpc://")
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._channel = grpc.aio.insecure_channel(self._where, options=_CHANNEL)
        self._infer = self._channel.unary_unary(f"{_SERVICE}ModelInfer")

    async def close(self) -> None:
        """See `loadtests.kserve.base.Client`."""
        await self._channel.close()

    async def learn(self) -> Metadata:
        """See `loadtests.kserve.base.Client`."""
        told = await self._ask("ModelMetadata", "ModelMetadata")
        if told is None:
            raise SetupError(f"{self._where} knows no metadata of models")
        config = await self._ask("ModelConfig", "ModelConfig")
        inputs, outputs = (
            tuple(Spec(each.name, each.datatype, tuple(each.shape)) for each in side)
            for side in (told.inputs, told.outputs)
        )
        notes = {"versions": list(told.versions), "platform": told.platform}
        return Metadata(inputs, outputs, None if config is None else int(config.config.max_batch_size), notes)

    async def _ask(self, method: str, answer: str) -> Any:
        """Ask about the model; None: the server does not know how to answer. Raises SetupError."""
        request = _messages()["Model"](name=self._model, version=self._version).SerializeToString()
        call = self._channel.unary_unary(_SERVICE + method)
        try:
            body = await call(request, timeout=_SETUP_WITHIN, metadata=self._metadata, wait_for_ready=True)
            return _messages()[answer].FromString(body)
        except DecodeError as error:
            raise SetupError(f"{method} of {self._where} cannot be read") from error
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise SetupError(f"{self._where} does not tell of it: {_failure(error)}") from error

    def encode(self, tensors: Sequence[Tensor], wanted: Wanted) -> Request:
        """See `loadtests.kserve.base.Client`."""
        message = _messages()["InferRequest"](model=self._model, version=self._version)
        for tensor in tensors:
            message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            message.raw.append(tensor.data)
        for name in wanted.outputs:
            message.outputs.add(name=name)
        for key, value in wanted.parameters.items():
            setattr(message.parameters.add(key=key).value, type(value).__name__, value)
        return Request(message.SerializeToString())

    async def infer(self, request: Request, outcome: Outcome) -> Answer:
        """See `loadtests.kserve.base.Client`."""
        outcome.leave()
        try:
            body = await self._infer(request.body, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            outcome.status = error.code().value[0]
            raise _failure(error) from error
        outcome.status = 0
        outcome.received = len(body)
        return decode(body)


def decode(body: bytes) -> Answer:
    """Read a ModelInferResponse. Raises RequestFailed."""
    try:
        message = _messages()["InferResponse"].FromString(body)
    except DecodeError as error:
        raise RequestFailed("malformed", "the answer is no ModelInferResponse") from error
    if len(message.raw) != len(message.outputs):
        raise RequestFailed("malformed", f"{len(message.outputs)} outputs, and data of {len(message.raw)}")
    tensors = []
    for output, data in zip(message.outputs, message.raw, strict=True):
        if not supported(output.datatype) or any(length < 0 for length in output.shape):
            raise RequestFailed("malformed", f"output {output.name}: {output.datatype} {list(output.shape)}")
        tensors.append(check(Tensor(output.name, output.datatype, tuple(output.shape), data)))
    return Answer(message.model, tensors)


def _failure(error: grpc.aio.AioRpcError) -> RequestFailed:
    """Name a failure by gRPC's status: grpc_unavailable, grpc_not_found, grpc_resource_exhausted, ..."""
    return RequestFailed(f"grpc_{error.code().name.lower()}", (error.details() or "")[:400])


@cache
def _messages() -> dict[str, Any]:
    """Make the classes of the messages."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="dashcam/kserve.proto", package="dashcam.kserve", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        oneof = name == "Parameter"  # only a member of a choice is sent when it is 0, false or empty
        if oneof:
            message.oneof_decl.add(name="choice")
        for field, number, kind in fields:
            plain = kind.removeprefix("*")
            added = message.field.add(
                name=field, number=number, label=kinds.LABEL_REPEATED if plain != kind else kinds.LABEL_OPTIONAL
            )
            if plain in _FIELDS:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".dashcam.kserve.{plain}"
            else:
                added.type = getattr(kinds, f"TYPE_{plain.upper()}")
            if oneof:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(found[name]) for name in _FIELDS}
