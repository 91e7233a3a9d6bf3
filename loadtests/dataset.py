"""Vectors to search in, made from a seed: base vectors, and queries that are not among them."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from runs.recipe import Strict

Vectors = NDArray[np.float32]


class DatasetOptions(Strict):
    """Keys of `dataset`."""

    kind: Literal["random", "clustered"] = Field("random", description="clustered: around n/100 centres, as text is")
    n: int = Field(10_000, ge=1, le=10_000_000, description="base vectors")
    dim: int = Field(64, ge=1, le=16_000, description="dimensions")
    seed: int = Field(0, ge=0, description="the same seed gives the same vectors")


@dataclass(frozen=True)
class Dataset:
    """`base` has shape (n, dim), `queries` (q, dim); both float32."""

    base: Vectors
    queries: Vectors

    def digest(self) -> str:
        """Return the SHA-256 of all vectors, as they lie in memory (little-endian float32 on all our machines)."""
        total = hashlib.sha256(np.ascontiguousarray(self.base).data)
        total.update(np.ascontiguousarray(self.queries).data)
        return total.hexdigest()


def make(options: DatasetOptions, queries: int) -> Dataset:
    """Make a dataset; the same options give the same vectors."""
    generator = np.random.default_rng([options.seed, options.dim])
    total = options.n + queries
    vectors = generator.standard_normal((total, options.dim), dtype=np.float32)
    if options.kind == "clustered":
        centres = generator.standard_normal((max(1, options.n // 100), options.dim), dtype=np.float32) * 4
        vectors += centres[generator.integers(0, len(centres), total)]
    return Dataset(vectors[: options.n], vectors[options.n :])
