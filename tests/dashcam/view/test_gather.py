"""What the run's record, the load's progress and Prometheus say becomes one state."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from dashcam.view import gather, plain
from dashcam.view.facts import Stretch
from dashcam.view.measures import Measures, Observer
from dashcam.view.questions import MANY, questions, together
from loadtests.progress import Progress, Span
from prometheus.client import ActiveTarget, PrometheusError, Series
from runs.manifest import Manifest, Process, Target, now

NOW = now()
RECIPE = {
    "name": "short",
    "services": {"llm": {"kind": "command"}},
    "load": {
        "generator": "openai",
        "phases": [
            {"name": "warmup", "for": 5, "rate": 5},
            {"name": "stairs", "for": 10, "steps": [10, 20]},
            {"name": "cooldown", "for": 5, "rate": 1},
        ],
    },
}


def manifest(**changes):
    """A run of one service with two targets."""
    facts = {
        "id": "20261125-060223-short-e96f", "recipe": RECIPE, "state": "running", "created": NOW,
        "targets": [Target(job="llm", role="service", node="n1", instance="n1:1"),
                    Target(job="load", role="load", node="n1", instance="n1:2")],
    }  # fmt: skip
    return Manifest(**{**facts, **changes})


def span(name, start, end, **more):
    """A phase from so many seconds after NOW."""
    return Span(
        name=name, measured=True, started=NOW + timedelta(seconds=start), ended=NOW + timedelta(seconds=end), **more
    )


PROGRESS = Progress(
    state="running", phase="stairs-1", started=NOW - timedelta(seconds=9), ends_at=NOW + timedelta(seconds=16),
    done=45, failed=2, in_flight=3, rate_intended=10.0, rate_done=9.5, p50_latency=0.01, p99_latency=0.2,
    errors={"timeout": 2}, phases=[span("warmup", -9, -4), span("stairs-1", -4, 6)],
)  # fmt: skip


def test_phases_with_those_to_come():
    """Steps of a staircase are phases; the current one says how much of it is left."""
    facts = gather.facts(manifest(), PROGRESS, None, NOW)
    assert [(phase.name, phase.state) for phase in facts.phases] == [
        ("warmup", "done"), ("stairs-1", "now"), ("stairs-2", "next"), ("cooldown", "next"),
    ]  # fmt: skip
    assert facts.phases[1] == Stretch("stairs-1", "now", pytest.approx(6.0), pytest.approx(0.4))
    assert (facts.spent, facts.whole) == (pytest.approx(9.0), pytest.approx(25.0))


def test_progress_stands_in_for_prometheus():
    """Without an answer the load's own figures are shown, and nothing is made up for the rest."""
    facts = gather.facts(manifest(), PROGRESS, None, NOW, "gone")
    assert (facts.load.asked, facts.load.done, facts.load.failed, facts.load.errors) == (
        10.0,
        9.5,
        2,
        (("timeout", 2),),
    )
    assert facts.services == facts.machines == facts.alerts == ()
    assert facts.targets.up is None
    assert facts.targets.expected == 2
    assert facts.trouble == "gone"


@pytest.mark.parametrize(
    ("changes", "progress", "words"),
    [
        ({"state": "submitted"}, None, "waits in the queue"),
        ({"state": "starting"}, None, "starts"),
        ({"state": "starting"}, Progress(state="setup"), "the load sets up"),
        ({"state": "ending", "reason": "the load ran to its end"}, PROGRESS, "is wound up: the load ran to its end"),
        ({"state": "running"}, Progress(state="drain"), "drains"),
        ({"state": "ended"}, PROGRESS, "ended"),
    ],
)
def test_states_in_words(changes, progress, words):
    """Each state of a run is said in words that tell what it waits for."""
    assert gather.facts(manifest(**changes), progress, None, NOW).state == words


def test_programs_that_start_are_counted():
    """While a run starts, it says how many of its programs are ready."""
    process = Process(name="llm", role="service", node=0, pid=1, start_ticks=1, log="", started=NOW)
    both = [process, process.model_copy(update={"ready": NOW})]
    found = gather.facts(manifest(state="starting", processes=both), None, None, NOW)
    assert found.state == "starts its programs, 1 of 2 ready"


class FakeClient:
    """Answers from a table of expressions; what is not in it has no series."""

    def __init__(self, table, targets=()):
        self.table, self.asked, self.active = table, [], list(targets)
        self.listed = 0

    def query(self, expression):
        """Answer those parts of a query whose expression is in the table."""
        self.asked.append(expression)
        found = []
        for fact, text, rows in self.table:
            if together([(fact, text)]) in expression:
                found += [
                    Series({**labels, "fact": fact}, np.array([0.0]), np.array([value])) for labels, value in rows
                ]
        return found

    def targets(self):
        """List targets."""
        self.listed += 1
        return self.active


def question(fact, nodes=1):
    """Return the question about a fact."""
    return next(one for one in questions(nodes) if one.fact == fact)


