"""What objects hold: a function of seed and key, so that every byte of an answer can be checked and none is kept.

An object is a stretch of random bytes that it shares with others, and at its end 32 bytes (fewer, where it is shorter)
that it shares with none. So the MD5 of a new object, which is what its ETag must be, costs next to nothing: the state
after the shared stretch is known.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_POOL = 32 * 2**20
_TAIL = 32
_APART = 4099
"""Bytes between the beginnings of two stretches: odd, so that no block size of a store fits."""
_FEW_ABOVE = 64 * 1024


class Content(NamedTuple):
    """One object: its size in bytes, where its shared stretch begins in the pool, and its own end."""

    size: int
    start: int
    tail: bytes


class Contents:
    """All objects of one seed. `sizes`: what sizes there are, each as frequent as it stands there."""

    def __init__(self, seed: int, sizes: Sequence[int]) -> None:
        self._seed = seed
        self._sizes = sizes
        # More stretches are more to compute before the load, and tell a store that finds equal blocks little.
        self._stretches = 8 if max(sizes) <= _FEW_ABOVE else 2
        length = min(max(sizes), _POOL) + _APART * self._stretches
        self._pool = np.random.default_rng(seed).bytes(length)
        self._state = lru_cache(maxsize=8192)(self._digest)

    def of(self, key: str) -> Content:
        """Return the content of the object `key`."""
        digest = hashlib.blake2b(f"{self._seed}/{key}".encode(), digest_size=_TAIL).digest()
        size = self._sizes[int.from_bytes(digest[:4]) % len(self._sizes)]
        return Content(size, _APART * (digest[4] % self._stretches), digest[:size])

    def read(self, content: Content, begin: int, end: int) -> bytes:
        """Return the bytes from `begin` to `end` (at most the object's size)."""
        shared = content.size - len(content.tail)
        body = self._stretch(content.start + begin, min(end, shared) - begin) if begin < shared else b""
        return body + content.tail[max(0, begin - shared) : max(0, end - shared)]

    def _stretch(self, start: int, length: int) -> bytes:
        start %= len(self._pool)
        body = self._pool[start : start + length]
        while len(body) < length:
            body += self._pool[: length - len(body)]
        return body

    def md5(self, content: Content, begin: int, end: int) -> bytes:
        """Return the MD5 of the bytes from `begin` to `end`."""
        shared = min(end, content.size - len(content.tail))
        state = self._state(content.start + begin, max(0, shared - begin)).copy()
        state.update(self.read(content, max(begin, shared), end))
        return state.digest()

    def _digest(self, start: int, length: int) -> "hashlib._Hash":
        return hashlib.md5(self._stretch(start, length), usedforsecurity=False)

    def etag(self, content: Content, part: int) -> str:
        """Return the ETag that S3 gives the object: its MD5, or the MD5 of the MD5s of its parts and their number."""
        if content.size <= part:
            return self.md5(content, 0, content.size).hex()
        parts = [self.md5(content, *span) for span in spans(content.size, part)]
        return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"

    def warm(self, part: int) -> None:
        """Compute the states that requests will need; 1.3 ms a MB of stretches."""
        for size in set(self._sizes):
            for stretch in range(self._stretches):
                self.etag(Content(size, _APART * stretch, bytes(min(size, _TAIL))), part)


def spans(size: int, part: int) -> list[tuple[int, int]]:
    """Cut an object of `size` bytes into parts of `part` bytes, the last of which may be shorter: (begin, end)."""
    return [(begin, min(begin + part, size)) for begin in range(0, size, part)]
