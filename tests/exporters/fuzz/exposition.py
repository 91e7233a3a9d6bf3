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
"""


def _page(data: bytes) -> None:
    # A parser remembers labels; a fresh one for each input keeps a failure repeatable.
    page = Parser(lambda _: True).parse(data)
    lines = [line for line in data.split(b"\n") if line.strip() and not line.lstrip().startswith(b"#")]
    assert len(page.samples) + page.malformed >= len(lines) - data.count(b"\r")
    assert all(sample.name for sample in page.samples)


CASES = [Case("exposition", [_PAGE], _page)]
