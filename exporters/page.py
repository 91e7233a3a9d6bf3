"""`page`: other programs' large pages, of which only the wanted series are passed on, under their own names.

Names are chosen before a line is parsed, so that a page of hundreds of kilobytes costs little; a line that cannot be
read costs itself and is counted. Each series gets a label `page`. Where a page does not come `page_up` is 0 and says
why.
"""

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from exporters.collector import CollectorKind, Context, Option, OptionError
from exporters.exposition import Page, Parser, keep
from exporters.families import Families
from exporters.fetch import Fetch, SourceError, fetcher, password

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WITHIN = 0.8
"""Seconds for all pages, of a scrape's deadline of 1 s: one that is silent must not cost the others theirs."""

_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


@dataclass
class _Answer:
    """A page that is being fetched: `done` once there is `content`, or `error` instead."""

    done: threading.Event = field(default_factory=threading.Event)
    content: bytes = b""
    error: str = ""


class _Source:
    """A page, fetched by a thread of its own; while one is under way no other is begun."""

    def __init__(self, name: str, fetch: Fetch, parser: Parser) -> None:
        self.name = name
        self.parser = parser
        self._fetch = fetch
        self._busy: _Answer | None = None

    def ask(self) -> _Answer:
        """Begin to fetch the page; what an earlier scrape did not wait for is not served, and says so."""
        if self._busy is not None and not self._busy.done.is_set():
            return _Answer()
        answer = self._busy = _Answer()
        threading.Thread(target=self._work, args=(answer,), name=f"page-{self.name}", daemon=True).start()
        return answer

    def _work(self, answer: _Answer) -> None:
        try:
            answer.content = self._fetch()
        except SourceError as error:
            answer.error = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a page does to us, it is that page's error
            answer.error = f"it cannot be fetched: {type(error).__name__}"
        answer.done.set()


class Pages:
    """Reads all pages at each scrape, beside one another."""

    name = "page"

    def __init__(self, context: Context, sources: Iterable[_Source]) -> None:
        self._malformed = context.malformed
        self._sources = tuple(sources)

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        own = Families("page")
        passed: dict[str, Metric] = {}
        deadline = time.monotonic() + _WITHIN
        for source, answer in [(source, source.ask()) for source in self._sources]:
            there = answer.done.wait(max(0.0, deadline - time.monotonic()))
            error = answer.error if there else "it does not answer in time"
            if error:
                own.gauge("up", "1 if the page came; else 0, and why.", 0.0, page=source.name, reason=error)
                continue
            page = source.parser.parse(answer.content)
            self._malformed.add(page.malformed)
            own.gauge("up", "1 if the page came; else 0, and why.", 1.0, page=source.name, reason="")
            own.gauge("samples", "Samples passed on.", float(len(page.samples)), page=source.name)
            _pass_on(passed, page, source.name)
        return [*own, *passed.values()]


def _pass_on(families: dict[str, Metric], page: Page, name: str) -> None:
    owners = {f"{base}{part}": base for base, kind in page.types.items() for part in _PARTS.get(kind, ())}
    for sample in page.samples:
        base = owners.get(sample.name, sample.name)
        family = families.get(base)
        if family is None:
            family = families[base] = _family(base, page)
        # As Prometheus does with labels of its own: two series must not become one.
        own = {f"exported_{label}" if label == "page" else label: value for label, value in sample.labels.items()}
        family.add_sample(sample.name, {**own, "page": name}, sample.value)


def _family(base: str, page: Page) -> Metric:
    kind = page.types.get(base, "untyped")
    text = page.helps.get(base, "")
    if kind == "counter" and base.endswith("_total"):
        return Metric(base.removesuffix("_total"), text, kind)
    # prometheus_client would announce a counter without `_total` (Triton's) under a name that no sample has.
    return Metric(base, text, "unknown" if kind in {"counter", "untyped"} else kind)


def _create(context: Context) -> Pages:
    texts = context.options.get("page-url", ())
    if not texts:
        raise OptionError("page has nothing to read: give --page-url NAME=http://HOST:PORT/metrics")
    pattern = context.option("page-keep")
    try:
        wanted = keep(pattern) if pattern else None
    except re.error as error:
        raise OptionError(f"--page-keep {pattern!r} is not a regular expression: {error}") from error
    sources: list[_Source] = []
    for text in texts:
        name, equals, url = text.partition("=")
        if not equals or _NAME.fullmatch(name) is None:
            raise OptionError(f"--page-url {text!r} is not NAME=URL")
        if name in {source.name for source in sources}:
            raise OptionError(f"--page-url: two pages are named {name}")
        fetch = fetcher(url, "page-url", password(context, "page-password-file"))
        sources.append(_Source(name, fetch, Parser(wanted)))
    return Pages(context, sources)


COLLECTOR = CollectorKind(
    "page",
    "other programs' large pages, of which only the wanted series are passed on",
    _create,
    (
        Option("page-url", "NAME=URL", "a page; may be given several times"),
        Option("page-keep", "REGEX", "names of the series to pass on, the whole name (default: all)"),
        Option("page-password-file", "FILE", "USER:PASSWORD of the pages, in a file of mode 0600"),
    ),
)
