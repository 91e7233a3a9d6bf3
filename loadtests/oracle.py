"""The exact answer of a nearest-neighbour search, by brute force, and recall against it."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadtests.dataset import Dataset, Vectors

Metric = Literal["l2", "cosine"]
_TIE = 1e-3
"""An answer counts when its true distance is at most the k-th true distance d plus 1e-3 * min(1, d): ties and the last
bits of a float must not decide recall. That is ann-benchmarks' rule where d is 1 or more. Its slack of 1e-3 whatever
the distance would forgive most misses where cosine distances are small: 88 % of them in clustered vectors (20 000 of
64 dimensions, the next neighbour in place of the k-th) against 8 % so; in random ones 28 % against 18 %."""
_SPARE = 32
"""Candidates beyond k, for those that float32 puts in the wrong order."""
_CELLS = 1 << 22
"""Distances computed at once: 16 MB of float32, and four times that while they are sorted."""


class Oracle:
    """Knows, for each query, how far the k-th nearest base vector is."""

    def __init__(self, dataset: Dataset, k: int, metric: Metric) -> None:
        self._base, self._queries = dataset.base, dataset.queries
        self._k = min(k, len(dataset.base))
        if metric == "cosine":
            self._base, self._queries = _unit(self._base), _unit(self._queries)
        self._metric: Metric = metric
        self._norms = np.einsum("ij,ij->i", self._base, self._base)
        self.bounds = self._bounds()
        self._allowed = self.bounds + _TIE * np.minimum(1.0, self.bounds)

    def _bounds(self) -> NDArray[np.float64]:
        """Find the k-th distances: candidates in float32, a few more than k, then their distances in float64."""
        count = min(len(self._base), self._k + _SPARE)
        at_once = max(1, _CELLS // len(self._base))
        bounds = np.empty(len(self._queries))
        for start in range(0, len(self._queries), at_once):
            # Squared distances but for the query's own norm, which changes no order.
            rough = self._norms - 2.0 * (self._queries[start : start + at_once] @ self._base.T)
            near = np.argpartition(rough, count - 1, axis=1)[:, :count]
            for index, rows in enumerate(near, start):
                bounds[index] = np.partition(self.distances(index, rows), self._k - 1)[self._k - 1]
        return bounds

    def digest(self) -> str:
        """Return the SHA-256 of the k-th distances to nine digits: other answers, another digest."""
        return hashlib.sha256(" ".join(f"{bound:.9g}" for bound in self.bounds).encode()).hexdigest()

    def distances(self, query: int, rows: "Sequence[int] | NDArray[np.intp]") -> NDArray[np.float64]:
        """Return the true distances of base vectors to a query: Euclidean, or 1 - cosine similarity."""
        found = self._base[np.asarray(rows, dtype=np.intp)].astype(np.float64)
        asked = self._queries[query].astype(np.float64)
        if self._metric == "cosine":
            return np.asarray(1.0 - found @ asked, dtype=np.float64)
        return np.asarray(np.linalg.norm(found - asked, axis=1), dtype=np.float64)

    def recall(self, query: int, rows: Sequence[int]) -> float:
        """Return the share of the k answers that are as near as the true ones. Doubles count once."""
        distinct = list(dict.fromkeys(rows))[: self._k]
        if not distinct:
            return 0.0
        return float((self.distances(query, distinct) <= self._allowed[query]).sum() / self._k)


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
