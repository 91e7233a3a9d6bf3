"""One Faiss index in memory: what the `faiss` backend searches in process, and our small server over HTTP."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.dataset import Vectors
from loadtests.vectors.base import IndexOptions, Search


class FaissIndex:
    """Vectors with the ids 0, 1, ... in their order. `search` may be called by several threads at once."""

    def __init__(self, dim: int, options: IndexOptions) -> None:
        import faiss  # noqa: PLC0415 - an extra

        self._faiss: Any = faiss
        self.dim, self._options = dim, options
        self._parts: list[Vectors] = []
        self._attributes: list[NDArray[np.int64]] = []
        self._selectors: dict[int, Any] = {}
        self._index: Any = None
        self.count = 0

    @property
    def built(self) -> bool:
        """Whether it can be searched."""
        return self._index is not None

    @property
    def attributed(self) -> bool:
        """Whether each vector has an attribute to filter by."""
        return sum(map(len, self._attributes)) == self.count > 0

    def add(self, vectors: Vectors, attributes: NDArray[np.int64] | None = None) -> None:
        """Take vectors of shape (n, dim), and an attribute for each. Raises ValueError for another dimension."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"vectors of shape {vectors.shape} for an index of {self.dim} dimensions")
        if attributes is not None:
            self._attributes.append(attributes)
        self._parts.append(self._unit(vectors))
        self.count += len(vectors)

    def build(self) -> None:
        """Train and build the index over all that was added, with every core. Raises RuntimeError."""
        faiss, options = self._faiss, self._options
        metric = faiss.METRIC_INNER_PRODUCT if options.metric == "cosine" else faiss.METRIC_L2
        base = np.concatenate(self._parts) if self._parts else np.empty((0, self.dim), np.float32)
        self._parts.clear()
        if options.index == "hnsw":
            index = faiss.IndexHNSWFlat(self.dim, options.m, metric)
            index.hnsw.efConstruction = options.ef_construction
        else:
            index = faiss.IndexFlat(self.dim, metric)
            if options.index == "ivfflat":
                self._coarse = index  # Faiss keeps no hold of it
                index = faiss.IndexIVFFlat(index, self.dim, min(options.lists, len(base)), metric)
                index.train(base)
        index.add(base)
        self._index = index

    def search(self, query: Vectors, how: Search) -> tuple[list[int], list[float]]:
        """Return ids and distances (Euclidean, or 1 - cosine similarity) of the nearest, nearest first.

        One query takes one thread, and lets go of the interpreter's lock meanwhile. Raises ValueError for another
        dimension.
        """
        if query.shape != (self.dim,):
            raise ValueError(f"a query of shape {query.shape} for an index of {self.dim} dimensions")
        scores, ids = self._index.search(self._unit(query[None]), how.k, params=self._parameters(how))
        found = ids[0] >= 0
        cosine = self._options.metric == "cosine"
        # Faiss gives squared Euclidean distances, and similarities where more is nearer.
        distances = 1 - scores[0] if cosine else np.sqrt(np.maximum(scores[0], 0))
        return ids[0][found].tolist(), distances[found].tolist()

    def _parameters(self, how: Search) -> Any:
        faiss = self._faiss
        selector: Mapping[str, Any] = {} if how.below is None else {"sel": self._selector(how.below)}
        if self._options.index == "hnsw":
            return faiss.SearchParametersHNSW(efSearch=how.ef_search, **selector)
        if self._options.index == "ivfflat":
            return faiss.SearchParametersIVF(nprobe=how.probes, **selector)
        return faiss.SearchParameters(**selector)

    def _selector(self, below: int) -> Any:
        if below not in self._selectors:
            bits = np.packbits(np.concatenate(self._attributes) < below, bitorder="little")
            self._selectors[below] = self._faiss.IDSelectorBitmap(bits)
        return self._selectors[below]

    def _unit(self, vectors: Vectors) -> Vectors:
        if self._options.metric != "cosine":
            return np.ascontiguousarray(vectors, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)
