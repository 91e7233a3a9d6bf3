"""Others' pages."""

from exporters.exposition import Parser
from tests.exporters.fuzz import Case

_PAGE = b"""# HELP a_total Things \\\\ that happened.
# TYPE a_total counter
a_total{x="1",y="a \\"quoted\\" word"} 12 1700000000000
a_total{x="2"} 1e3
# TYPE h histogram
h_bucket{le="0.5"} 3
h_bucket{le="+Inf"} 4
h_sum 1.5
h_count 4
plain NaN
g_bucket{le="1"} 5 # {trace_id="x"} 0.67 1600000.123
# EOF
"""


def _page(data: bytes) -> None:
    # A parser remembers labels; a fresh one for each input keeps a failure repeatable.
    page = Parser(lambda _: True).parse(data)
    text = data.decode(errors="replace")
    lines = [line for line in (part.strip(" \t\r") for part in text.split("\n")) if line]
    told = [line for line in lines if line[0] != "#"]
    # A line is a sample or counted; what is counted beyond that are comments that should say something.
    assert len(told) <= len(page.samples) + page.malformed <= len(lines)
    for sample in page.samples:
        assert f"{sample.name}" in text
        assert sample.text in text
        assert sample.value == float(sample.text) or sample.value != sample.value
        assert all(name in text for name in sample.labels)


CASES = [Case("exposition", [_PAGE], _page)]
