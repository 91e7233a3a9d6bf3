"""`page`: other programs' large pages, of which only the wanted series are passed on, under their own names.

Names are chosen before a line is parsed, so that a page of hundreds of kilobytes costs little; a line that cannot be
read costs itself and is counted. Each series gets a label `page`. Where a page does not come `page_up` is 0 and says
why.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from exporters.collector import CollectorKind, Context, Option, OptionError
from exporters.exposition import Page, Parser, keep
from exporters.families import Families
from exporters.fetch import Fetch, SourceError, fetcher, password

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


@dataclass(frozen=True)
class _Source:
    name: str
    fetch: Fetch
    parser: Parser = field(compare=False)


class Pages:
    """Reads all pages at each scrape, one after the other."""

    name = "page"

    def __init__(self, context: Context, sources: Iterable[_Source]) -> None:
        self._malformed = context.malformed
        self._sources = tuple(sources)

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        own = Families("page")
        passed: dict[str, Metric] = {}
        for source in self._sources:
            try:
                page = source.parser.parse(source.fetch())
            except SourceError as error:
                own.gauge("up", "1 if the page came; else 0, and why.", 0.0, page=source.name, reason=str(error))
                continue
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
        family.add_sample(sample.name, {**sample.labels, "page": name}, sample.value)


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
