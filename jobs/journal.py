"""The manifest of a run that goes on: changed by several threads, on disk after every change."""

import contextlib
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from runs.directory import RunDirectory
from runs.manifest import Manifest

T = TypeVar("T")


def say(text: str) -> None:
    """Write a line to the log that this process has as its standard output; a full disk costs the line only."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode())


class Journal:
    """Owns run.json while a run lives."""

    def __init__(self, run: RunDirectory, manifest: Manifest) -> None:
        self.run = run
        self._manifest = manifest
        self._lock = threading.Lock()

    @classmethod
    def open(cls, run: RunDirectory) -> "Journal":
        """Read the manifest of `run`. Raises runs.manifest.ManifestError."""
        return cls(run, Manifest.load(run.manifest))

    def update(self, change: Callable[[Manifest], T]) -> T:
        """Apply `change` and save. Raises OSError when the run directory cannot be written."""
        with self._lock:
            result = change(self._manifest)
            self._manifest.save(self.run.manifest)
            return result

    def set(self, **fields: object) -> None:
        """Set fields of the manifest and save. Raises OSError."""

        def change(manifest: Manifest) -> None:
            for name, value in fields.items():
                setattr(manifest, name, value)

        self.update(change)

    def note(self, text: str) -> None:
        """Add a line for the report, once. Raises OSError."""
        if text not in self.manifest.notes:
            self.update(lambda manifest: manifest.notes.append(text))

    @property
    def manifest(self) -> Manifest:
        """The manifest as it is now; change it by `update` only."""
        return self._manifest
