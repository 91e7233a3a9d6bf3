"""What is dear to compute and the same every time: kept in the user's cache, checked when read."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

_SUM = hashlib.sha256().digest_size


def directory() -> Path:
    """Return where it is kept: $XDG_CACHE_HOME/dashcam/truth, by default under ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "dashcam" / "truth"


def read(name: str) -> bytes | None:
    """Return what was kept under `name`; None where nothing was, or where it is not what was written."""
    try:
        content = (directory() / name).read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: nobody's home is known
        return None
    digest, body = content[:_SUM], content[_SUM:]
    return body if hashlib.sha256(body).digest() == digest else None


def write(name: str, body: bytes) -> None:
    """Keep `body` under `name`, whole or not at all. A cache that cannot be written costs time, not the run."""
    with contextlib.suppress(OSError, RuntimeError):
        directory().mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=directory(), prefix=f".{name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            Path(temporary).replace(directory() / name)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
