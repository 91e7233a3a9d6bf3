"""The exact answer of a nearest-neighbour search, by brute force, and recall against it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadtests.dataset import Dataset, Vectors

Metric = Literal["l2", "cosine"]
_TIE = 1e-3
"""As ann-benchmarks: an answer counts when its distance is at most the k-th true distance plus this. Ties and the last
bits of a float must not decide recall."""


class Oracle:
    """Knows, for each query, how far the k-th nearest base vector is."""

    def __init__(self, dataset: Dataset, k: int, metric: Metric) -> None:
        self._base, self._queries = dataset.base, dataset.queries
        self._k = min(k, len(dataset.base))
        if metric == "cosine":
            self._base, self._queries = _unit(self._base), _unit(self._queries)
        self._metric: Metric = metric
        self._norms = np.einsum("ij,ij->i", self._base, self._base, dtype=np.float64)
        self.bounds = self._bounds()

    def _bounds(self) -> NDArray[np.float64]:
        bounds = np.empty(len(self._queries))
        for index, query in enumerate(self._queries):
            near = np.argpartition(self._fast(query), self._k - 1)[: self._k]
            bounds[index] = self.distances(index, near).max()
        return bounds

    def _fast(self, query: Vectors) -> NDArray[np.float64]:
        """Return squared distances up to rounding: good enough to find candidates, not to compare with a bound."""
        return np.asarray(self._norms - 2.0 * (self._base @ query), dtype=np.float64)

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
        return float((self.distances(query, distinct) <= self.bounds[query] + _TIE).sum() / self._k)


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
