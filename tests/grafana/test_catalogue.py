"""The list of dashboards in the documentation is that of the code."""

from pathlib import Path

from grafana import catalogue

DOCUMENT = Path(__file__).parents[2] / "docs" / "dashboards.md"
BEGIN, END = "<!-- list: pytest tests/grafana --update-golden -->\n", "<!-- end -->"


def test_the_document_lists_what_there_is(golden):
    """Each dashboard with its sections and panels, and what a run must have for them."""
    before, _begin, rest = DOCUMENT.read_text().partition(BEGIN)
    _list, _end, after = rest.partition(END)
    assert before
    assert after
    golden(DOCUMENT, f"{before}{BEGIN}\n{catalogue.markdown()}\n{END}{after}")
