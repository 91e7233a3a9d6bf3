"""Which panels have data in a recording, and why the others have none; asked of a real Prometheus."""

import json
import subprocess

import pytest

from grafana import presence
from grafana.presence import Presence, Window
from prometheus import replay
from runs.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "x",
        "services": {"llm": {"kind": "llamacpp"}},
        "watch": {"exporters": ["gpu", "lustre"]},
        "load": {"generator": "openai", "phases": [{"name": "steady", "for": "5s", "rate": 1}]},
    }
)
START, SECONDS = 1_700_000_000, 60
REFUSED = "no such thing here"
SERIES = {
    'up{run_id="r",node="n",job="llm"}': lambda _second: 1,
    'load_requests_total{run_id="r",node="n",outcome="ok"}': lambda second: 5 * second,
    'gpu_up{run_id="r",node="n",reason="nvidia-smi: not on PATH"}': lambda _second: 0,
    'other_seconds{run_id="another",node="n"}': lambda _second: 1,
}


@pytest.fixture
def opened(tmp_path):
    """Open a recording of one minute, made by promtool from numbers of ours."""
    lines = [f"{name} {value(second)} {START + second}" for name, value in SERIES.items() for second in range(SECONDS)]
    (tmp_path / "series.txt").write_text("\n".join([*lines, "# EOF", ""]))
    blocks = tmp_path / "tsdb"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "series.txt", blocks],
        check=True,
        capture_output=True,
    )
    with replay.open_blocks(blocks, tmp_path / "scratch") as found:
        yield found


def panel(title, *expressions, instant=False):
    """Return as much of a panel as is looked at."""
    return {"title": title, "targets": [{"expr": expr, "instant": instant} for expr in expressions]}


@pytest.mark.real
def test_panels_are_asked_as_grafana_asks_them(opened, tmp_path):
    """Variables are filled in, instant queries look at the end, rows and texts are passed over."""
    boards = tmp_path / "dashboards"
    boards.mkdir()
    run = 'run_id=~"$run",node=~"$node"'
    panels = [
        {"title": "Row", "type": "row"},
        panel("rate", f"rate(load_requests_total{{{run}}}[$__rate_interval])"),
        panel("range", f"increase(load_requests_total{{{run}}}[$__range])", instant=True),
        panel("one of two", "nothing_at_all", f"up{{{run}}}"),
        panel("another run's", f"other_seconds{{{run}}}"),
        panel("no GPU", f"max(gpu:utilization_ratio{{{run}}})"),
        panel("not asked for", f"node_load1{{{run}}}"),
        panel("no rules", f"service:request_rate{{{run}}}"),
        panel("nobody knows", f"llamacpp:of_the_future{{{run}}}"),
        panel("half known", f"llamacpp:of_the_future{{{run}}} / node_load1{{{run}}}"),
    ]
    (boards / "x.json").write_text(json.dumps({"panels": panels}))
    window = Window("r", START, START + SECONDS - 1, 1.0)
    found = {each.panel: each for each in presence.look(boards, opened.client, RECIPE, window)}
    assert found["rate"] == Presence("x", "rate", 1, 1)
    assert found["range"].answered == 1
    assert (found["one of two"].queries, found["one of two"].answered, found["one of two"].fault) == (2, 1, False)
    assert found["no GPU"].reason == "the exporter gpu: nvidia-smi: not on PATH"
    assert found["not asked for"].reason == "the exporter node was not asked for: watch.exporters"
    assert found["no rules"].reason == "this recording was made without recording rules"
    assert [each.panel for each in found.values() if each.fault] == ["another run's", "nobody knows", "half known"]


def test_windows_are_grafanas():
    """Four scrapes at least, a step and a scrape where points are further apart."""
    assert Window("r", 0, 60, 1.0).values["__rate_interval"] == "4000ms"
    long = Window("r", 0, 40_000, 1.0)
    assert (long.step, long.values["__rate_interval"], long.values["__range"]) == (20.0, "21000ms", "40000s")
