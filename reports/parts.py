"""The parts of a target that can fail alone: collectors of a sidecar, pages that it reads, a database it asks."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus.client import Series
from reports import collectors
from reports.collectors import NOTHING, Told
from reports.scrapes import NEVER, Key, Scrapes
from reports.statistics import Floats

_NO_DATA = Told(NEVER, True, ("node_exporter gives no data for it, and no reason",))


@dataclass(frozen=True)
class Tally:
    """What a sidecar counted of a collector in the judged spans: missed deadlines, errors, unreadable lines."""

    timeouts: int = 0
    errors: int = 0
    parse_errors: int = 0


@dataclass(frozen=True)
class Part:
    """A part of a target that can fail alone; `collector` is "" for what it is all about.

    `asked` are the moments at which it could have worked, `worked` those at which it did; `ages` are how old its values
    were.
    """

    collector: str
    asked: Floats
    worked: Floats
    told: Told = NOTHING
    tally: Tally | None = None
    ages: Series | None = None


def parts(scrapes: Scrapes) -> dict[Key, list[Part]]:
    """Return the parts of each target that has any, by name. Raises PrometheusError."""
    found: dict[Key, list[Part]] = defaultdict(list)
    for key, one in (*_ours(scrapes), *_of_node_exporter(scrapes), *_of_postgres_exporter(scrapes)):
        found[key].append(one)
    return {key: sorted(some, key=lambda part: part.collector) for key, some in found.items()}


def _ours(scrapes: Scrapes) -> Iterator[tuple[Key, Part]]:
    """Yield the collectors of our exporter, and the pages that it reads for others."""
    told = collectors.told(scrapes)
    ages = {
        name: scrapes.values(metric)
        for name, metric in (("gpu", "gpu_sample_age_seconds"), ("lustre", "lustre_client_sample_age_seconds"))
    }
    timeouts, errors, malformed = (
        scrapes.grown(f"exporter_{name}_total", "collector")
        for name in ("collector_timeouts", "collector_errors", "parse_errors")
    )
    for place, worked in scrapes.good("exporter_collector_success", "collector").items():
        key, name = place[:2], place[2]
        tally = Tally(*(counted.get(key, Counter())[name,] for counted in (timeouts, errors, malformed)))
        asked = scrapes.up.get(key, NEVER)
        yield key, Part(name, asked, worked, told.get(place, NOTHING), tally, ages.get(name, {}).get(key))
        if name == "page":
            for other, one in told.items():
                if other[:2] == key and other[2].startswith("page "):
                    yield key, Part(other[2], worked, worked, one)


def _of_node_exporter(scrapes: Scrapes) -> Iterator[tuple[Key, Part]]:
    """Yield node_exporter's collectors.

    It says success 0 both of a collector that failed and of one that found no data, such as `infiniband` on a node
    without (collector.go: IsNoDataError is worth a line of the log). One that never succeeded is taken for the latter.
    """
    for place, worked in scrapes.good("node_scrape_collector_success", "collector").items():
        asked = scrapes.up.get(place[:2], NEVER)
        yield place[:2], Part(place[2], asked, worked) if len(worked) else Part(place[2], asked, asked, _NO_DATA)


def _of_postgres_exporter(scrapes: Scrapes) -> Iterator[tuple[Key, Part]]:
    """Yield PostgreSQL itself, and the collectors: they are asked where it can be reached."""
    reached = collectors.postgres(scrapes)
    for key, one in reached.items():
        asked = scrapes.up.get(key, NEVER)
        yield key, Part("", asked, asked, one)
    for place, worked in scrapes.good("pg_scrape_collector_success", "collector").items():
        told = reached.get(place[:2])
        asked = scrapes.up.get(place[:2], NEVER) if told is None or told.good is None else told.good
        yield place[:2], Part(place[2], asked, worked)
