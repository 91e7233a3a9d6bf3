"""Room that a run holds for its own end: a full disk or a used-up quota, which no statfs tells of, costs no seal."""

import contextlib
import os

from runs.directory import RunDirectory

SIZE = 16 * 2**20
"""Bytes: the blocks, the records, the report and the manifest of a run of ordinary length."""
_NAME = "reserve"


def take(run: RunDirectory) -> None:
    """Hold the room. Raises OSError: there is not that much."""
    with (run.live / _NAME).open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, SIZE)


def release(run: RunDirectory) -> None:
    """Give it free, for what the end of the run writes; nothing happens where none is held."""
    with contextlib.suppress(OSError):
        (run.live / _NAME).unlink()
