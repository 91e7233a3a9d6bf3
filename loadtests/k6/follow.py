"""k6's points while k6 runs: the CSV file is read as it grows."""

import asyncio
import contextlib
import csv
from collections.abc import AsyncIterator
from pathlib import Path

from loadtests.importers.base import ImporterError, Row, Unfit
from loadtests.importers.k6 import Joiner, csv_points

_EACH = 0.25
_PART = 1 << 20
"""Bytes parsed at once: 5 ms, for which the load's /metrics may well wait."""


class Follower:
    """Reads a growing CSV file. Lines that are not whole yet wait for their rest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self._header: list[str] | None = None
        self._joiner = Joiner()

    @property
    def dropped(self) -> int:
        """Iterations that k6 has not begun because it had no user left for them."""
        return self._joiner.dropped

    async def follow(self, over: asyncio.Event) -> AsyncIterator[list[tuple[int | None, Row]]]:
        """Yield requests with their numbers as they end, until `over` is set and all is read. Raises ImporterError."""
        last = False
        while not last:
            last = over.is_set()
            while (found := await asyncio.to_thread(self._part)) is not None:
                yield found
            if not last:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _EACH)
        yield list(self._joiner.rest())

    def _part(self) -> list[tuple[int | None, Row]] | None:
        """Return the requests of the next part of the file; None: there is nothing more yet."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._position)
                part = stream.read(_PART)
        except FileNotFoundError:
            return None
        if not part:
            return None
        self._position += len(part)
        whole, newline, self._rest = (self._rest + part).rpartition(b"\n")
        rows = csv.reader((whole + newline).decode(errors="replace").splitlines())
        try:
            if self._header is None and newline:
                self._header = next(rows)
            points = csv_points(self._header, rows) if self._header is not None else ()
            return [item for point in points for item in self._joiner.add(point)]
        except (Unfit, csv.Error) as error:
            raise ImporterError(self._path, str(error), "is this the CSV output of a k6 of 1.x or 2.x?") from error
