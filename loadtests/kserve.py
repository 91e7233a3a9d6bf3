"""Tensors as the KServe v2 protocol writes them, in JSON and with Triton's binary tensor data extension.

Sources: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`; triton-inference-server/server,
`docs/protocol/extension_binary_data.md`.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from loadtests.outcome import RequestFailed

JSON_LENGTH = "Inference-Header-Content-Length"
"""Header that says how many bytes of JSON stand before the tensors."""

_TYPES = {
    "BOOL": "?",
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    "BF16": "<u2",
}
"""NumPy has no BF16: its upper 16 bits of a float32 stand as they are."""
BINARY_ONLY = ("FP16", "BF16")
"""JSON has no numbers of these."""


@dataclass(frozen=True)
class Spec:
    """A tensor as a model's metadata describes it; -1 in `shape` is any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def fits(self, shape: Sequence[int]) -> bool:
        """Tell whether a tensor of `shape` is one of these."""
        return len(shape) == len(self.shape) and all(w in (-1, n) for w, n in zip(self.shape, shape, strict=True))


@dataclass(frozen=True)
class Tensor:
    """`data`: little-endian, in row-major order; BYTES: each element a 4-byte length and its bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes


def supported(datatype: str) -> bool:
    """Tell whether we can make and read tensors of a type."""
    return datatype == "BYTES" or datatype in _TYPES


def random_tensor(
    spec: Spec, shape: tuple[int, ...], numbers: np.random.Generator, low: int | None, high: int | None
) -> Tensor:
    """Make a tensor: floats normal with deviation 1, whole numbers from `low` to `high` - 1, words of 1 to 8 letters.

    Without bounds, whole numbers are 0 to 99.
    """
    count = math.prod(shape)
    if spec.datatype == "BYTES":
        letters = numbers.integers(97, 123, (count, 8), dtype=np.uint8)
        lengths = numbers.integers(1, 9, count)
        words = (letters[i, :length].tobytes() for i, length in enumerate(lengths))
        data = b"".join(struct.pack("<I", len(word)) + word for word in words)
    elif spec.datatype == "BF16":
        data = (numbers.standard_normal(count, np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    elif spec.datatype in ("FP16", "FP32", "FP64"):
        data = numbers.standard_normal(count).astype(_TYPES[spec.datatype]).tobytes()
    elif spec.datatype == "BOOL":
        data = numbers.integers(0, 2, count).astype("?").tobytes()
    else:
        drawn = numbers.integers(0 if low is None else low, 100 if high is None else high, count)
        data = drawn.astype(_TYPES[spec.datatype]).tobytes()
    return Tensor(spec.name, spec.datatype, shape, data)


def array(tensor: Tensor) -> NDArray[Any]:
    """Return the elements of a tensor of numbers in one row. BF16 as 16-bit words."""
    return np.frombuffer(tensor.data, _TYPES[tensor.datatype])


def values(tensor: Tensor) -> list[Any]:
    """Return the elements in one row, as JSON has them. Raises ValueError where a text is not UTF-8."""
    if tensor.datatype != "BYTES":
        listed: list[Any] = array(tensor).tolist()
        return listed
    found, position = [], 0
    while position < len(tensor.data):
        (length,) = struct.unpack_from("<I", tensor.data, position)
        found.append(tensor.data[position + 4 : position + 4 + length].decode())
        position += 4 + length
    return found


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
    tensor = Tensor(name, datatype, shape, data)
    found, wanted = _count(tensor), math.prod(tensor.shape)
    if found != wanted:
        raise RequestFailed(
            "wrong_shape", f"output {name}: {found} elements, where its shape {list(shape)} holds {wanted}"
        )
    return tensor, position


def _count(tensor: Tensor) -> int:
    """Count the elements that are there; -1: the data are no whole number of elements."""
    if tensor.datatype != "BYTES":
        count, rest = divmod(len(tensor.data), np.dtype(_TYPES[tensor.datatype]).itemsize)
        return -1 if rest else count
    count = position = 0
    while position + 4 <= len(tensor.data):
        (length,) = struct.unpack_from("<I", tensor.data, position)
        position, count = position + 4 + length, count + 1
    return count if position == len(tensor.data) else -1


def _packed(data: Any, datatype: str, body: bytes) -> bytes:
    """Turn data of JSON, in one row or nested as the shape is, into bytes."""
    try:
        if datatype == "BYTES":
            return b"".join(struct.pack("<I", len(word := text.encode())) + word for text in _flat(data))
        found = np.asarray(data)
        # Neither words that look like numbers, nor null, which would become NaN.
        kinds = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}[np.dtype(_TYPES[datatype]).kind]
        with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is told below
            made = found.astype(_TYPES[datatype])
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
