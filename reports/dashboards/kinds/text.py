"""Words."""

from reports.dashboards import markdown
from reports.dashboards.fields import Wire
from reports.dashboards.kinds.base import Kind, Sheet
from reports.dashboards.reading import text

MOST_LETTERS = 20_000
"""More is no panel that anybody reads, and markup of that length takes long to cut away."""


def _draw(sheet: Sheet) -> Wire | None:
    options = sheet.panel.options
    content, mode = sheet.scope.words(text(options.get("content"))), text(options.get("mode"))
    if len(content) > MOST_LETTERS:
        sheet.notes.append(f"the first {MOST_LETTERS:,} of {len(content):,} letters")
        content = content[:MOST_LETTERS]
    if mode == "code":
        return {"blocks": [["pre", content]]}
    if mode == "html":
        lines = [line.strip() for line in markdown.plain(content).split("\n")]
        return {"blocks": [["p", line] for line in lines if line]}
    return {"blocks": markdown.blocks(content)}


KIND = Kind(("text",), "text", _draw, asks=False)
