"""Reads the files of a control group; what is not there is None, what is malformed is counted."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from exporters.cgroup_files import parse_limit, parse_number, parse_table
from exporters.collector import Malformed
from exporters.figures import Parsed
from exporters.files import read_text

T = TypeVar("T")


class Reader:
    """Counts into `malformed`."""

    def __init__(self, malformed: Malformed) -> None:
        self._malformed = malformed

    def text(self, path: Path) -> str | None:
        """Return a file's text; None where it cannot be read."""
        try:
            return read_text(str(path))
        except OSError:
            return None

    def parsed(self, path: Path, parse: Callable[[str], Parsed[T]]) -> T | None:
        """Return what `parse` makes of a file; None where it cannot be read."""
        text = self.text(path)
        if text is None:
            return None
        result = parse(text)
        self._malformed.add(result.malformed)
        return result.value

    def number(self, path: Path) -> int | None:
        """Return a file that holds one number."""
        return self.parsed(path, parse_number)

    def table(self, path: Path) -> Mapping[str, int]:
        """Return a file of `name number` lines; empty where it cannot be read."""
        return self.parsed(path, parse_table) or {}

    def lowest_limit(self, folders: Iterable[Path], name: str) -> int | None:
        """Return the smallest limit `name` in `folders`; None where none of them limits."""
        limits = [self.parsed(folder / name, parse_limit) for folder in folders]
        return min((limit for limit in limits if limit is not None), default=None)
