"""All dashboards: as committed, well formed, and about metrics that somebody has seen."""

import copy
import importlib
import importlib.util
import json
from pathlib import Path

import pytest

from grafana import archive, check, known, promql
from grafana.board import View
from grafana.dashboards import HOME, boards
from grafana.datasource import UID
from prometheus.promql import metrics

GOLDEN = Path(__file__).parent / "golden" / "dashboards"
MADE = {board.name: json.loads(archive.text(board, View())) for board in boards()}


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_dashboard_is_as_committed(board, golden):
    """A change of a dashboard shows as a change of its JSON."""
    golden(GOLDEN / f"{board.name}.json", archive.text(board, View()))


def test_no_golden_file_is_left_over():
    """Each golden file has its dashboard."""
    assert {path.stem for path in GOLDEN.glob("*.json")} == MADE.keys()


def test_all_hold_what_is_checked():
    """Ids, uids, places, panel types, words, units, data sources, counters and windows."""
    assert check.dashboards(MADE) == []


def test_overview_comes_first():
    """The dashboard to watch is the first, and Grafana's home."""
    assert boards()[0].name == HOME
    assert (archive.HOME_FILE, HOME) == ("overview.json", "overview")


def test_promtool_accepts_every_expression():
    """Every query is PromQL, with Grafana's variables filled in."""
    expressions = [expr for board in MADE.values() for _title, expr in check.expressions(board)]
    assert len(expressions) > 250
    promql.check(promql.fill(expr, promql.PLACES) for expr in expressions)


def test_every_metric_was_seen_or_has_a_reason():
    """No panel asks for a name that nobody has recorded, captured, or read with a reason."""
    needed = names()
    assert known.unknown(needed) == []
    assert set(known.metrics()) == needed, "metrics that no dashboard asks for any more: tools/known_metrics.py"


def test_rules_are_those_of_prometheus():
    """What a dashboard takes from a recording rule is what a rule makes."""
    if importlib.util.find_spec("prometheus.rules") is None:
        pytest.skip("this checkout has no recording rules")
    rules = importlib.import_module("prometheus.rules")
    ruled = {name for name in names() if name.partition(":")[0] in {"service", "load", "node", "gpu", "lustre"}}
    assert {name for name in ruled if ":" in name} - rules.names() == set()


def names():
    """Return the metrics of all dashboards."""
    return frozenset().union(*(metrics(expr) for board in MADE.values() for _title, expr in check.expressions(board)))


def test_every_description_is_a_question_or_answers_one():
    """A panel says what it is for: a question that it answers."""
    for name, board in MADE.items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                assert "?" in panel["description"], (name, panel["title"])


def test_dashboards_link_each_other_with_time_and_variables():
    """From each dashboard the others are one click away, with the same run, nodes and time."""
    for board in MADE.values():
        (link,) = board["links"]
        assert (link["keepTime"], link["includeVars"], link["tags"]) == (True, True, board["tags"])


def test_every_dashboard_shows_phases_and_chooses_run_and_nodes():
    """Phases are shaded from the series, at a step that misses no short one."""
    for board in MADE.values():
        (phases,) = board["annotations"]["list"]
        assert phases["expr"] == 'run_phase{run_id=~"$run"} == 1'
        assert phases["step"] == "1s"
        assert [variable["name"] for variable in board["templating"]["list"]] == ["run", "node"]


def broken(change):
    """Return the problems of a dashboard that `change` spoilt."""
    board = copy.deepcopy(MADE["overview"])
    change(board, [panel for panel in board["panels"] if panel["type"] == "timeseries"])
    return "\n".join(check.one(board))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _b, p: p[0].update(id=p[1]["id"]), "is used twice"),
        (lambda _b, p: p[0].update(gridPos=p[1]["gridPos"]), "overlap"),
        (lambda _b, p: p[0]["gridPos"].update(x=20), "is not inside 24 columns"),
        (lambda _b, p: p[0].update(type="graph"), "type graph is not one of"),
        (lambda _b, p: p[0].update(description=""), "it has no description"),
        (lambda _b, p: p[0]["fieldConfig"]["defaults"].pop("unit"), "it has no unit"),
        (lambda _b, p: p[0].update(targets=[]), "it has no query"),
        (lambda _b, p: p[0]["targets"][0].update(refId="B"), "refIds are not distinct"),
        (lambda _b, p: p[0]["datasource"].update(uid="prom"), f"its data source is not {UID}"),
        (lambda _b, p: p[0]["targets"][0].update(expr='x_total{run_id="1"}'), "takes the counter x_total as it is"),
        (lambda _b, p: p[0]["targets"][0].update(expr='rate(x_total{run_id="1"}[1m])'), "in place of $__rate_interval"),
        (lambda _b, p: p[0]["targets"][0].update(expr="up"), "does not choose the run"),
        (lambda b, _p: b.update(schemaVersion=12), "schemaVersion is 12"),
        (lambda b, _p: b.update(editable=True), "it is editable"),
        (lambda b, _p: b["templating"]["list"][0].update(refresh=1), "is not read again"),
        (lambda b, _p: b["templating"]["list"][0].update(definition="up"), "is not label_values(SELECTOR, LABEL)"),
    ],
)
def test_check_finds_what_is_wrong(change, words):
    """Each thing that must hold is found when it does not."""
    assert words in broken(change)


def test_two_dashboards_of_one_uid_are_found():
    """Grafana would show one of them only."""
    assert "uid 'dashcam-load' is used twice" in check.dashboards({"a": MADE["load"], "b": MADE["load"]})
