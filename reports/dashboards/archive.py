"""The dashboards of a recording, and others that a reader brings, as one part of the report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.dashboards import encode, model
from reports.dashboards.ask import Asker
from reports.dashboards.draw import Drawn, Run, draw
from reports.dashboards.model import DashboardError
from reports.dashboards.steps import Range
from reports.scrapes import Recorded
from reports.sources import Source
from runs.recipe import Recipe


@dataclass(frozen=True)
class Boards:
    """Dashboards that were drawn, and files that are none, each with the reason."""

    drawn: tuple[Drawn, ...] = ()
    broken: tuple[str, ...] = ()

    def packed(self, number: int) -> str:
        """Return what the page builds a dashboard from."""
        return encode.packed(self.drawn[number].wire)


def gather(
    folder: Path,
    more: Sequence[Path],
    recorded: Recorded | None,
    span: Range,
    recipe: Recipe,
    sources: Iterable[Source],
) -> Boards:
    """Draw the dashboards of a folder (that of the overview first), then those of `more`, the reader's own."""
    archived = sorted(folder.glob("*.json"), key=lambda path: ("overview" not in path.name, path.name))
    asker = Asker(recorded, span)
    run = Run(recipe, _reasons(sources))
    drawn: list[Drawn] = []
    broken: list[str] = []
    for path in (*archived, *more):
        try:
            drawn.append(draw(model.read(path), asker, run))
        except DashboardError as error:
            broken.append(str(error))
    return Boards(tuple(drawn), tuple(broken))


def _reasons(sources: Iterable[Source]) -> dict[str, str]:
    """By the name of a source, why it gave nothing."""
    found: dict[str, str] = {}
    for source in sources:
        if source.state == "nothing to read":
            found.setdefault(source.name, source.reason)
        elif source.state == "down":
            found.setdefault(source.name, "; ".join((*source.faults, *source.notes)) or "it gave no data at all")
    return found
