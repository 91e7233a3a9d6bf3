"""The dashboards of a recording, and others that a reader brings, as one part of the report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus import reasons
from prometheus.client import PrometheusError
from reports.dashboards import encode, parse
from reports.dashboards.ask import Asker
from reports.dashboards.draw import FAULT, Drawn, draw
from reports.dashboards.parse import DashboardError
from reports.dashboards.reasons import Run
from reports.dashboards.steps import Range
from reports.scrapes import Recorded
from reports.sources import Source
from runs.recipe import Recipe


@dataclass(frozen=True)
class Boards:
    """Dashboards that were drawn, and files that are none, each with the reason."""

    drawn: tuple[Drawn, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def tabs(self) -> list[str]:
        """The titles without the beginning that all share: `team: Load` and `team: Nodes` are Load and Nodes."""
        titles = [one.title for one in self.drawn]
        start, colon, _ = titles[0].partition(": ") if titles else ("", "", "")
        if len(titles) > 1 and colon and all(title.startswith(start + colon) for title in titles):
            return [title.removeprefix(start + colon) for title in titles]
        return titles

    def packed(self, number: int) -> str:
        """Return what the page builds a dashboard from."""
        return encode.packed(self.drawn[number].wire)


def archived(folder: Path) -> list[Path]:
    """Return the dashboards of a recording, that of the overview first."""
    return sorted(folder.glob("*.json"), key=lambda path: ("overview" not in path.name, path.name))


def gather(
    files: Sequence[Path],
    recorded: Recorded | None,
    span: Range,
    recipe: Recipe,
    sources: Iterable[Source],
) -> Boards:
    """Draw dashboards from a recording; what is no dashboard is told of."""
    asker = Asker(recorded, span)
    run = Run(recipe, _told(recorded, span) | _reasons(sources))
    drawn: list[Drawn] = []
    broken: list[str] = []
    for path in files:
        try:
            drawn.append(draw(parse.read(path), asker, run))
        except DashboardError as error:
            broken.append(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours in one dashboard must not cost a run its report
            broken.append(f"{path.name}: {FAULT} ({type(error).__name__}: {error})")
    return Boards(tuple(drawn), tuple(broken))


def _told(recorded: Recorded | None, span: Range) -> dict[str, str]:
    if recorded is None:
        return {}
    try:
        return reasons.tell(recorded, span.start, span.end)
    except PrometheusError:
        return {}  # each panel tells of its own trouble


def _reasons(sources: Iterable[Source]) -> dict[str, str]:
    """By the name of a source, why it gave nothing."""
    found: dict[str, str] = {}
    for source in sources:
        if source.state == "nothing to read":
            found.setdefault(source.name, source.reason)
        elif source.state == "down":
            found.setdefault(source.name, "; ".join((*source.faults, *source.notes)) or "it gave no data at all")
    return found
