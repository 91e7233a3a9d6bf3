"""Dashboards against Grafana's own models (grafana-foundation-sdk 11.6): what those drop, no Grafana reads."""

import json

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.board import View
from grafana.dashboards import boards

KNOWN_TO_GRAFANA_ONLY = {
    # Read by the Prometheus data source's annotations (public/app/plugins/datasource/prometheus), not by the model.
    *(f"/annotations/list[]/{key}" for key in ("step", "titleFormat", "textFormat", "tagKeys", "useValueForTime")),
    *(f"/annotations/list[]/target/{key}" for key in ("expr", "interval", "refId")),
    "/templating/list[]/definition",  # what the list of variables shows
}


@pytest.fixture(autouse=True, scope="module")
def _plugins():
    plugins.register_default_plugins()


def through_the_model(board):
    """Return what Grafana's model keeps of a dashboard."""
    plain = json.loads(json.dumps(board))
    return json.loads(JSONEncoder().encode(Dashboard.from_json(plain)))


def lost(ours, theirs, path=""):
    """Yield the places where the model dropped or changed a value."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                yield f"{path}/{key}"
            else:
                yield from lost(value, theirs[key], f"{path}/{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), path
        for mine, its in zip(ours, theirs, strict=True):
            yield from lost(mine, its, f"{path}[]")
    elif ours != theirs:
        yield f"{path}: {ours!r} became {theirs!r}"


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_grafanas_model_keeps_all_of_it(board):
    """Each dashboard is read by the model, and no key of it is lost, those of panels' options included."""
    made = board.json(View())
    assert set(lost(made, through_the_model(made))) <= KNOWN_TO_GRAFANA_ONLY


def test_a_stale_key_would_be_seen():
    """The test above has teeth: grafanalib's own option of a bar gauge is one that the model drops."""
    made = json.loads(json.dumps(next(board for board in boards() if board.name == "node").json(View())))
    bars = next(panel for panel in made["panels"] if panel["type"] == "bargauge")
    bars["options"]["fieldOptions"] = {"calcs": ["mean"]}
    assert "/panels[]/options/fieldOptions" in set(lost(made, through_the_model(made)))
