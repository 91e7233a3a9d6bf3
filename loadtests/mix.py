"""Which kind of request each one is, where a load mixes kinds by weights."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

_AT_LEAST = 100


class Mix:
    """Draws kinds in blocks: each block holds exactly as many of each kind as the weights say, in an order by the seed.

    What request N is depends on (seed, N) only, and so does how many of its kind came before it. `weights`: whole
    numbers, at least one of them not 0. A block is a multiple of their sum, at least 100 requests.
    """

    def __init__(self, weights: Mapping[str, int], seed: int) -> None:
        total = sum(weights.values())
        times = -(-_AT_LEAST // total)
        self.size = total * times
        """Requests a block."""
        self.counts = {name: weight * times for name, weight in weights.items() if weight}
        """Requests of each kind a block."""
        self._seed = seed
        self._names = [name for name, count in self.counts.items() for _ in range(count)]
        self._block = lru_cache(maxsize=64)(self._make)

    def of(self, number: int) -> tuple[str, int]:
        """Return the kind of request `number`, and how many of that kind came before it."""
        block, place = divmod(number, self.size)
        name, rank = self._block(block)[place]
        return name, block * self.counts[name] + rank

    def _make(self, block: int) -> list[tuple[str, int]]:
        seen: Counter[str] = Counter()
        result = []
        for index in np.random.default_rng([self._seed, block]).permutation(self.size):
            name = self._names[index]
            result.append((name, seen[name]))
            seen[name] += 1
        return result
