"""A large page of another program, normalised by the page collector, beside prometheus_client's own parser."""

import time
from collections.abc import Callable
from unittest.mock import patch

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.exporters.large_page import KEPT, large_page
from benchmarks.figures import Goal, Spread, show
from exporters.collector import Collector, Context, Malformed
from exporters.exposition import Parser, keep
from exporters.page import COLLECTOR
from exporters.runner import Runner, Watched

_BYTES = 300_000
_PAGES = 8
"""Moments of the page that are read one after the other: values change from one to the next, as in a run."""

_GOAL_MS = 5.0


class _Page:
    """Page after page, as a program would answer with it."""

    def __init__(self) -> None:
        self.pages = [large_page(_BYTES, moment) for moment in range(_PAGES)]
        self._turn = 0

    def fetch(self) -> bytes:
        """Return the page of the next moment."""
        self._turn += 1
        return self.pages[self._turn % _PAGES]

    def collector(self, wanted: str | None) -> Collector:
        """Return a collector whose page comes from here, and not over HTTP."""
        options = {"page-url": ["milvus=http://127.0.0.1/metrics"], "page-keep": [wanted] if wanted else []}
        with patch("exporters.page.fetcher", lambda *_: self.fetch):
            return COLLECTOR.create(Context(options=options))


def run(*, short: bool) -> list[Goal]:
    """Measure and print."""
    rounds, reads = (5, 5) if short else (15, 20)
    source = _Page()
    kept, whole = source.collector(KEPT), source.collector(None)
    runners = [Runner([Watched(source.collector(wanted), Malformed())], 5.0, "bench") for wanted in (KEPT, None)]
    assert not any(runner.scrape().failed for runner in runners)
    parsers = Parser(keep(KEPT)), Parser()
    work: dict[str, Callable[[], object]] = {
        "normalised, with the keep-list": lambda: list(kept.collect()),
        "a scrape of the sidecar, but for HTTP": runners[0].scrape,
        "  of it: only parsed": lambda: parsers[0].parse(source.fetch()),
        "the very first page": lambda: list(source.collector(KEPT).collect()),
        "normalised, without a keep-list": lambda: list(whole.collect()),
        "a scrape without a keep-list": runners[1].scrape,
        "  of it: only parsed, without a keep-list": lambda: parsers[1].parse(source.fetch()),
        "prometheus_client's text parser": lambda: list(text_string_to_metric_families(source.fetch().decode())),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for call in work.values():
        call()
    for _ in range(rounds):
        for name, call in work.items():
            begun = time.process_time()
            for _ in range(reads):
                call()
            times[name].append((time.process_time() - begun) / reads)
    stock = times["prometheus_client's text parser"]
    rows = [
        (name, *Spread.of(own).cells(1e3), *Spread.of(a / b for a, b in zip(own, stock, strict=True)).cells())
        for name, own in times.items()
    ]
    size, lines = len(source.pages[0]), source.pages[0].count(b"\n")
    passed = sum(len(family.samples) for family in kept.collect())
    title = f"CPU of a page of {size / 1e3:.0f} kB, {lines} lines, of which the keep-list passes {passed} samples"
    head = ("what", "ms min", "median", "max", "ratio min", "median", "max")
    show(f"{title}; the ratio is to prometheus_client's parser; {rounds} rounds of {reads} pages, in turn", head, rows)
    goal = Spread.of(one * 1e3 for one in times["normalised, with the keep-list"])
    return [Goal(f"a page of {size / 1e3:.0f} kB normalised with a keep-list", _GOAL_MS, "ms", goal)]
