"""Words of text panels."""

import time

import pytest

from reports.dashboards.markdown import blocks, plain


def test_blocks() -> None:
    """Headings, lists, code, quotes, rules, paragraphs."""
    text = "# One *two*\nline\nline\n\n- a\n- `b`\n\n1. c\n> quote\n---\n```\n<b>code</b>\n```"
    assert blocks(text) == [
        ["h1", "One ", ["i", "two"]],
        ["p", "line line"],
        ["ul", ["li", "a"], ["li", ["code", "b"]]],
        ["ol", ["li", "c"]],
        ["blockquote", "quote"],
        ["hr"],
        ["pre", "<b>code</b>"],
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](https://a.example/b)", [["p", ["a", "https://a.example/b", "x"]]]),
        ("[x](javascript:alert)", [["p", ["i", "x"]]]),
        ("![x](https://a.example/b.png)", [["p", ["i", "x"]]]),
        ("<https://a.example>", [["p", ["a", "https://a.example", "https://a.example"]]]),
        ("a <img src=x onerror=alert(1)> b", [["p", "a  b"]]),
        ("<script>alert(1)</script>", []),
        ("**b** a * b", [["p", ["b", "b"], " a * b"]]),
    ],
)
def test_links_and_markup(text: str, expected: list[object]) -> None:
    """Links lead to the web only; pictures and markup are cut to their words."""
    assert blocks(text) == expected


def test_html_is_its_text() -> None:
    """Tags, scripts, styles and comments go; entities are read; lines stay lines."""
    assert plain("<h1>A</h1><p>b &amp; c</p><style>x</style><script>y</script><!-- z -->") == "A\nb & c\n"
    assert plain("<script>never closed") == ""


def test_tables_stay_as_they_are_written() -> None:
    """Line by line, without the line below the heads; their markup is cut."""
    found = blocks("before\n| a | b |\n|:--|---|\n| 1 | <b>2</b> |\n\nafter")
    assert found == [["p", "before"], ["pre", "| a | b |\n| 1 | 2 |"], ["p", "after"]]


@pytest.mark.parametrize(
    "text",
    ["<a", "**a", "[a](", "[", "_a ", "`a", "- - ", "|x", "<script", "<!--", "# x" + " " * 40, "[a](b ", "<https://"],
)
def test_no_text_takes_long(text: str) -> None:
    """What looks like markup again and again, and is none, is read in a moment."""
    begun = time.process_time()
    blocks(text * (20_000 // len(text)))
    assert time.process_time() - begun < 1.0
