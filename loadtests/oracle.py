"""The exact answer of a nearest-neighbour search, by brute force, and recall against it."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loadtests import cache
from loadtests.dataset import Dataset, Metric, Vectors
from loadtests.outcome import SetupError

_TIE = 1e-3
"""An answer counts when its true distance is at most the k-th true distance d plus 1e-3 * min(1, d): ties and the last
bits of a float must not decide recall. That is ann-benchmarks' rule where d is 1 or more. Its slack of 1e-3 whatever
the distance would forgive most misses where cosine distances are small: 88 % of them in clustered vectors (20 000 of
64 dimensions, the next neighbour in place of the k-th) against 8 % so; in random ones 28 % against 18 %."""
_ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""What two float32 vectors of length 1 may be off by in their cosine: nearer neighbours than that nobody can order."""
_SPARE = 32
"""Candidates beyond k, for those that float32 puts in the wrong order."""
_CELLS = 1 << 22
"""Distances computed at once: 16 MB of float32, and four times that while they are sorted."""
_METHOD = "1"
"""Part of a cached answer's name: another one for another way to compute it."""
_DISAGREE = 0.01
"""Share of queries whose k-th distance may differ from a file's own truth before one of the two must be wrong."""


class Oracle:
    """Knows, for each query, how far the k-th nearest base vector is, of those whose attribute is less than `below`.

    With `cached`, the distances are taken from the user's cache where it has them, and kept there otherwise.
    """

    def __init__(
        self, dataset: Dataset, k: int, metric: Metric, *, below: int | None = None, cached: bool = False
    ) -> None:
        self._base, self._queries = dataset.base, dataset.queries
        self._allowed_rows: NDArray[np.intp] | None = None
        if below is not None:
            assert dataset.attributes is not None  # noqa: S101 - made with the filter
            self._allowed_rows = np.flatnonzero(dataset.attributes < below)
        self.found = len(self._base) if self._allowed_rows is None else len(self._allowed_rows)
        """Base vectors that pass the filter."""
        if self.found == 0:
            raise SetupError("filter: no vector passes it: make its selectivity larger")
        self.k = min(k, self.found)
        """Answers that a search must give."""
        self._metric: Metric = metric
        if metric == "cosine":
            self._base, self._queries = _unit(self._base), _unit(self._queries)
        self.from_cache = False
        self.bounds = self._cached(dataset, below) if cached else self._bounds()
        self._limits = self.bounds + _TIE * np.minimum(1.0, self.bounds) + (_ROUNDING if metric == "cosine" else 0.0)

    def _cached(self, dataset: Dataset, below: int | None) -> NDArray[np.float64]:
        facts = f"{_METHOD} {dataset.digest()} {self.k} {self._metric} {below}"
        name = f"oracle-{hashlib.sha256(facts.encode()).hexdigest()[:40]}"
        kept = cache.read(name)
        if kept is not None and len(kept) == 8 * len(self._queries):
            self.from_cache = True
            return np.frombuffer(kept, dtype="<f8")
        bounds = self._bounds()
        cache.write(name, bounds.astype("<f8").tobytes())
        return bounds

    def _bounds(self) -> NDArray[np.float64]:
        """Find the k-th distances: candidates in float32, a few more than k, then their distances in float64."""
        base = self._base if self._allowed_rows is None else self._base[self._allowed_rows]
        norms = np.einsum("ij,ij->i", base, base)
        count = min(len(base), self.k + _SPARE)
        at_once = max(1, _CELLS // len(base))
        bounds = np.empty(len(self._queries))
        for start in range(0, len(self._queries), at_once):
            # Squared distances but for the query's own norm, which changes no order.
            rough = norms - 2.0 * (self._queries[start : start + at_once] @ base.T)
            near = np.argpartition(rough, count - 1, axis=1)[:, :count]
            for index, rows in enumerate(near, start):
                distances = self._distances(index, base[rows])
                bounds[index] = np.partition(distances, self.k - 1)[self.k - 1]
        return bounds

    def digest(self) -> str:
        """Return the SHA-256 of the k-th distances to nine digits: other answers, another digest."""
        return hashlib.sha256(" ".join(f"{bound:.9g}" for bound in self.bounds).encode()).hexdigest()

    def distances(self, query: int, rows: "Sequence[int] | NDArray[np.intp]") -> NDArray[np.float64]:
        """Return the true distances of base vectors to a query: Euclidean, or 1 - cosine similarity."""
        return self._distances(query, self._base[np.asarray(rows, dtype=np.intp)])

    def _distances(self, query: int, found: Vectors) -> NDArray[np.float64]:
        near, asked = found.astype(np.float64), self._queries[query].astype(np.float64)
        if self._metric == "cosine":
            return np.asarray(1.0 - near @ asked, dtype=np.float64)
        return np.asarray(np.linalg.norm(near - asked, axis=1), dtype=np.float64)

    def recall(self, query: int, rows: Sequence[int]) -> float:
        """Return the share of the k answers that are as near as the true ones. Doubles count once."""
        distinct = list(dict.fromkeys(rows))[: self.k]
        if not distinct:
            return 0.0
        return float((self.distances(query, distinct) <= self._limits[query]).sum() / self.k)

    def agrees(self, truth: NDArray[np.float64]) -> bool:
        """Hold the k-th distances against a file's own (shape (q, width)); False: they do not reach to the k-th.

        Raises SetupError where the two differ: the file's metric or its truth is not what it says.
        """
        if truth.shape[1] < self.k:
            return False
        close = np.isclose(truth[:, self.k - 1], self.bounds, rtol=1e-3, atol=1e-4)
        if (differ := 1.0 - close.mean()) > _DISAGREE:
            raise SetupError(
                f"dataset: its own distances differ from the exact ones ({self._metric}) for {differ:.0%} of its "
                "queries: the file is damaged, or its `distance` attribute is wrong"
            )
        return True


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
