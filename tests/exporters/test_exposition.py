"""Reading pages of other exporters."""

from hypothesis import given
from hypothesis import strategies as st

from exporters.exposition import Parser, keep


def test_reads_samples_with_types_and_helps() -> None:
    """Names, labels with escapes, values, types and helps come out; timestamps and comments do not matter."""
    page = Parser().parse(
        b"# HELP a_total Some \\\\ text\n# TYPE a_total counter\n# a comment\n"
        b'a_total{x="q\\"}\\n",y=""} 1.5 1700000000000\n\nb +Inf\n'
    )
    assert [(s.name, dict(s.labels), s.value) for s in page.samples] == [
        ("a_total", {"x": 'q"}\n', "y": ""}, 1.5),
        ("b", {}, float("inf")),
    ]
    assert (page.types, page.helps, page.malformed) == ({"a_total": "counter"}, {"a_total": "Some \\ text"}, 0)


def test_a_bad_line_costs_that_line_and_is_counted() -> None:
    """Neither HTML in between, nor a value that is none, nor a repeated series costs the page."""
    page = Parser().parse(b'a 1\n<html>\nb{x=1} 2\nc 1_000\nd{x="y" 3\na 4\ne{x="\xff"} 5\nf 6 later\ng 7\n')
    assert [(s.name, s.value) for s in page.samples] == [("a", 1), ("g", 7)]
    assert page.malformed == 7


def test_what_open_metrics_adds() -> None:
    """Exemplars, times with fractions and more types cost no line; a label that looks like an exemplar is a label."""
    page = Parser().parse(
        b'# TYPE a_bucket unknown\na_bucket{le="1"} 5 # {trace_id="x\\"} y"} 0.67 1600000.123\n'
        b'b{x="1 # {y=2} 3"} 4 1600000.123\nc 1 # {} 2\n# EOF\n'
    )
    assert [(s.name, dict(s.labels), s.value) for s in page.samples] == [
        ("a_bucket", {"le": "1"}, 5),
        ("b", {"x": "1 # {y=2} 3"}, 4),
        ("c", {}, 1),
    ]
    assert (page.types, page.malformed) == ({"a_bucket": "untyped"}, 0)


def test_the_keep_list_is_applied_before_parsing() -> None:
    """What is not wanted is not looked at, so nothing in it is malformed."""
    page = Parser(keep("good_.*")).parse(b"bad_one nonsense\ngood_one 1\nnot_good_one 2\n")
    assert [s.name for s in page.samples] == ["good_one"]
    assert page.malformed == 0


def test_labels_are_read_once_for_all_pages() -> None:
    """A series has one labels object, page after page."""
    parser = Parser()
    first, second = (parser.parse(b'a{x="y"} %d\n' % number).samples[0] for number in (1, 2))
    assert first.labels is second.labels
    assert (first.value, second.value) == (1, 2)


@given(st.binary(max_size=300))
def test_no_page_raises(content: bytes) -> None:
    """Whatever a page holds, what cannot be read is left out."""
    page = Parser().parse(content)
    assert len(page.samples) + page.malformed <= content.count(b"\n") + 1
