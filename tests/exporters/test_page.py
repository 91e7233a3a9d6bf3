"""Passing on what is wanted of others' pages."""

import socket
import time

import pytest
from prometheus_client import generate_latest

from exporters.collector import Context, OptionError
from exporters.page import COLLECTOR
from exporters.runner import _Families
from tests.exporters.exposition import Samples
from tests.exporters.pages import serving_page

PAGE = b"""# HELP m_latency Latency (ms).
# TYPE m_latency histogram
m_latency_bucket{le="1"} 2
m_latency_bucket{le="+Inf"} 3
m_latency_sum 7
m_latency_count 3
# TYPE m_done_total counter
m_done_total{node="1"} 5
# TYPE m_plain counter
m_plain 4
m_broken{node="1" 5
# TYPE other gauge
other{x=nonsense} 1
"""


def context(**options: str | list[str]) -> Context:
    """Return a context with options."""
    given = {name.replace("_", "-"): [v] if isinstance(v, str) else v for name, v in options.items()}
    return Context(options=given)


def test_only_what_is_wanted_is_passed_on() -> None:
    """Types and names stay, the page's name is added; what is not wanted is not even parsed, a bad line is counted."""
    with serving_page(PAGE) as url:
        given = context(page_url=f"milvus={url}/metrics", page_keep="m_.*")
        families = list(COLLECTOR.create(given).collect())
    text = generate_latest(_Families(families)).decode()
    assert "# TYPE m_latency histogram" in text
    assert "# HELP m_latency Latency (ms)." in text
    assert "# TYPE m_done_total counter" in text
    samples = Samples.parse(text)
    assert samples("page_up", page="milvus", reason="") == 1
    assert samples("page_samples", page="milvus") == 6
    assert samples("m_latency_bucket", page="milvus", le="1") == 2
    assert samples("m_done_total", page="milvus", node="1") == 5
    assert samples("m_plain", page="milvus") == 4
    assert "other" not in samples.names()
    assert given.malformed.count == 1


def test_a_page_that_does_not_come_costs_itself() -> None:
    """The other page is there, and the reason is told."""
    with serving_page(PAGE) as url:
        given = context(page_url=[f"a={url}/gone", f"b={url}/metrics"])
        samples = Samples(COLLECTOR.create(given).collect())
    assert samples("page_up", page="a", reason="it answers with HTTP 404") == 0
    assert samples("m_plain", page="b") == 4


def test_a_page_that_is_silent_costs_itself() -> None:
    """Its address takes connections and says nothing: the other page is there in time, at later scrapes too."""
    with serving_page(PAGE) as url, socket.create_server(("127.0.0.1", 0)) as silent:
        hung = f"http://127.0.0.1:{silent.getsockname()[1]}/metrics"
        pages = COLLECTOR.create(context(page_url=[f"a={hung}", f"b={hung}", f"c={url}/metrics"]))
        for _ in range(2):
            begun = time.monotonic()
            samples = Samples(pages.collect())
            assert time.monotonic() - begun < 1
            assert samples("page_up", page="a", reason="it does not answer in time") == 0
            assert samples("page_up", page="b", reason="it does not answer in time") == 0
            assert samples("m_plain", page="c") == 4


def test_a_label_of_the_same_name_is_kept() -> None:
    """As Prometheus does it, so that two series do not become one."""
    with serving_page(b'm{page="1"} 1\nm{page="2"} 2\n') as url:
        samples = Samples(COLLECTOR.create(context(page_url=f"x={url}/metrics")).collect())
    assert [samples("m", page="x", exported_page=number) for number in ("1", "2")] == [1, 2]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "give --page-url"),
        ({"page_url": "http://x/"}, "is not NAME=URL"),
        ({"page_url": ["a=http://x/", "a=http://y/"]}, "two pages are named a"),
        ({"page_url": "a=ftp://x/"}, "--page-url must be http"),
        ({"page_url": "a=http://x/", "page_keep": "("}, "--page-keep '\\(' is not a regular expression"),
    ],
)
def test_options_that_are_none(options: dict[str, str], text: str) -> None:
    """The error names the option and the mend."""
    with pytest.raises(OptionError, match=text):
        COLLECTOR.create(context(**options))
