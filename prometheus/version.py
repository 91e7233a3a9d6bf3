"""Which release this is, of Prometheus or an exporter: majors differ in flags and in configuration keys."""

import re
import subprocess
from dataclasses import dataclass

_PATTERN = re.compile(r"^[a-z_]+, version (\d+)\.(\d+)\.(\d+)", re.MULTILINE)


class VersionError(Exception):
    """A binary did not say which release it is."""


@dataclass(frozen=True, order=True)
class Version:
    """A release of a program of the Prometheus family."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read what `--version` prints. Raises VersionError."""
        if match := _PATTERN.search(text):
            return cls(*map(int, match.groups()))
        raise VersionError(f"not the words of such a program's --version: {text[:200]!r}")

    @classmethod
    def named(cls, text: str) -> "Version":
        """Read a release's own name, as 3.5.0. Raises VersionError."""
        if match := re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", text):
            return cls(*map(int, match.groups()))
        raise VersionError(f"{text!r} is no release: write it as 3.5.0")

    @classmethod
    def of(cls, binary: str) -> "Version":
        """Ask a binary. Raises VersionError."""
        try:
            done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=20)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VersionError(f"{binary} --version cannot be asked: {error}") from error
        return cls.parse(done.stdout + done.stderr)  # 2.x before 2.46 answers on standard error

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"