def test_rules_are_asked_first_and_raw_series_where_there_are_none():
    """A fact that the rules give is not asked for a second time; values that are no numbers are none."""
    rows = [
        ("done", question("done").rule, [({}, 9.0)]),
        ("asked", question("asked").raw, [({}, 10.0)]),
        ("latency_p99", question("latency_p99").raw.replace("$w", "4000ms"), [({}, float("nan"))]),
    ]
    client = FakeClient(rows)
    measures = Observer(client, 1, 1.0).look()
    assert measures.load().done == 9.0
    assert measures.load().asked == 10.0
    assert measures.load().latency_p99 is None
    assert len(client.asked) == 2
    assert question("done").raw.replace("$w", "4000ms") not in client.asked[1]


def test_one_query_a_look_where_all_rules_are_there():
    """With every rule there, a look is one query."""
    client = FakeClient(
        [(q.fact, q.rule or q.raw.replace("$w", "4000ms"), [({}, 1.0)]) for q in questions(1) if q.fact != "down"]
    )
    observer = Observer(client, 1, 1.0)
    observer.look()
    assert len(client.asked) == 1


def test_targets_that_are_down_say_why_and_are_not_asked_for_each_second():
    """The list of targets is fetched when one is down, and again only for a new one."""
    row = ({"job": "llm", "node": "n1", "instance": "n1:1"}, 0.0)
    active = [ActiveTarget("llm", {"instance": "n1:1"}, "down", "connection refused")]
    client = FakeClient([("down", "up == 0", [row]), ("up", "sum(up)", [({}, 1.0)])], active)
    observer = Observer(client, 1, 1.0)
    for _ in range(3):
        targets = observer.look().targets(2)
    assert (targets.up, targets.expected, targets.down[0].error) == (1, 2, "connection refused")
    assert client.listed == 1


def test_a_broken_list_of_targets_costs_no_look():
    """Without the reasons there are still the names."""
    client = FakeClient([("down", "up == 0", [({"job": "llm", "node": "n1", "instance": "n1:1"}, 0.0)])])
    client.targets = lambda: (_ for _ in ()).throw(PrometheusError("no"))
    assert Observer(client, 1, 1.0).look().down[0].job == "llm"


def test_many_nodes_are_summed_up_by_prometheus():
    """From MANY nodes on, what comes back does not grow with their number."""
    assert '"node", "most"' not in together([(q.fact, q.rule) for q in questions(MANY) if q.rule])
    texts = [q.rule for q in questions(MANY + 1) if q.fact == "cpu"]
    assert texts == [
        'label_replace(avg(max by (node) (node:cpu_busy_ratio)), "node", "mean", "", "")',
        'label_replace(max(max by (node) (node:cpu_busy_ratio)), "node", "most", "", "")',
    ]


def test_alerts_of_one_rule_are_one_line_the_worst_first():
    """An alert on four nodes is one alert with its places."""
    rows = tuple(
        ({"alertname": name, "severity": severity, "node": node}, 1.0)
        for name, severity, node in (
            ("B", "warning", "n2"),
            ("B", "warning", "n1"),
            ("A", "info", "n1"),
            ("Z", "critical", ""),
        )
    )
    found = Measures({"alert": rows}).alerts()
    assert [(one.name, one.where) for one in found] == [("Z", ""), ("B", "n1, n2"), ("A", "n1")]


def test_gpus_stand_in_the_order_of_their_numbers():
    """GPU 10 follows GPU 9."""
    rows = tuple(({"node": "n1", "gpu": str(index)}, index / 10) for index in (10, 9, 1, 0))
    assert Measures({"gpu": rows}).machines()[0].gpus == (0.0, 0.1, 0.9, 1.0)


def test_plain_lines():
    """Without a terminal: one line, and each note, alert and dead target once."""
    before = gather.facts(manifest(), PROGRESS, None, NOW)
    assert plain.headline(before) == "stairs-1: 45 done, 2 failed, 3 open, 9.5/s, p99 200 ms, 16 s left"
    down = {"down": (({"job": "llm"}, 0.0),), "up": (({}, 1.0),), "alert": (({"alertname": "Idle"}, 1.0),)}
    observer = Observer(
        FakeClient([("down", "up == 0", [({"job": "llm", "node": "n1", "instance": ""}, 0.0)])]), 1, 1.0
    )
    measures = Measures(down, observer.look().down)
    after = gather.facts(manifest(notes=["exporter-0 died"]), PROGRESS, measures, NOW)
    assert plain.news(after, before) == ["note: exporter-0 died", "alert: Idle", "down: llm on n1"]
    assert plain.news(after, after) == []
    waiting = replace(after, phases=(Stretch("steady", "next"),), notes=(), alerts=())
    assert plain.news(waiting, before) == []
    assert plain.news(replace(waiting, phases=(Stretch("steady", "now"),)), before) == ["down: llm on n1"]
