"""One scrape of a sidecar of ours, as the run would make it: the same code, the same rights."""

import sys
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from jobs.doctor.base import ask

Sample = tuple[str, Mapping[str, str], float]


class ScrapeError(Exception):
    """The sidecar could not be run; the text says why."""


def once(*names: str, within: float = 15.0) -> list[Sample]:
    """Run sidecars once; returns (name, labels, value) of each sample. Raises ScrapeError."""
    answer = ask([sys.executable, "-P", "-m", "exporters", *names, "--once"], within)
    if answer.code != 0:
        raise ScrapeError(answer.reason)
    families = text_string_to_metric_families(answer.out)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def reason(samples: list[Sample], name: str) -> str | None:
    """Return why the gauge `name` (1: all is well) is not 1; None: it is."""
    found = [(labels, value) for sample, labels, value in samples if sample == name]
    if any(value == 1.0 for _, value in found):
        return None
    return next((labels.get("reason", "") for labels, _ in found), f"no {name} in the scrape")
