"""Calls that may never return, made in threads that are left behind, a few at most, when they do not."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _Stuck(Generic[K]):
    """The keys whose calls have not returned."""

    def __init__(self) -> None:
        self._keys: set[K] = set()
        self._lock = threading.Lock()

    def add(self, key: K) -> None:
        with self._lock:
            self._keys.add(key)

    def discard(self, key: K) -> None:
        with self._lock:
            self._keys.discard(key)

    def snapshot(self) -> frozenset[K]:
        with self._lock:
            return frozenset(self._keys)


class Patience(Generic[K, T]):
    """Makes calls by key, one after the other. A key whose call hangs is not called again until that call returns.

    With `most_stuck` calls that hang, nothing is called until one of them returns.
    """

    def __init__(self, most_stuck: int = 4) -> None:
        self._most = most_stuck
        self._stuck: _Stuck[K] = _Stuck()

    @property
    def stuck(self) -> frozenset[K]:
        """The keys whose calls have not returned."""
        return self._stuck.snapshot()

    def each(self, keys: Iterable[K], call: Callable[[K], T], one: float, total: float) -> dict[K, T]:
        """Return what `call` gives for each key: those that return within `one` second each and `total` in all.

        What `call` raises ends its thread and leaves out the keys after it; it should return its failures.
        """
        deadline = time.monotonic() + total
        left = list(reversed(list(keys)))
        found: dict[K, T] = {}
        while left and time.monotonic() < deadline and len(self.stuck) < self._most:
            walk = _Walk(self._stuck, left, call, found)
            walk.start()
            if walk.wait(one, deadline):
                break
        return found


class _Walk(Generic[K, T]):
    """One thread that goes through the keys until it is done, or abandoned while it hangs in one."""

    def __init__(self, stuck: _Stuck[K], left: list[K], call: Callable[[K], T], found: dict[K, T]) -> None:
        self._stuck = stuck
        self._left = left
        self._call = call
        self._found = found
        self._changed = threading.Condition()
        self._current: tuple[K] | None = None
        self._begun = time.monotonic()
        self._over = False
        self._abandoned = threading.Event()

    def start(self) -> None:
        """Begin in a thread of its own."""
        threading.Thread(target=self._go, name="patience", daemon=True).start()

    def wait(self, one: float, deadline: float) -> bool:
        """Return True when all keys are through; False when one hangs, which is stuck from now on."""
        with self._changed:
            while not self._over:
                now = time.monotonic()
                until = min(deadline, self._begun + one)
                if now >= until:
                    self._abandoned.set()
                    if self._current is not None:
                        self._stuck.add(self._current[0])
                    return False
                self._changed.wait(until - now)
            return True

    def _go(self) -> None:
        try:
            while self._next():
                pass
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _next(self) -> bool:
        stuck = self._stuck.snapshot()
        with self._changed:
            if self._abandoned.is_set() or not self._left:
                return False
            key = self._left.pop()
            self._begun = time.monotonic()
            if key in stuck:
                return True
            self._current = (key,)
        try:
            result = self._call(key)
        finally:
            with self._changed:
                self._current = None
                if self._abandoned.is_set():
                    self._stuck.discard(key)
        return self._keep(key, result)

    def _keep(self, key: K, result: T) -> bool:
        with self._changed:
            if not self._abandoned.is_set():
                self._found[key] = result
            return not self._abandoned.is_set()
