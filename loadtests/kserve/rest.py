"""The KServe v2 protocol over HTTP: JSON, and Triton's binary tensor data extension.

Sources: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`; triton-inference-server/server,
`docs/protocol/extension_binary_data.md`.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from loadtests.http import HttpClient
from loadtests.kserve.base import Answer, Metadata, Request, Wanted
from loadtests.kserve.tensors import TYPES, Spec, Tensor, check, supported, values
from loadtests.outcome import Outcome, RequestFailed, SetupError

JSON_LENGTH = "Inference-Header-Content-Length"
"""Header that says how many bytes of JSON stand before the tensors."""


class RestClient:
    """Speaks to one model. Made inside a running loop."""

    def __init__(self, url: str, model: str, version: str | None, headers: Mapping[str, str], *, binary: bool) -> None:
        self._url = f"{url.rstrip('/')}/v2/models/{model}" + (f"/versions/{version}" if version else "")
        self._infer = f"{self._url}/infer"
        self._binary = binary
        self._client = HttpClient(headers)

    async def close(self) -> None:
        """See `loadtests.kserve.base.Client`."""
        await self._client.close()

    async def learn(self) -> Metadata:
        """See `loadtests.kserve.base.Client`."""
        everything = tuple(range(200, 600))
        try:
            _, _, body = await self._client.ask("GET", self._url, Outcome())
            status, _, config = await self._client.ask("GET", f"{self._url}/config", Outcome(), accept=everything)
        except RequestFailed as failure:
            raise SetupError(f"{self._url} does not tell of it: {failure}") from failure
        try:
            told = orjson.loads(body)
            # The configuration is Triton's own extension.
            most = orjson.loads(config).get("max_batch_size", 0) if status == 200 else None
            inputs, outputs = (tuple(_spec(each) for each in told[key]) for key in ("inputs", "outputs"))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise SetupError(f"the metadata at {self._url} cannot be read: {body[:200]!r}") from error
        return Metadata(inputs, outputs, most, {"versions": told.get("versions"), "platform": told.get("platform")})

    def encode(self, tensors: Sequence[Tensor], wanted: Wanted) -> Request:
        """See `loadtests.kserve.base.Client`."""
        return Request(*encode(tensors, wanted.outputs, wanted.parameters, binary=self._binary))

    async def infer(self, request: Request, outcome: Outcome) -> Answer:
        """See `loadtests.kserve.base.Client`."""
        _, headers, body = await self._client.ask(
            "POST", self._infer, outcome, data=request.body, headers=request.headers
        )
        head, tensors = decode(body, headers.get(JSON_LENGTH))
        return Answer(str(head.get("model_name")), tensors)


def _spec(told: dict[str, Any]) -> Spec:
    return Spec(str(told["name"]), str(told["datatype"]), tuple(int(length) for length in told["shape"]))


def encode(
    tensors: Sequence[Tensor], outputs: Sequence[str], parameters: Mapping[str, Any], *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an inference request. Without `outputs`, the server sends all."""
    head: dict[str, Any] = {"parameters": dict(parameters)} if parameters else {}
    inputs: list[dict[str, Any]] = []
    for tensor in tensors:
        one: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if binary:
            one["parameters"] = {"binary_data_size": len(tensor.data)}
        else:
            one["data"] = values(tensor)
        inputs.append(one)
    head["inputs"] = inputs
    if outputs:
        head["outputs"] = [{"name": name, "parameters": {"binary_data": binary}} for name in outputs]
    elif binary:
        head["parameters"] = {**head.get("parameters", {}), "binary_data_output": True}
    text = orjson.dumps(head)
    if not binary:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(text))}
    return text + b"".join(tensor.data for tensor in tensors), headers


def decode(body: bytes, length: str | None) -> tuple[dict[str, Any], list[Tensor]]:
    """Read an answer: its JSON, and its tensors. `length` is the answer's header JSON_LENGTH. Raises RequestFailed."""
    if length is not None and not (length.isascii() and length.isdigit() and int(length) <= len(body)):
        raise RequestFailed("malformed", f"{JSON_LENGTH}: {length[:20]} of {len(body)} bytes")
    split = len(body) if length is None else int(length)
    head = _object(body[:split])
    if head.get("error"):
        raise RequestFailed("server_error", str(head["error"])[:200])
    outputs = head.get("outputs")
    if not isinstance(outputs, list):
        raise _malformed(body)
    tensors, position = [], split
    for output in outputs:
        tensor, position = _tensor(output, body, position)
        tensors.append(tensor)
    if position != len(body):
        raise RequestFailed("malformed", f"{len(body) - position} bytes are left over after the last tensor")
    return head, tensors


def _tensor(output: Any, body: bytes, position: int) -> tuple[Tensor, int]:
    """Read one output, whose binary data, if it has any, begin at `position`; returns where they end, too."""
    if not isinstance(output, dict):
        raise _malformed(body)
    name, datatype, shape = output.get("name"), output.get("datatype"), _shape(output.get("shape"))
    if not isinstance(name, str) or not isinstance(datatype, str) or not supported(datatype) or shape is None:
        raise _malformed(body)
    parameters = output.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        data = _packed(output.get("data"), datatype, body)
    elif type(size) is int and 0 <= size <= len(body) - position:
        data, position = body[position : position + size], position + size
    else:
        raise RequestFailed("malformed", f"output {name}: {str(size)[:20]} bytes of data, which are not there")
    return check(Tensor(name, datatype, shape, data)), position


def _packed(data: Any, datatype: str, body: bytes) -> bytes:
    """Turn data of JSON, in one row or nested as the shape is, into bytes."""
    try:
        if datatype == "BYTES":
            return b"".join(struct.pack("<I", len(word := text.encode())) + word for text in _flat(data))
        found = np.asarray(data)
        # Neither words that look like numbers, nor null, which would become NaN.
        kinds = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}[np.dtype(TYPES[datatype]).kind]
        with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is told below
            made = found.astype(TYPES[datatype])
        if found.size and (found.dtype.kind not in kinds or ("f" not in kinds and (made != found).any())):
            raise _malformed(body)
        return made.tobytes()
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise _malformed(body) from error


def _flat(data: Any) -> Iterator[Any]:
    if not isinstance(data, list):
        yield data
        return
    for part in data:
        yield from _flat(part)


def _shape(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(type(length) is int and 0 <= length < 2**31 for length in value):
        return None
    return tuple(value)


def _object(text: bytes) -> dict[str, Any]:
    try:
        head = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _malformed(text) from error
    if not isinstance(head, dict):
        raise _malformed(text)
    return head


def _malformed(body: bytes) -> RequestFailed:
    return RequestFailed("malformed", body[:200].decode(errors="replace"))
