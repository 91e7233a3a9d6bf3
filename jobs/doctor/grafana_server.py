"""Grafana, which a run starts beside its Prometheus where there is one."""

from collections.abc import Iterable

from grafana import server
from jobs.doctor import boxes
from jobs.doctor.base import Check, Context, Line

_MEND = "put `grafana` of the unpacked release on PATH, or set GRAFANA_HOME"


def _look(context: Context) -> Iterable[Line]:
    mode = context.recipe.watch.grafana.mode if context.recipe is not None else "auto"
    if mode == "off":
        return
    needed = mode == "required"
    if boxed := boxes.instead(context, "grafana", "grafana"):
        yield boxed
        return
    try:
        found = server.find()
    except server.GrafanaError as error:
        yield Line("grafana", "missing" if needed else "degraded", str(error), needed=needed)
        return
    if found is not None:
        yield Line("grafana", "ok", f"{found.version} ({found.argv[0]})")
    elif needed:
        yield Line("grafana", "missing", "no Grafana on PATH, and the recipe requires one", _MEND, needed=True)
    else:
        lost = "no Grafana on PATH: live dashboards are lost; the terminal view and the report's dashboards are not"
        yield Line("grafana", "degraded", lost, _MEND)


CHECK = Check("grafana", "programs", _look, order=3)
