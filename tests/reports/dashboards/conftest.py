"""A recording with dashboards, built once."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reports import build
from runs.directory import RunDirectory
from tests.reports import recording as made
from tests.reports.dashboards.boards import PLACE, dashboard, panel, target

EVIL = "</script><script>window.evil=1</script><img src=x onerror='window.evil=2'><!--<script>"
BUCKETS = {"0.01": 0.2, "0.1": 0.7, "1": 1.0, "+Inf": 1.0}


def curves() -> list[made.Curve]:
    """Make series of an LLM run, with a histogram and the phases."""
    load = made.TARGETS[1]
    found = made.llm_curves()
    for le, share in BUCKETS.items():
        labels = made.labelled(load, le=le)
        found.append(
            made.Curve(
                "load_request_duration_seconds_bucket", "gauge", labels, lambda t, share=share: share * 20.0 * (t + 6)
            )
        )
    done = made.labelled(load, outcome="ok")
    found.append(made.Curve("load_requests_total", "counter", done, lambda t: 20.0 * (t + 6)))
    for phase, start, end in (("warmup", 0, 5), ("steady", 5, 35)):
        labels = made.labelled(load, phase=phase)
        found.append(made.Curve("run_phase", "gauge", labels, lambda t, a=start, b=end: 1.0 if a <= t < b else 0.0))
    return found


def hostile() -> dict[str, Any]:
    """Make a dashboard of words that want to be markup, in every place that takes words."""
    options = {"content": f"# {EVIL}\n[{EVIL}](javascript:window.evil=3) {EVIL}", "mode": "markdown"}
    evil = {"title": EVIL, "description": EVIL}
    mapped = [{"type": "value", "options": {"1": {"text": EVIL, "color": "red; } body { display: none"}}}]
    named = target("up", legendFormat=EVIL)
    variable = {"type": "constant", "name": "evil", "label": EVIL, "query": EVIL}
    kinds = ("timeseries", "stat", "gauge", "bargauge", "table", "state-timeline")
    return dashboard(
        panel("text", options=options, **evil),
        panel("text", options={"content": EVIL, "mode": "html"}, **evil),
        *(
            panel(
                kind, named, defaults={"unit": EVIL, "displayName": EVIL, "mappings": mapped, "noValue": EVIL}, **evil
            )
            for kind in kinds
        ),
        {
            "type": "graph",
            "targets": [named],
            "gridPos": PLACE,
            "seriesOverrides": [{"alias": EVIL, "color": EVIL}],
            "yaxes": [{"format": EVIL, "label": EVIL}],
            "aliasColors": {EVIL: EVIL},
            **evil,
        },
        {
            "type": "singlestat",
            "targets": [named],
            "gridPos": PLACE,
            "prefix": EVIL,
            "postfix": EVIL,
            "nullText": EVIL,
            "format": EVIL,
            "valueMaps": [{"value": "1", "text": EVIL}],
            **evil,
        },
        {"type": "text", "content": EVIL, "mode": "html", "gridPos": PLACE, **evil},
        panel("histogram", named, defaults={"unit": EVIL}, **evil),
        panel("barchart", named, defaults={"unit": EVIL, "displayName": EVIL}, **evil),
        panel(EVIL, "up", **evil),
        panel("stat", EVIL, **evil),
        variables=[variable],
        **evil,
    )


@pytest.fixture(scope="session")
def boarded(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with dashboards: every kind of panel, hostile words, one that is broken, exports; with its report."""
    place = tmp_path_factory.mktemp("boarded")
    run = made.Recording(made.llm_rows(), curves()).write(place / "recordings")
    shutil.copy(Path(__file__).parent / "kinds.json", run.dashboards / "a-kinds.json")
    (run.dashboards / "b-hostile.json").write_text(json.dumps(hostile()))
    (run.dashboards / "c-broken.json").write_text("{")
    for path in sorted((Path(__file__).parent / "exports").glob("*.json")):
        shutil.copy(path, run.dashboards / f"d-{path.name}")
    build.build(run, place / "scratch")
    return run
