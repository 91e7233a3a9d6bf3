"""Families that are filled one by one and shown only if something came in: a name without a sample says nothing."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class Families:
    """The families of one scrape whose names share a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}

    def gauge(self, name: str, text: str, value: float | None, **labels: str) -> None:
        """Add a sample of gauge `prefix_name`; None adds nothing."""
        self._add(GaugeMetricFamily, name, text, value, labels)

    def counter(self, name: str, text: str, value: float | None, **labels: str) -> None:
        """Add a sample of counter `prefix_name_total`; None adds nothing."""
        self._add(CounterMetricFamily, name, text, value, labels)

    def __iter__(self) -> Iterator[Metric]:
        """Yield the families that have samples, in the order in which they were begun."""
        return iter(self._families.values())

    def _add(
        self,
        kind: type[CounterMetricFamily] | type[GaugeMetricFamily],
        name: str,
        text: str,
        value: float | None,
        labels: dict[str, str],
    ) -> None:
        if value is None:
            return
        if name not in self._families:
            self._families[name] = kind(f"{self._prefix}_{name}", text, labels=tuple(labels))
        self._families[name].add_metric(list(labels.values()), value)
