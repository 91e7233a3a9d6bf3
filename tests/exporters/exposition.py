"""Reads expositions back, and has promtool judge them."""

import shutil
import subprocess
from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families


class Samples:
    """The samples of one exposition."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._found = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    @classmethod
    def parse(cls, text: str | bytes) -> "Samples":
        """Read text format 0.0.4."""
        return cls(text_string_to_metric_families(text.decode() if isinstance(text, bytes) else text))

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return the value of exactly this series; None where it is not there."""
        return self._found.get((name, tuple(sorted(labels.items()))))

    def names(self) -> set[str]:
        """Return the names of all series."""
        return {name for name, _ in self._found}

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the labels of each series of that name."""
        return [dict(labels) for found, labels in self._found if found == name]


def check_metrics(text: str | bytes) -> None:
    """Fail where `promtool check metrics` has anything to say."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: `make packages` installs it"
    content = text.encode() if isinstance(text, str) else text
    done = subprocess.run([promtool, "check", "metrics"], input=content, capture_output=True, check=False, timeout=20)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert not done.stderr, done.stderr.decode()
