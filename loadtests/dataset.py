"""Vectors to search in: base vectors, queries that are not among them, and an attribute to filter by."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from loadtests import hdf5
from loadtests.outcome import SetupError
from runs.paths import UserPath
from runs.recipe import Strict

Vectors = NDArray[np.float32]
Metric = Literal["l2", "cosine"]

DEFAULT_N = 10_000
ATTRIBUTES = 1_000_000
"""Attributes are whole numbers in [0, ATTRIBUTES): a filter is `attribute < selectivity * ATTRIBUTES`."""
_CELLS = 1 << 23
"""Numbers looked at together."""


class DatasetOptions(Strict):
    """Keys of `dataset`."""

    kind: Literal["random", "clustered", "hdf5"] = Field(
        "random", description="clustered: around n/100 centres, as text is; hdf5: a file of ann-benchmarks"
    )
    path: UserPath | None = Field(None, description="hdf5: the file")
    n: int | None = Field(
        None, ge=1, le=100_000_000, description="base vectors; default: 10000, of a file all (else its first n)"
    )
    dim: int = Field(64, ge=1, le=16_000, description="dimensions; of a file: its own")
    seed: int = Field(0, ge=0, description="the same seed gives the same vectors and attributes")

    @model_validator(mode="after")
    def _source(self) -> Self:
        if (self.kind == "hdf5") != (self.path is not None):
            raise ValueError("kind hdf5 needs the path of a file, and the other kinds have none")
        # A resolved recipe names every key: one that stands at its default asks for nothing.
        if self.kind == "hdf5" and self.dim != type(self).model_fields["dim"].default:
            raise ValueError("a file has its own dimensions: leave `dim` out")
        return self


@dataclass(frozen=True)
class Dataset:
    """`base` has shape (n, dim), `queries` (q, dim); both float32. `attributes`, where made, has shape (n,).

    `metric` and `truth` are a file's own: its distance, and the distances of each query to its true neighbours, nearest
    first. `notes` are for the record.
    """

    base: Vectors
    queries: Vectors
    attributes: NDArray[np.int64] | None = None
    metric: Metric | None = None
    truth: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Return the SHA-256 of all vectors, as they lie in memory (little-endian float32 on all our machines)."""
        total = hashlib.sha256(np.ascontiguousarray(self.base).data)
        total.update(np.ascontiguousarray(self.queries).data)
        if self.attributes is not None:
            total.update(self.attributes.data)
        return total.hexdigest()


def make(options: DatasetOptions, queries: int, *, attributes: bool = False) -> Dataset:
    """Make or read a dataset of at most `queries` queries; the same options give the same one. Raises SetupError."""
    made = _read(options, queries) if options.path is not None else _made(options, queries)
    for name, vectors in (("base", made.base), ("query", made.queries)):
        if not all(np.isfinite(piece).all() for piece in _pieces(vectors)):
            raise SetupError(f"dataset: some {name} vectors hold NaN or infinity: no distance is true of them")
    made = _held_out(made)
    if len(made.queries) == 0:
        raise SetupError("dataset: there is no query vector that is not also a base vector")
    if len(made.queries) < queries:
        note = f"{len(made.queries)} different queries, where {queries} were asked for"
        made = replace(made, notes=(*made.notes, note))
    if attributes:
        generator = np.random.default_rng([options.seed, len(made.base), 1])
        made = replace(made, attributes=generator.integers(0, ATTRIBUTES, len(made.base)))
    return made


def _made(options: DatasetOptions, queries: int) -> Dataset:
    generator, n = np.random.default_rng([options.seed, options.dim]), options.n or DEFAULT_N
    total = n + queries
    vectors = generator.standard_normal((total, options.dim), dtype=np.float32)
    if options.kind == "clustered":
        centres = generator.standard_normal((max(1, n // 100), options.dim), dtype=np.float32) * 4
        vectors += centres[generator.integers(0, len(centres), total)]
    return Dataset(vectors[:n], vectors[n:])


def _read(options: DatasetOptions, queries: int) -> Dataset:
    assert options.path is not None  # noqa: S101 - asked before
    found = hdf5.read(options.path, options.n, queries)
    return Dataset(found.train, found.test, metric=found.metric, truth=found.distances)


def _pieces(vectors: Vectors) -> Iterator[Vectors]:
    rows = max(1, _CELLS // vectors.shape[1])
    return (vectors[start : start + rows] for start in range(0, len(vectors), rows))


def _held_out(data: Dataset) -> Dataset:
    """Leave out the queries that are base vectors: their nearest neighbour is no neighbour."""
    weights = np.random.default_rng(0).integers(1, 2**63, data.base.shape[1], dtype=np.uint64) | np.uint64(1)

    def sums(vectors: Vectors) -> NDArray[np.uint64]:
        # Vectors are told apart by a sum over their bits: quick, and the same wherever they lie.
        return np.asarray(np.ascontiguousarray(vectors).view(np.uint32) @ weights, dtype=np.uint64)

    wanted, found = sums(data.queries), np.zeros(len(data.queries), dtype=bool)
    for piece in _pieces(data.base):
        found |= np.isin(wanted, sums(piece))
    if not found.any():
        return data
    # Equal sums of different vectors happen once in 2^64: a query too few is no harm.
    truth = None if data.truth is None else data.truth[~found]
    note = f"{found.sum()} queries were left out: they are among the base vectors"
    return replace(data, queries=data.queries[~found], truth=truth, notes=(*data.notes, note))
