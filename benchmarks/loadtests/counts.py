"""Two numbers that the server counts and the benchmark reads, in a file that both have in memory."""

import mmap
from pathlib import Path

_SIZE = 16


class Counts:
    """`answers` and `events` that the server has sent. Made by `create` once, opened by both."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self.numbers = memoryview(self._map).cast("Q")
        """Answers, events: for the one who writes."""

    @classmethod
    def create(cls, path: Path) -> "Counts":
        """Make the file, with both at 0."""
        path.write_bytes(bytes(_SIZE))
        return cls(path)

    @property
    def answers(self) -> int:
        """Answers that were sent to their end."""
        return self.numbers[0]

    @property
    def events(self) -> int:
        """Events with content."""
        return self.numbers[1]

    def close(self) -> None:
        """Give the memory back."""
        self.numbers.release()
        self._map.close()
