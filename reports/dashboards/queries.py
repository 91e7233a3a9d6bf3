"""The queries of a panel: which they are, their expressions filled, their answers as frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reports.dashboards import frames as tables
from reports.dashboards import sources
from reports.dashboards.ask import Asker, AskError
from reports.dashboards.frames import Frame
from reports.dashboards.interpolate import Scope
from reports.dashboards.kinds.base import CannotError
from reports.dashboards.model import Dashboard, Panel, Target
from reports.dashboards.sources import Sources
from reports.dashboards.steps import Range, Step, duration, step, words

_SCREEN = 1400
"""Pixels that a dashboard is taken to be wide: Grafana asks for a point each."""


@dataclass
class Answer:
    """What queries gave: frames, the steps that were asked for, errors, and what is to be said of the rest."""

    frames: list[Frame] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def own(span: Range) -> dict[str, str]:
    """Return Grafana's own variables that come of a range of time."""
    whole = round(span.seconds)
    return {
        "__range": f"{whole}s",
        "__range_s": str(whole),
        "__range_ms": str(round(span.seconds * 1000)),
        "__from": str(round(span.start * 1000)),
        "__to": str(round(span.end * 1000)),
    }


def targets(panel: Panel, dashboard: Dashboard, known: Sources) -> list[Target]:
    """Return the queries of a panel, or of the panel whose answer it shows. Raises CannotError."""
    found = [target for target in panel.targets if not target.hidden]
    if sources.elsewhere(panel.source):
        wanted = {target.panel for target in found}
        others = [one for one in dashboard.panels if one.number in wanted]
        if not others:
            raise CannotError("it shows the answer of another panel, which this dashboard has not")
        found = [t for one in others for t in one.targets if not t.hidden and not sources.elsewhere(one.source)]
        panel = replace(panel, source=others[0].source)
    if not found:
        raise CannotError("it has no query")
    strange = [known.of(target, panel.source) for target in found]
    if all(strange):
        raise CannotError(f"it asks {sources.listed(strange)}, which a recording has not")
    # Which data source a query asks is settled here: below each has its own.
    return [replace(target, source=target.source or panel.source) for target in found]


def range_of(panel: Panel, span: Range) -> tuple[Range, list[str]]:
    """Return the time that a panel shows, and what is to be said of it. Raises CannotError."""
    back = duration(panel.shift) if panel.shift else 0.0
    if back is None or back >= span.seconds:
        raise CannotError(f"it shows the time {panel.shift} before (timeShift), which is not in the recording")
    found, said = replace(span, end=span.end - back), list[str]()
    if back:
        said.append(f"the time {panel.shift} before the end of the run, as it asks (timeShift)")
    if panel.time:
        long = duration(panel.time.removeprefix("now-"))
        if long is None:
            said.append(f"its own time {panel.time} (timeFrom) is not applied: the whole run")
        elif long < found.seconds:
            found = replace(found, start=found.end - long)
            said.append(f"{panel.time} of the run only, as it asks (timeFrom)")
    return found, said


def ask(found: Sequence[Target], panel: Panel, scope: Scope, asker: Asker, *, known: Sources, span: Range) -> Answer:
    """Ask queries. What has no answer for a reason is told of in the answer's errors."""
    answer = Answer()
    for target in found:
        if strange := known.of(target, {}):
            answer.errors.append(f"query {target.ref} asks {strange}, which a recording has not")
            continue
        if not target.expr.strip():
            continue
        regular, several = scope.regular(target.expr)
        answer.notes += [f"of all values of {name}, where one is to be chosen" for name in several]
        expression, wanted, inside = filled(replace(target, expr=regular), panel, scope, span)
        try:
            if target.instant:
                series = asker.instant(expression, span.end)
            else:
                series = asker.range(expression, wanted)
                answer.steps.append(wanted)
        except AskError as error:
            answer.errors.append(f"query {target.ref}: {error}")
            continue
        if target.both and series:
            answer.notes.append(f"query {target.ref} is asked over the range only, not at its end too")
        answer.frames += tables.of(target, series, inside, alone=len(found) == 1)
    return answer


def filled(target: Target, panel: Panel, scope: Scope, span: Range) -> tuple[str, Step, Scope]:
    """Return the expression of a query, its step, and the scope in which both hold."""
    points = panel.points or max(50, _SCREEN * panel.place.w // 24)
    least = scope.words(target.interval or panel.interval)
    wanted = step(span, points, least, target.factor)
    inside = scope.with_own(
        __interval=words(wanted.seconds),
        __interval_ms=str(round(wanted.seconds * 1000)),
        __rate_interval=words(wanted.rate),
        __rate_interval_ms=str(round(wanted.rate * 1000)),
    )
    return inside.query(target.expr), wanted, inside
