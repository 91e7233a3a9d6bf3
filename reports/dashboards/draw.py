"""A dashboard drawn from a recording: each panel by itself, so that the trouble of one is the trouble of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from prometheus import origins, promql, reasons
from reports.dashboards import frames as tables
from reports.dashboards import layout, sources, transform, variables
from reports.dashboards.annotations import bands
from reports.dashboards.ask import Asker, AskError
from reports.dashboards.encode import Axes
from reports.dashboards.fields import Wire
from reports.dashboards.frames import Frame
from reports.dashboards.interpolate import Scope
from reports.dashboards.kinds import kinds
from reports.dashboards.kinds.base import CannotError, Kind, Sheet
from reports.dashboards.layout import Placed
from reports.dashboards.model import Dashboard, Panel, Target
from reports.dashboards.steps import Range, Step, step, words
from runs.recipe import Recipe

State = Literal["drawn", "empty", "undrawable"]

SILENT = "nothing says why"
"""The reason of a panel that is empty for no reason that is known."""
_SCREEN = 1400
"""Pixels that a dashboard is taken to be wide: Grafana asks for a point each."""


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


@dataclass(frozen=True)
class Run:
    """What is known of the run whose recording is asked: its recipe, and why sources gave nothing, by their names."""

    recipe: Recipe
    reasons: Mapping[str, str] = field(default_factory=dict)


def draw(dashboard: Dashboard, asker: Asker, run: Run) -> Drawn:
    """Draw a dashboard. What it asks in vain is told in the panels' places and is no error."""
    own = _own(asker.span, dashboard)
    told = variables.resolve(dashboard.variables, asker, own)
    scope = Scope({one.name: one.chosen for one in told}, own)
    artist = _Artist(dashboard, asker, run)
    sections = [artist.section(one) for one in layout.arrange(dashboard, scope)]
    title, about = scope.words(dashboard.title), scope.words(dashboard.description)
    wire: Wire = {
        "about": about,
        "variables": [
            [one.label, one.chosen.words or one.trouble or "no value in this recording"]
            for one in told
            if not one.hidden
        ],
        "bands": bands(dashboard.annotations, asker, scope),
        "axes": artist.axes.wire,
        "rows": sections,
    }
    return Drawn(title, dashboard.uid, dashboard.file, about, wire, tuple(artist.outcomes))


def _own(span: Range, dashboard: Dashboard) -> dict[str, str]:
    """Grafana's own variables that are the same for all panels."""
    whole = round(span.seconds)
    return {
        "__range": f"{whole}s",
        "__range_s": str(whole),
        "__range_ms": str(round(span.seconds * 1000)),
        "__from": str(round(span.start * 1000)),
        "__to": str(round(span.end * 1000)),
        "__dashboard": dashboard.title,
        "__org": "1",
        "timezone": "utc",
    }


@dataclass
class _Artist:
    dashboard: Dashboard
    asker: Asker
    run: Run
    axes: Axes = field(default_factory=Axes)
    outcomes: list[Outcome] = field(default_factory=list)

    def section(self, section: layout.Section) -> Wire:
        panels = [self._panel(placed, section.title) for placed in section.panels]
        return {"t": section.title, "closed": section.collapsed, "panels": panels}

    def _panel(self, placed: Placed, row: str) -> Wire:
        panel, scope = placed.panel, placed.scope
        sheet = Sheet(panel, (), scope, self.axes, notes=list(panel.notes))
        state: State = "drawn"
        body, reason = None, ""
        try:
            kind = _kind(panel)
            body, reason = self._body(kind, sheet)
            state = "drawn" if body is not None else "empty"
        except (CannotError, AskError) as error:
            state, reason = "undrawable", str(error)
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
        targets = self._targets(sheet.panel)
        found, errors, steps = self._frames(targets, sheet)
        if errors and not found:
            raise AskError("; ".join(dict.fromkeys(errors)))
        sheet.notes += dict.fromkeys(errors)
        changed, notes = transform.apply(found, sheet.panel.transformations)
        sheet.notes += notes
        drawn = replace(sheet, frames=changed, steps=steps)
        body = kind.draw(drawn)
        return body, "" if body is not None else self._why(targets, sheet.scope)

    def _targets(self, panel: Panel) -> list[Target]:
        """Return the queries of a panel, or of the panel whose answer it shows. Raises CannotError."""
        targets = [target for target in panel.targets if not target.hidden]
        if sources.elsewhere(panel.source):
            wanted = {target.panel for target in targets}
            others = [one for one in self.dashboard.panels if one.number in wanted]
            targets = [t for one in others for t in one.targets if not t.hidden and not sources.elsewhere(one.source)]
            panel = replace(panel, source=others[0].source if others else {})
        if not targets:
            raise CannotError("it has no query")
        strange = [sources.foreign(target.source or panel.source) for target in targets]
        if all(strange):
            raise CannotError(
                f"it asks {' and '.join(dict.fromkeys(filter(None, strange)))}, which a recording has not"
            )
        return targets

    def _frames(self, targets: Sequence[Target], sheet: Sheet) -> tuple[list[Frame], list[str], list[Step]]:
        found: list[Frame] = []
        errors: list[str] = []
        steps: list[Step] = []
        for target in targets:
            if strange := sources.foreign(target.source):
                errors.append(f"query {target.ref} asks {strange}, which a recording has not")
                continue
            if not target.expr.strip():
                continue
            expression, wanted, scope = self._expression(target, sheet)
            try:
                if target.instant:
                    series = self.asker.instant(expression)
                else:
                    series = self.asker.range(expression, wanted)
                    steps.append(wanted)
            except AskError as error:
                errors.append(f"query {target.ref}: {error}")
                continue
            found += tables.of(target, series, scope, alone=len(targets) == 1)
        return found, errors, steps

    def _expression(self, target: Target, sheet: Sheet) -> tuple[str, Step, Scope]:
        panel = sheet.panel
        points = panel.points or max(50, _SCREEN * panel.place.w // 24)
        least = sheet.scope.words(target.interval or panel.interval)
        wanted = step(self.asker.span, points, least, target.factor)
        scope = sheet.scope.with_own(
            __interval=words(wanted.seconds),
            __interval_ms=str(round(wanted.seconds * 1000)),
            __rate_interval=words(wanted.rate),
            __rate_interval_ms=str(round(wanted.rate * 1000)),
        )
        return scope.query(target.expr), wanted, scope

    def _why(self, targets: Sequence[Target], scope: Scope) -> str:
        """Say why queries have no answer: a variable without a value, else metrics that were not recorded."""
        asked = "\n".join(target.expr for target in targets)
        for name, chosen in scope.chosen.items():
            if not chosen.values and variables.names_variable(asked, name):
                return self._missing(asked, scope) or f"the variable {name} has no value in this recording"
        return self._missing(asked, scope) or SILENT

    def _missing(self, asked: str, scope: Scope) -> str:
        metrics = promql.metrics(scope.with_own(__rate_interval="1m", __interval="1m").query(asked))
        absent = [metric for metric in metrics if metric not in self.asker.known]
        told: dict[origins.Origin | None, str | None] = {}
        for metric in absent:  # one reason for all that comes from the same place
            told.setdefault(origins.origin(metric), reasons.likely(metric, self.run.recipe, self.run.reasons))
        if found := list(dict.fromkeys(filter(None, told.values()))):
            return "; ".join(found[:3])
        if absent and len(absent) == len(metrics):
            return f"no target gave {' or '.join(absent[:3])}" + (", and " + SILENT if absent else "")
        return ""


def _kind(panel: Panel) -> Kind:
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
