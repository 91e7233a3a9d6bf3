"""Whole files or none: write under a temporary name, sync, rename."""

import contextlib
import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes | str, *, mode: int = 0o644, sync: bool = True) -> None:
    """Put `content` at `path` so that a reader sees the old file or the new one, never half of it.

    `sync=False` skips fsync for files that are rewritten many times a minute and need not outlive a power cut.
    Raises OSError; then no temporary file is left and an older file is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    if sync:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in `path` durable; file systems that cannot (some network mounts) are passed over."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
