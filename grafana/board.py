"""A dashboard as its file says it, and its JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from grafana import palette
from grafana.layout import Section, place
from grafana.lib import SOURCE, dashboard
from grafana.needs import ANY, Facts, Needs

TAG = "dashcam"


@dataclass(frozen=True)
class View:
    """What of a run a dashboard shows. `interval`: seconds between scrapes; `run`: the run that is chosen at first.

    `time` and `refresh` as Grafana writes them; `unmeasured`: the time is that of a run that has ended, in which these
    phases do not count.
    """

    interval: float = 1.0
    time: tuple[str, str] = ("now-15m", "now")
    refresh: str = "5s"
    run: str | None = None
    unmeasured: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Board:
    """A dashboard: what it is for, what it needs, and its panels."""

    name: str
    title: str
    description: str
    sections: Sequence[Section]
    needs: Needs = ANY

    @property
    def uid(self) -> str:
        """Its name in links; the same for each run, so that a link outlives one."""
        return f"dashcam-{self.name}"

    def fit(self, facts: Facts) -> "Board | None":
        """Leave out what cannot have data in a run; None where nothing is left."""
        if not self.needs.met(facts):
            return None
        sections = [
            replace(section, panels=kept)
            for section in self.sections
            if section.needs.met(facts) and (kept := [panel for panel in section.panels if panel.needs.met(facts)])
        ]
        return replace(self, sections=sections) if sections else None

    def json(self, view: View) -> dict[str, Any]:
        """Return the dashboard as Grafana takes it."""
        return dashboard(
            uid=self.uid,
            title=f"dashcam: {self.title}",
            description=self.description,
            panels=place(self.sections, view.unmeasured),
            variables=[_run(view), _node()],
            annotations=[_phases(view)],
            links=[_link()],
            tags=[TAG],
            time=view.time,
            refresh=view.refresh,
        )


def _variable(name: str, label: str, description: str, query: str, *, many: bool) -> dict[str, Any]:
    everything = {"text": ["All"], "value": ["$__all"], "selected": True}
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "datasource": SOURCE,
        "query": {"query": query, "refId": f"variable-{name}", "qryType": 1},
        "definition": query,
        "refresh": 2,  # when the time range changes: a recording's labels are those of its time
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
        "regex": "",
        **({"allValue": ".*", "current": everything} if many else {"current": {}}),
    }


def _run(view: View) -> dict[str, Any]:
    variable = _variable("run", "Run", "The run that is shown", "label_values(up, run_id)", many=False)
    if view.run is not None:
        variable["current"] = {"text": view.run, "value": view.run, "selected": True}
        variable["options"] = [variable["current"]]
    return variable


def _node() -> dict[str, Any]:
    return _variable("node", "Node", "Nodes of the run", 'label_values(up{run_id=~"$run"}, node)', many=True)


def _phases(view: View) -> dict[str, Any]:
    """Shade the load's phases. The step is that of the scrapes: Grafana's own, 60 s, would step over short ones."""
    expression, step = 'run_phase{run_id=~"$run"} == 1', f"{max(1, round(view.interval))}s"
    return {
        "name": "Phases",
        "enable": True,
        "hide": False,
        "iconColor": palette.PURPLE,
        "datasource": SOURCE,
        "expr": expression,
        "step": step,
        "titleFormat": "{{phase}}",
        "textFormat": "phase of the load",
        "tagKeys": "phase",
        "useValueForTime": "off",
        "target": {"expr": expression, "interval": step, "refId": "Anno"},
    }


def _link() -> dict[str, Any]:
    return {
        "title": "Dashboards of the run",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
