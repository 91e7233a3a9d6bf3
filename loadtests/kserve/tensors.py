"""Tensors of the KServe v2 protocol: how they are described, what bytes they are, and random ones.

Source: kserve/open-inference-protocol, `specification/protocol/inference_rest.md` and `inference_grpc.md`.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.outcome import RequestFailed

TYPES = {
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
    return datatype == "BYTES" or datatype in TYPES


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
        data = numbers.standard_normal(count).astype(TYPES[spec.datatype]).tobytes()
    elif spec.datatype == "BOOL":
        data = numbers.integers(0, 2, count).astype("?").tobytes()
    else:
        drawn = numbers.integers(0 if low is None else low, 100 if high is None else high, count)
        data = drawn.astype(TYPES[spec.datatype]).tobytes()
    return Tensor(spec.name, spec.datatype, shape, data)


def array(tensor: Tensor) -> NDArray[Any]:
    """Return the elements of a tensor of numbers in one row. BF16 as 16-bit words."""
    return np.frombuffer(tensor.data, TYPES[tensor.datatype])


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


def check(tensor: Tensor) -> Tensor:
    """Return the tensor if its data are as many elements as its shape says. Raises RequestFailed."""
    found, wanted = _count(tensor), math.prod(tensor.shape)
    if found != wanted:
        shape = list(tensor.shape)
        raise RequestFailed(
            "wrong_shape", f"output {tensor.name}: {found} elements, where shape {shape} holds {wanted}"
        )
    return tensor


def _count(tensor: Tensor) -> int:
    """Count the elements that are there; -1: the data are no whole number of elements."""
    if tensor.datatype != "BYTES":
        count, rest = divmod(len(tensor.data), np.dtype(TYPES[tensor.datatype]).itemsize)
        return -1 if rest else count
    count = position = 0
    while position + 4 <= len(tensor.data):
        (length,) = struct.unpack_from("<I", tensor.data, position)
        position, count = position + 4 + length, count + 1
    return count if position == len(tensor.data) else -1
