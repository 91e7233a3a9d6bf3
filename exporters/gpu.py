"""`gpu`: NVIDIA GPUs in base units and under names that change with no version of dcgm-exporter or nvidia-smi.

dcgm-exporter is read where its address is given, else nvidia-smi where it is on PATH. Where neither tells of a GPU
`gpu_up` is 0 and says why. A figure that is refused, not offered or failed is in `gpu_field_absent`, never a zero.
Jobs that dcgm-exporter was told of are in `gpu_job_info`, so that they do not multiply the series.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import Metric

from exporters.collector import CollectorKind, Context, Option
from exporters.exposition import Page
from exporters.families import Families
from exporters.fetch import Fetch, SourceError, fetcher, password
from exporters.gpu_dcgm import parser, read
from exporters.gpu_devices import FIGURES, THROTTLE_REASONS, Census
from exporters.gpu_smi import Smi

_EVERY = 1.0
"""Seconds between two runs of nvidia-smi; it rests at least four times as long as it ran."""


class Gpu:
    """Reads dcgm-exporter at each scrape, or what nvidia-smi last told."""

    name = "gpu"

    def __init__(
        self,
        context: Context,
        fetch: Fetch | None,
        smi: Smi | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._malformed = context.malformed
        self._fetch = fetch
        self._smi = smi
        self._clock = clock
        self._parser = parser()
        self._implausible: Counter[str] = Counter()
        self._last: Sequence[object] | None = None
        self._changed = 0.0
        self._counted = 0.0
        self._within = context.within
        self._deadline = 0.0

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        families = Families("gpu")
        reasons: dict[str, str] = {}
        census, age = Census(), None
        # Where dcgm-exporter is silent, nvidia-smi's first run is waited for less long.
        self._deadline = time.monotonic() + self._within
        for source, look in (("dcgm-exporter", self._dcgm), ("nvidia-smi", self._nvidia_smi)):
            try:
                census, age = look()
                reasons[source] = ""
                break
            except SourceError as error:
                reasons[source] = str(error)
        up = "" in reasons.values()
        reason = "" if up else "; ".join(f"{source}: {text}" for source, text in reasons.items())
        families.gauge("up", "1 if a source told of GPUs; else 0, and why.", float(up), reason=reason)
        for source, text in reasons.items():
            families.gauge("source_up", "1 for the source that told.", float(not text), source=source, reason=text)
        families.gauge("sample_age_seconds", "Time since the values last changed, or were asked for.", age)
        if not reasons.get("nvidia-smi", "not asked"):
            about = "GPUs that nvidia-smi knows of and cannot ask: they are lost, or need a reset."
            families.gauge("unreachable", about, float(census.unreachable))
        _devices(families, census)
        for name, count in sorted(self._implausible.items()):
            families.counter("implausible_values", "Values beyond what is possible.", float(count), field=name)
        return families

    def _dcgm(self) -> tuple[Census, float]:
        if self._fetch is None:
            raise SourceError("no --dcgm-url")
        page = self._parser.parse(self._fetch())
        census = read(page)
        self._count(census)
        if not census.devices:
            raise SourceError("its page names no GPU")
        return census, self._age(page)

    def _nvidia_smi(self) -> tuple[Census, float]:
        if self._smi is None or not self._smi.there:
            raise SourceError("not on PATH")
        seen = self._smi.last(max(0.0, self._deadline - time.monotonic()))
        if seen is None:
            raise SourceError("its first run has not ended")
        if seen.finished != self._counted:
            self._counted = seen.finished
            self._count(seen.census)
        if seen.error:
            raise SourceError(seen.error)
        return seen.census, self._clock() - seen.finished

    def _count(self, census: Census) -> None:
        self._malformed.add(census.malformed)
        self._implausible.update(census.implausible)

    def _age(self, page: Page) -> float:
        # dcgm-exporter refreshes on a clock of its own and puts no time on its values.
        values = [(sample.name, sample.labels, sample.text) for sample in page.samples]
        now = self._clock()
        if values != self._last:
            self._last, self._changed = values, now
        return now - self._changed


def _devices(families: Families, census: Census) -> None:
    for device, reading in census.devices.items():
        labels = device.labels
        for name, value in reading.values.items():
            figure = FIGURES[name]
            add = families.counter if figure.counter else families.gauge
            add(name, figure.help, value, **labels)
        if reading.throttle is not None:
            for reason, bit in THROTTLE_REASONS.items():
                active = float(bool(reading.throttle & bit))
                families.gauge(
                    "throttled", "1 if the clocks are lowered for this reason.", active, **labels, reason=reason
                )
        for name, why in reading.absent.items():
            if name not in reading.values:
                families.gauge(
                    "field_absent",
                    "Figures that are not to be had, and why.",
                    1.0,
                    **labels,
                    field=name,
                    reason=why.value,
                )
        for job in sorted(reading.jobs):
            families.gauge("job_info", "Jobs that dcgm-exporter was told to run here.", 1.0, **labels, hpc_job=job)
        if reading.driver:
            families.gauge("info", "The driver of the GPU.", 1.0, **labels, driver=reading.driver)


def _create(context: Context) -> Gpu:
    url = context.option("dcgm-url")
    smi = Smi(context.option("nvidia-smi") or "nvidia-smi", context.environment, context.seconds("gpu-every", _EVERY))
    auth, ca_file = password(context, "dcgm-password-file"), context.option("dcgm-ca-file")
    return Gpu(context, fetcher(url, "dcgm-url", auth, ca_file) if url else None, smi)


COLLECTOR = CollectorKind(
    "gpu",
    "NVIDIA GPUs, read from dcgm-exporter, else from nvidia-smi",
    _create,
    (
        Option("dcgm-url", "URL", "dcgm-exporter's page, as http://127.0.0.1:9400/metrics"),
        Option("dcgm-password-file", "FILE", "USER:PASSWORD of that page, in a file of mode 0600"),
        Option("dcgm-ca-file", "FILE", "CA (PEM) by which that page is known, where it is https"),
        Option("nvidia-smi", "PROGRAM", "the nvidia-smi to run (default: the one on PATH)"),
        Option("gpu-every", "SECONDS", f"how often nvidia-smi is run (default {_EVERY:g})"),
    ),
)
