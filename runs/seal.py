"""The seal: SHA-256 of every file of a recording, in the format that sha256sum -c reads."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from runs import atomic
from runs.directory import RunDirectory


@dataclass(frozen=True)
class Verification:
    """What holds and what does not; paths are relative to the run directory."""

    checked: int = 0
    changed: tuple[str, ...] = field(default=())
    missing: tuple[str, ...] = field(default=())
    added: tuple[str, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Whether the recording is byte for byte what was sealed, with nothing added."""
        return not (self.changed or self.missing or self.added)


class SealError(Exception):
    """There is no seal, or it cannot be read; the text says which and what to do."""


def seal(run: RunDirectory, stamp: Callable[[], None] = lambda: None) -> int:
    """Write SHA256SUMS over all files of `run`; returns how many. Raises OSError.

    `stamp` is called when all but the manifest, the summary and the report have been read: it may still write those.
    """
    late = {path.name for path in (run.manifest, run.summary, run.report)}
    digests = {name: _digest(run.path / name) for name in _files(run.path) if name not in late}
    stamp()
    digests |= {name: _digest(run.path / name) for name in sorted(late) if (run.path / name).is_file()}
    atomic.write(run.sums, "".join(_line(digests[name], name) for name in sorted(digests)), mode=0o444)
    return len(digests)


def verify(run: RunDirectory) -> Verification:
    """Hold `run` against its seal. Raises SealError where there is none or it is unreadable."""
    if not run.sealed:
        raise SealError(
            f"{run.path} is not sealed: the run may still be going (`dashcam status {run.id}`), "
            f"or it was killed (`dashcam stop {run.id}` seals what there is)"
        )
    expected = _read(run.sums)
    present = set(_files(run.path))
    changed = tuple(name for name, digest in expected.items() if name in present and _digest(run.path / name) != digest)
    return Verification(
        len(expected), changed, tuple(sorted(expected.keys() - present)), tuple(sorted(present - expected.keys()))
    )


def _line(digest: str, name: str) -> str:
    """Format one entry as coreutils does: a leading backslash says that the name is escaped."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    flag = "\\" if escaped != name else ""
    return f"{flag}{digest}  {escaped}\n"


def _read(path: Path) -> dict[str, str]:
    entries = {}
    for number, line in enumerate(path.read_text(errors="surrogateescape").splitlines(), 1):
        digest, separator, name = line.removeprefix("\\").partition("  ")
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or not separator or not name:
            raise SealError(f"{path}:{number} is no line of sha256sum: the seal itself is damaged")
        entries[_unescape(name) if line.startswith("\\") else name] = digest
    return entries


def _unescape(name: str) -> str:
    return re.sub(r"\\([\\nr])", lambda match: {"\\": "\\", "n": "\n", "r": "\r"}[match[1]], name)


def _files(root: Path) -> Iterable[str]:
    for path in root.rglob("*"):
        if (path.is_symlink() or path.is_file()) and path != root / "SHA256SUMS":
            yield path.relative_to(root).as_posix()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
