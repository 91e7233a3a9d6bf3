"""Traces as lines of OTLP JSON in a file that does not grow beyond its limit, never with half a line."""

import contextlib
import os
from pathlib import Path

LIMIT, WRITE_ERROR, NO_FILE = "limit", "write_error", "no_file"


class Traces:
    """Appends to `path`, which is made with mode 0600; without one nothing is kept. One thread at a time."""

    def __init__(self, path: Path | None, limit: int) -> None:
        self._path = path
        self._limit = limit
        self.size = 0
        if path is not None:
            with self._opened() as descriptor:
                self.size = os.fstat(descriptor).st_size

    def write(self, line: str) -> str | None:
        """Append a line; returns why it was not kept, None where it was."""
        if self._path is None:
            return NO_FILE
        data = line.encode() + b"\n"
        if self.size + len(data) > self._limit:
            return LIMIT
        try:
            with self._opened() as descriptor:
                written = 0
                try:
                    while written < len(data):
                        written += os.write(descriptor, data[written:])
                except OSError:
                    # The disk is full: what is there of the line must not look like one.
                    os.ftruncate(descriptor, self.size)
                    raise
        except OSError:
            return WRITE_ERROR
        self.size += len(data)
        return None

    def _opened(self) -> "contextlib.AbstractContextManager[int]":
        return _Descriptor(self._path or Path())


class _Descriptor(contextlib.AbstractContextManager[int]):
    """The file, opened to append. It may be on a shared file system: it is not kept open between requests."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
