"""The steps of a job as Slurm lists them, asked for once for all who want to know at the same time."""

import threading
import time
from collections.abc import Callable


class Steps:
    """`ask` returns lines of ID|NAME, as squeue writes them; what it raises goes to whoever asked."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._begun = float("-inf")
        self._listed: list[tuple[str, str]] = []

    def named(self, name: str) -> list[str]:
        """Return the ids of the steps of that name, by a listing that was not begun before this call."""
        since = time.monotonic()
        with self._lock:
            # Whoever came while another was asking shares the listing that is begun after both.
            if self._begun < since:
                begun = time.monotonic()
                lines = self._ask().splitlines()
                self._listed = [(step, of) for step, _, of in (line.strip().partition("|") for line in lines)]
                self._begun = begun
            return [step for step, of in self._listed if of == name]
