"""The list of dashboards as Markdown, for docs/dashboards.md: a test holds the two together."""

from grafana.board import Board
from grafana.dashboards import boards


def markdown() -> str:
    """Return a table of the dashboards and, of each, its sections."""
    head = ["| dashboard | what it is for | there in |", "|---|---|---|"]
    rows = [f"| [{board.title}](#{_anchor(board)}) | {board.description} | {board.needs} |" for board in boards()]
    return "\n".join([*head, *rows, "", *(line for board in boards() for line in _one(board))])


def _anchor(board: Board) -> str:
    return board.title.lower().replace(" ", "-")


def _one(board: Board) -> list[str]:
    lines = [f"### {board.title}", "", f"`{board.name}.json`, uid `{board.uid}`", ""]
    for section in board.sections:
        needs = "" if str(section.needs) == "any run" else f" ({section.needs})"
        titles = ", ".join(panel.title for panel in section.panels)
        lines.append(f"- **{section.title or 'At the top'}**{needs}: {titles}")
    return [*lines, ""]
