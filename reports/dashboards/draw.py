"""A dashboard drawn from a recording: each panel by itself, so that the trouble of one is the trouble of one."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from reports.dashboards import fields, layout, queries, sources, transforms, variables
from reports.dashboards.annotations import bands
from reports.dashboards.ask import Asker, AskError
from reports.dashboards.encode import Axes
from reports.dashboards.fields import Wire
from reports.dashboards.interpolate import Scope
from reports.dashboards.kinds import kinds
from reports.dashboards.kinds.base import CannotError, Kind, Sheet
from reports.dashboards.layout import Placed
from reports.dashboards.model import Dashboard, Panel
from reports.dashboards.reasons import Run, why
from reports.dashboards.sources import Sources

State = Literal["drawn", "empty", "undrawable"]
FAULT = "dashcam has a fault here: please report it with the dashboard"
"""What is said where drawing fails for no reason that was thought of."""


MOST_POINTS = 6_000_000
"""Points of a dashboard: as noise that is a page of some 27 MB."""


@dataclass(frozen=True)
class Outcome:
    """What became of a panel; `notes` are what was left out of one that is drawn."""

    title: str
    row: str
    state: State
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """A dashboard as it is drawn: `wire` is what the page builds it from, `outcomes` are its panels'."""

    title: str
    uid: str
    file: str
    description: str
    wire: Wire
    outcomes: tuple[Outcome, ...]

    def having(self, state: State) -> list[Outcome]:
        """Return the panels in a state."""
        return [one for one in self.outcomes if one.state == state]


def draw(dashboard: Dashboard, asker: Asker, run: Run) -> Drawn:
    """Draw a dashboard. What it asks in vain is told in the panels' places and is no error."""
    own = {**queries.own(asker.span), "__dashboard": dashboard.title, "__org": "1", "timezone": "utc"}
    known = sources.of(dashboard)
    told = variables.resolve(dashboard.variables, asker, own, known)
    scope = Scope({one.name: one.chosen for one in told}, own)
    artist = _Artist(dashboard, asker, run, known)
    sections = [artist.section(one) for one in layout.arrange(dashboard, scope)]
    title, about = scope.words(dashboard.title), scope.words(dashboard.description)
    wire: Wire = {
        "about": about,
        "variables": [
            [one.label, one.chosen.words or one.trouble or "no value in this recording"]
            for one in told
            if not one.hidden
        ],
        "bands": bands(dashboard.annotations, asker, scope, known),
        "axes": artist.axes.wire,
        "rows": sections,
    }
    return Drawn(title, dashboard.uid, dashboard.file, about, wire, tuple(artist.outcomes))


@dataclass
class _Artist:
    dashboard: Dashboard
    asker: Asker
    run: Run
    sources: Sources
    axes: Axes = field(default_factory=Axes)
    outcomes: list[Outcome] = field(default_factory=list)
    points: int = 0

    def section(self, section: layout.Section) -> Wire:
        panels = [self._panel(placed, section.title) for placed in section.panels]
        return {"t": section.title, "closed": section.collapsed, "panels": panels}

    def _panel(self, placed: Placed, row: str) -> Wire:
        panel, scope = placed.panel, placed.scope
        sheet = Sheet(panel, (), scope, self.axes, notes=list(panel.notes))
        state: State = "drawn"
        body, reason = None, ""
        try:
            body, reason = self._body(_kind(panel, self.points), sheet)
            self.points += _weight(body)
            state = "drawn" if body is not None else "empty"
        except (CannotError, AskError) as error:
            state, reason = "undrawable", str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one panel must not cost a run its report
            state, reason = "undrawable", f"{FAULT} ({type(error).__name__}: {error})"
        title = scope.words(panel.title)
        outcome = Outcome(title or f"({panel.kind or 'panel'} {panel.number})", row, state, reason, tuple(sheet.notes))
        self.outcomes.append(outcome)
        wire: Wire = {
            "t": title,
            "about": scope.words(panel.description),
            "at": [panel.place.x, panel.place.y, panel.place.w, panel.place.h],
            "state": state,
            "why": reason,
            "notes": list(sheet.notes),
        }
        if body is not None:
            wire |= {"kind": kinds()[panel.kind].draws, "fields": sheet.specs, "body": body}
        return {key: value for key, value in wire.items() if value not in ("", [])}

    def _body(self, kind: Kind, sheet: Sheet) -> tuple[Wire | None, str]:
        """Return what is drawn, or why nothing is."""
        if not kind.asks:
            return kind.draw(sheet), ""
        asked = queries.targets(sheet.panel, self.dashboard, self.sources)
        span, notes = queries.range_of(sheet.panel, self.asker.span)
        scope = sheet.scope.with_own(**queries.own(span))
        found = queries.ask(asked, sheet.panel, scope, self.asker, known=self.sources, span=span)
        if found.errors and not found.frames:
            raise AskError("; ".join(dict.fromkeys(found.errors)))
        changed, unchanged = transforms.apply(found.frames, sheet.panel.transformations)
        sheet.notes += dict.fromkeys(
            (*notes, *found.errors, *found.notes, *unchanged, *fields.unknown(sheet.panel.overrides))
        )
        body = kind.draw(replace(sheet, frames=changed, steps=found.steps))
        return body, "" if body is not None else why(asked, scope, self.asker, self.run)


def _weight(body: object) -> int:
    """Count what lists hold, at any depth."""
    if isinstance(body, dict):
        return sum(map(_weight, body.values()))
    if not isinstance(body, list):
        return 0
    return len(body) + sum(_weight(one) for one in body if isinstance(one, dict | list))


def _kind(panel: Panel, points: int) -> Kind:
    if points > MOST_POINTS:
        raise CannotError(f"the panels before it have {MOST_POINTS:,} points: the page would be too large")
    if panel.library:
        raise CannotError(f"it is the library panel {panel.library}, which is not in this file: export with it")
    kind = kinds().get(panel.kind)
    if kind is None:
        raise CannotError(f"panels of kind {panel.kind or 'unknown'} are not drawn here")
    return kind


def summary(drawn: Drawn) -> dict[str, Any]:
    """Return a dashboard as summary.json has it."""
    lists = {state: drawn.having(state) for state in ("empty", "undrawable")}
    return {
        "uid": drawn.uid,
        "title": drawn.title,
        "file": drawn.file,
        "panels": len(drawn.outcomes),
        "drawn": len(drawn.having("drawn")),
        **{
            state: [{"panel": one.title, "row": one.row, "reason": one.reason} for one in some]
            for state, some in lists.items()
        },
        "notes": [{"panel": one.title, "note": note} for one in drawn.outcomes for note in one.notes],
    }
