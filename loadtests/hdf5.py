"""Datasets of ann-benchmarks: HDF5 files with `train`, `test`, `neighbors`, `distances` and the attribute `distance`.

Format: https://github.com/erikbern/ann-benchmarks#data-sets. `angular` distances in it are 1 - cosine similarity.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from loadtests.outcome import SetupError

_METRICS: dict[str, Literal["l2", "cosine"]] = {"euclidean": "l2", "angular": "cosine"}


@dataclass(frozen=True)
class AnnFile:
    """`train` has shape (n, dim), `test` (q, dim), both float32.

    `distances` has shape (q, width): of each query to its true neighbours, nearest first; None where the file has none,
    or where they are of more vectors than were read.
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    metric: Literal["l2", "cosine"]
    distances: NDArray[np.float64] | None


def read(path: Path, n: int | None, queries: int) -> AnnFile:
    """Read the first `n` base vectors (None: all) and at most `queries` queries. Raises SetupError."""
    try:
        import h5py  # noqa: PLC0415 - an extra, needed for these files only
    except ImportError as error:
        raise SetupError("h5py is missing to read HDF5: pip install 'dashcam[hdf5]'") from error
    place = path.expanduser()
    try:
        with h5py.File(place, "r") as file:
            return _read(file, place, n, queries)
    except OSError as error:
        raise SetupError(f"dataset {place}: no HDF5 file that can be read: {str(error).splitlines()[0]}") from error


def _read(file: Any, place: Path, n: int | None, queries: int) -> AnnFile:
    missing = [name for name in ("train", "test") if name not in file]
    if missing:
        raise SetupError(
            f"dataset {place}: there is no {' and no '.join(missing)} in it, as ann-benchmarks' files have"
        )
    word = file.attrs.get("distance", "none")
    word = word.decode() if isinstance(word, bytes) else str(word)
    if word not in _METRICS:
        raise SetupError(f"dataset {place}: its distance is {word!r}, not {' or '.join(_METRICS)}")
    train, test = file["train"], file["test"]
    for name, part in (("train", train), ("test", test)):
        if part.ndim != 2 or part.dtype.kind not in "fiu" or 0 in part.shape:
            raise SetupError(f"dataset {place}: {name} is {part.shape} of {part.dtype}, not rows of numbers")
    if train.shape[1] != test.shape[1]:
        raise SetupError(
            f"dataset {place}: its base vectors have {train.shape[1]} dimensions and its queries {test.shape[1]}"
        )
    if n is not None and n > len(train):
        raise SetupError(f"dataset {place}: it has {len(train)} base vectors, {n} were asked for: make n smaller")
    distances = None
    if "distances" in file and (n is None or n == len(train)):
        part = file["distances"]
        if part.ndim != 2 or len(part) != len(test):
            raise SetupError(f"dataset {place}: distances is {part.shape} for {len(test)} queries")
        distances = part[:queries].astype(np.float64)
    return AnnFile(
        np.ascontiguousarray(train[:n], dtype=np.float32),
        np.ascontiguousarray(test[:queries], dtype=np.float32),
        _METRICS[word],
        distances,
    )
