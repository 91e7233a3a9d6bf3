"""`gpu`: NVIDIA GPUs as dcgm-exporter sees them, in base units and under names that do not change with its version.

Where there is no source, or it does not answer, `gpu_up` is 0 and says why. A figure that DCGM refuses or does not
offer is named in `gpu_field_absent`; it is never a zero. Jobs that dcgm-exporter was told of are in `gpu_job_info`,
so that they do not multiply the series.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import Metric

from exporters.collector import CollectorKind, Context, Option, OptionError
from exporters.exposition import Page
from exporters.families import Families
from exporters.gpu_dcgm import parser, read
from exporters.gpu_devices import FIGURES, THROTTLE_REASONS, Census

Fetch = Callable[[], bytes]
"""Returns the page of dcgm-exporter. Raises SourceError."""

_CONNECT, _READ, _TOTAL = 0.5, 0.7, 0.9
"""Seconds. A source that is silent once connected is given up before a scrape's deadline, 1 s, so that its own error is
what is shown; one that drips can take _READ longer than _TOTAL, and then the deadline itself speaks."""

_LARGEST = 16 * 2**20
_CHUNK = 65536


class SourceError(Exception):
    """The source does not answer; the text says why."""


class Gpu:
    """Reads dcgm-exporter at each scrape; without a `fetch` there is nothing to read."""

    name = "gpu"

    def __init__(self, context: Context, fetch: Fetch | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._malformed = context.malformed
        self._fetch = fetch
        self._clock = clock
        self._parser = parser()
        self._implausible: Counter[str] = Counter()
        self._last: Sequence[object] | None = None
        self._changed = 0.0

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        families = Families("gpu")
        text = "1 if a source told of GPUs; else 0, and why."
        try:
            page = self._page()
        except SourceError as error:
            families.gauge("up", text, 0.0, reason=str(error))
            return families
        census = read(page)
        self._malformed.add(census.malformed)
        self._implausible.update(census.implausible)
        reason = "" if census.devices else "dcgm-exporter's page names no GPU"
        families.gauge("up", text, float(bool(census.devices)), reason=reason)
        families.gauge(
            "sample_age_seconds", "Time since a value of dcgm-exporter's page last changed.", self._age(page)
        )
        _devices(families, census)
        for name, count in sorted(self._implausible.items()):
            families.counter("implausible_values", "Values beyond what is possible.", float(count), field=name)
        return families

    def _page(self) -> Page:
        if self._fetch is None:
            raise SourceError("no source: give --dcgm-url")
        return self._parser.parse(self._fetch())

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


def fetcher(url: str) -> Fetch:
    """Return what fetches `url` within the time of a scrape. Raises OptionError for what is no HTTP address."""
    import requests  # noqa: PLC0415 - only this collector needs an HTTP client

    try:
        prepared = requests.Request("GET", url).prepare()
    except requests.RequestException as error:
        raise OptionError(f"--dcgm-url {url!r} is not an address: {error}") from error
    if not url.startswith(("http://", "https://")) or "@" in (prepared.url or "").split("/")[2]:
        raise OptionError("--dcgm-url must be http://HOST:PORT/metrics, without a password in it")
    session = requests.Session()
    # A proxy of the environment, or a password in ~/.netrc, is not meant for a GPU of this node.
    session.trust_env = False

    def fetch() -> bytes:
        deadline = time.monotonic() + _TOTAL
        try:
            with session.get(url, timeout=(_CONNECT, _READ), stream=True, allow_redirects=False) as answer:
                if answer.status_code != requests.codes.ok:
                    raise SourceError(f"dcgm-exporter answers with HTTP {answer.status_code}")
                return _body(answer.iter_content(_CHUNK), deadline)
        except requests.Timeout as error:
            raise SourceError("dcgm-exporter does not answer in time") from error
        except requests.RequestException as error:
            # Its text names an object's address, which would make another series at each scrape.
            raise SourceError(f"dcgm-exporter is not to be reached: {type(error).__name__}") from error

    return fetch


def _body(parts: Iterable[bytes], deadline: float) -> bytes:
    """Join the parts of an answer; raises SourceError for one that is too large or too slow."""
    page = bytearray()
    for part in parts:
        page += part
        if len(page) > _LARGEST:
            raise SourceError(f"dcgm-exporter's page is larger than {_LARGEST} bytes")
        if time.monotonic() > deadline:
            raise SourceError(f"dcgm-exporter's page took longer than {_TOTAL:g} s")
    return bytes(page)


def _create(context: Context) -> Gpu:
    url = context.option("dcgm-url")
    return Gpu(context, fetcher(url) if url else None)


COLLECTOR = CollectorKind(
    "gpu",
    "NVIDIA GPUs, read from dcgm-exporter",
    _create,
    (Option("dcgm-url", "URL", "dcgm-exporter's page, as http://127.0.0.1:9400/metrics"),),
)
