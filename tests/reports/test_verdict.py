"""Each rule: a run that breaks it, and nothing else, is judged for that and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from prometheus import rules
from reports import causes, machines, verdict
from reports.alerts import Firing
from reports.nodes import Machine
from reports.presence import Presence
from reports.servers import Count, NodeClock, Servers, Still, Unit
from runs.manifest import Verdict
from tests.reports import recording as made
from tests.reports import sidecars

rng = np.random.default_rng(11)


def judged(*args: Any, **changes: Any) -> Verdict:
    """Judge a clean run with changes."""
    return verdict.judge(made.evidence(*args, **changes))


def reasons(found: Verdict) -> set[str]:
    """Return the rules that made a run INVALID."""
    return {finding.rule for finding in found.findings if finding.level == "invalid"}


def warnings(found: Verdict) -> set[str]:
    """Return the rules that warn."""
    return {finding.rule for finding in found.findings if finding.level == "warning"}


def failing(share: float, kind: str = "http_500") -> list[made.Row]:
    """Make a clean run's requests, of which every so many failed."""
    rows = made.steady_rows()
    for index, one in enumerate(rows):
        if share and index % round(1 / share) == 50 % round(1 / share):
            one |= {"ok": False, "error": kind}
    return rows


def late(share: float, by: float) -> list[made.Row]:
    """Make a clean run's requests, a share of which left late."""
    rows = made.steady_rows()
    for index, one in enumerate(rows):
        if index % round(1 / share) == 0:
            one |= {"sent": one["intended"] + by, "done": one["done"] + by}
    return rows


def slower(times: Callable[[float], float]) -> list[made.Row]:
    """Make a clean run's requests, which take so many times as long by when they were intended."""
    return [
        *made.open_loop(
            rng, "steady", 5.0, 30.0, rate=20.0, service=lambda at: times(at) * (0.02 + rng.exponential(0.004))
        )
    ]


def cached(share: float) -> list[made.Row]:
    """Make a clean run's requests, of which those after the first hundred take a share of the time."""
    rows = [one for one in made.steady_rows() if one["phase"] == "steady"]
    for index, one in enumerate(rows):
        if index >= 100:
            one |= {"done": one["intended"] + (one["done"] - one["intended"]) * share}
    return rows


def overload(rate: float) -> list[made.Row]:
    """Make the requests of a phase at 20/s, which a single place takes at `rate` a second."""
    return [*made.open_loop(rng, "steady", 5.0, 30.0, rate=20.0, service=made.queue(rng, 1 / rate))]


def figures(**changes: Any) -> dict[str, Any]:
    """Make what a tool tells of the reads of a clean phase at 20/s."""
    return {
        "phase": "steady", "target": "tmpfs", "operation": "read", "count": 600, "failed": 0, "seconds": 30.0,
        "bytes": 600 * 4096, "percentiles": {"0.5": 0.001, "0.99": 0.005},
    } | changes  # fmt: skip


def recalls(low: float, begin: float, end: float) -> list[made.Row]:
    """Make searches of recall 0.9, give or take a neighbour, but for a stretch."""
    rows = made.steady_rows()
    for one in rows:
        mean = low if begin <= one["intended"] < end else 0.9
        one |= {"recall": float(np.clip(rng.binomial(10, mean) / 10, 0, 1))}
    return rows


def alert(name: str, start: float = 10.0, end: float = 20.0) -> Firing:
    """Make an alert that fired from and to so many seconds after START."""
    since = made.START.timestamp()
    return Firing(name, "critical", {"node": "n0"}, since + start, since + end, 1.0, "", f"{name} on n0", "mend it")


def still(job: str = "llm", instance: str = "n0:1", start: float = 10.0, end: float = 20.0) -> Servers:
    """Make a page that stood still from and to so many seconds after START."""
    since = made.START.timestamp()
    return Servers(still=(Still(job, instance, since + start, since + end),))


def starved(waited: float) -> dict[str, Any]:
    """Make the result of a load that used 9 of 30 seconds of CPU, and waited for it."""
    return {"phases": [{"name": "steady", "cpu_seconds": 9.0, "cpu_waited_seconds": waited}]}


def at_once(gap: float = 1e-5) -> list[made.Row]:
    """Make answers of twelve tokens that come at their ends, so many seconds apart."""
    rows = made.steady_rows()
    return [one | {"tokens_out": 12, "first_token": one["done"] - 11 * gap, "gaps": [gap] * 11} for one in rows]


CLOSED = made.span("steady", 5.0, 30.0, users=8, think=0.1)


def test_clean_run_is_valid() -> None:
    """Nothing is found at a clean run."""
    found = judged()
    assert found.valid
    assert found.findings == []


BROKEN: dict[str, Callable[[], Verdict]] = {
    "completed": lambda: judged(ending="failed", reason="llm died\n    | Killed"),
    "measured": lambda: judged([one for one in made.steady_rows() if one["phase"] == "warmup"]),
    "records_whole": lambda: judged(load_result={"phases": [{"name": "steady", "ok": 900, "failed": 0}]}),
    "failures": lambda: judged(failing(0.05)),
    "state_kept": lambda: judged(load_result={"violation": "invariant: accounts 5, tellers 4"}),
    "asked_rate": lambda: judged(made.steady_rows(rate=14.0)),
    "kept_up": lambda: judged(overload(12.0)),
    "little": lambda: judged([*made.closed_loop("steady", 5.0, 30.0, users=1, took=0.05, think=0.1)], phases=(CLOSED,)),
    "client_lag": lambda: judged(late(0.1, 0.02)),
    "client_cpu": lambda: judged(load_result={"phases": [{"name": "steady", "cpu_seconds": 28.5}]}),
    "scenario_kept": lambda: judged(load={"scenario": "single-stream", "phases": []}),
    "edge_found": lambda: judged(load_result={"search": {"state": "below", "lowest_failing": 5.0}}),
    "edge_of_the_service": lambda: judged(
        load_result={"search": {"state": "found", "lowest_failing": 5.0, "broke": ["client"]}}
    ),
    "operations_failed": lambda: judged(load_result={"aggregates": [figures(count=540, failed=60)]}),
    "tool_rate": lambda: judged(load_result={"aggregates": [figures(count=300)]}),
    "targets_up": lambda: judged(coverage=made.covered(llm=5.0)),
    "died": lambda: judged(processes=[made.process("llm", "service", stopped_by_us=False, exit_code=-9)]),
    "counts_agree": lambda: judged(
        servers=Servers(counts=(Count("vllm:request_success_total", "requests", "llm", 900),))
    ),
    "not_restarted": lambda: judged(servers=Servers(restarted=(("llm", "n0:1"),))),
    "not_frozen": lambda: judged(servers=still()),
    "machines_well": lambda: judged(alerts=(alert("JobOomKill"),)),
    "clocks_agree": lambda: judged(servers=Servers(clocks=(NodeClock("n1", 1.5, 0.0),))),
    "warmed_up": lambda: judged(slower(lambda at: 3.0 if at < 8.0 else 1.0)),
    "steady": lambda: judged(slower(lambda at: 1.0 + (at - 5.0) / 15.0)),
    "streamed": lambda: judged(at_once(), objectives={"itl_p99": 0.5}),
    "right_answers": lambda: judged(failing(0.007, "truncated")),
    "recall_known": lambda: judged(load={"generator": "vector"}),
    "recall_steady": lambda: judged(recalls(0.6, 17.0, 20.5), load={"generator": "vector"}),
    "one_model": lambda: judged(load_result={"notes": {"verified": {"models": {"large": 9, "small": 1}}}}),
    "nothing_dropped": lambda: judged(load_result={"phases": [{"name": "steady", "dropped": 3}]}),
    "not_cached": lambda: judged(cached(0.2), load_result={"notes": {"distinct": 100}}),
    "enough_samples": lambda: judged(objectives={"latency_p99.9": 1.0}),
}


STALE = "values up to 12 s old (median 0.5 s)"
DOUBTFUL: dict[str, Callable[[], Verdict]] = {
    "sources": lambda: judged(sources=(sidecars.source("gpu", faults=(STALE,)),)),
    "alone": lambda: judged(machines=(Machine("n0", 2, 1.6, 0.9, 0.1, 0.0),)),
    "light_watching": lambda: judged(machines=(Machine("n0", 2, 1.0, 0.9, 0.3, 0.0),)),
    "pieces_fit": lambda: judged([one | {"tokens_out": 8} for one in made.llm_rows()]),
    "prompts_whole": lambda: judged(load_result={"notes": {"verified": {"prompt_words": 1000, "prompt_tokens": 640}}}),
    "tool_told": lambda: judged(load_result={"warnings": ["k6's series did not arrive"]}),
    "retried": lambda: judged(
        [one | {"retries": int(index % 50 == 0)} for index, one in enumerate(made.steady_rows())]
    ),
    "tokens_known": lambda: judged(
        [one | {"tokens_out": 3 if index % 50 else None} for index, one in enumerate(made.steady_rows())]
    ),
}
"""Rules that first of all warn."""


def test_every_rule_is_tried() -> None:
    """No rule is without a run that breaks it."""
    assert set(BROKEN) | set(DOUBTFUL) == {rule.__name__ for rule in verdict.RULES}


def test_a_tool_may_speak_against_its_numbers() -> None:
    """What a load tool says of itself is passed on, and does not decide."""
    found = judged(load_result={"warnings": ["k6's series did not arrive"]})
    assert found.valid
    assert [(finding.rule, finding.message) for finding in found.findings] == [
        ("tool_told", "k6's series did not arrive")
    ]


def test_figures_without_requests_are_judged() -> None:
    """A tool that keeps no requests gives figures; a run with those, and no request, is not empty."""
    assert judged([], load_result={"aggregates": [figures()]}).valid
    assert reasons(judged([], load_result={"aggregates": [figures(phase="warmup"), {"phase": "steady"}]})) == {
        "measured"
    }


def test_objectives_of_requests_need_requests() -> None:
    """An objective that a tool without requests cannot be judged by makes the run INVALID, as any such does."""
    found = judged([], load_result={"aggregates": [figures()]}, objectives={"latency_p99": 0.5})
    assert reasons(found) == {"enough_samples"}


def test_a_tool_may_use_all_cores() -> None:
    """A tool that may use four cores is not the bottleneck at 28.5 s of CPU time in 30 s."""
    assert judged(load_result={"phases": [{"name": "steady", "cpu_seconds": 28.5, "cpu_cores": 4}]}).valid


def test_users_without_a_name_are_counted() -> None:
    """Little's law counts the requests of a tool that does not say whose they were."""
    eight = [one | {"user": None} for one in made.closed_loop("steady", 5.0, 30.0, users=8, took=0.05, think=0.1)]
    assert judged(eight, phases=(CLOSED,)).valid
    few = [one | {"user": None} for one in made.closed_loop("steady", 5.0, 30.0, users=1, took=0.05, think=0.1)]
    assert reasons(judged(few, phases=(CLOSED,))) == {"little"}


@pytest.mark.parametrize("rule", BROKEN)
def test_broken_run_is_invalid_for_one_reason(rule: str) -> None:
    """A run that breaks one rule is INVALID for it alone, in words and with numbers."""
    found = BROKEN[rule]()
    assert not found.valid
    assert reasons(found) == {rule}
    finding = found.findings[0]
    assert finding.message
    assert finding.evidence


@pytest.mark.parametrize(
    ("metric", "unit", "each"),
    [("vllm:generation_tokens_total", "tokens", 16), ("vllm:prompt_tokens_total", "prompt tokens", 32)],
)
def test_tokens_are_held_against_the_servers(metric: str, unit: Unit, each: int) -> None:
    """More or fewer tokens than the answers told are somebody else's; where some did not tell, nobody knows."""
    rows = made.llm_rows()
    total = each * len(rows)
    told = {number: Servers(counts=(Count(metric, unit, "llm", number),)) for number in (total, total * 2, total // 2)}
    assert judged(rows, servers=told[total]).valid
    for number in (total * 2, total // 2):
        found = judged(rows, servers=told[number])
        assert reasons(found) == {"counts_agree"}
        assert f"{number:,} {unit} ({metric})" in found.findings[0].message
    untold = [rows[0] | {"tokens_in": None, "tokens_out": None}, *rows[1:]]
    assert judged(untold, servers=told[total * 2]).valid
    own = judged(rows, servers=told[total * 2], load={"generator": "command", "options": {}})
    assert "counts_agree" not in reasons(own)


@pytest.mark.parametrize(("role", "broken"), [("llm", True), ("embeddings", False)])
def test_tokens_of_several_services_are_the_llms(role: str, broken: bool) -> None:
    """The records of `rag` hold the tokens of the answers: what its embedder counted is of other texts."""
    rows = made.llm_rows()
    found = judged(
        rows,
        servers=Servers(counts=(Count("vllm:prompt_tokens_total", "prompt tokens", "llm", 64 * len(rows)),)),
        load={"generator": "rag", "target": None, "targets": {role: "llm", "vectors": "vectors"}},
    )
    assert ("counts_agree" in reasons(found)) == broken


@pytest.mark.parametrize("rule", DOUBTFUL)
def test_doubtful_run_is_valid_with_one_warning(rule: str) -> None:
    """A run that breaks one rule that warns is VALID, with that warning alone, in words and with numbers."""
    found = DOUBTFUL[rule]()
    assert found.valid
    assert warnings(found) == {rule}
    assert found.findings[0].message
    assert found.findings[0].evidence


def test_rules_have_their_source() -> None:
    """Each rule says what must hold, in its docstring."""
    assert all(rule.__doc__ for rule in verdict.RULES)


def test_ending_is_told_with_its_moment() -> None:
    """A run that was cut off says when, in which phase, and why."""
    ended = made.STEADY.started + timedelta(seconds=12.5)
    found = judged(ending="time_limit", reason="Slurm's limit is near", ended=ended)
    assert "12.5 s into phase steady" in found.findings[0].message
    assert "Slurm's limit is near" in found.findings[0].message
    assert "before its first phase" in judged([], ending="failed", phases=()).findings[0].message


def test_few_failures_are_a_warning() -> None:
    """Half a percent of failures is told and does no harm."""
    found = judged(failing(0.005))
    assert found.valid
    assert warnings(found) == {"failures"}


def test_more_failures_are_allowed_by_the_recipe() -> None:
    """A recipe that expects errors says so by its objective."""
    assert judged(failing(0.05), objectives={"error_rate": 0.10}).valid


def test_missed_objective_is_no_reason_against_the_numbers() -> None:
    """A slow service gives honest numbers."""
    assert judged(objectives={"latency_p95": 0.001}).valid


def test_all_failed() -> None:
    """Where nothing succeeded there is nothing to judge."""
    rows = [one | {"ok": False, "error": "refused", "sent": None} for one in made.steady_rows()]
    found = judged(rows)
    assert reasons(found) == {"failures"}
    assert "measured" in warnings(found)


def test_constant_arrivals_have_no_noise() -> None:
    """A constant rate that misses its count by more than the edges is no clean load."""
    phase = made.span("steady", 5.0, 30.0, rate=20.0, arrival="constant")
    rows = [made.row("steady", 5.0 + index / 20, 0.02) for index in range(600)]
    assert judged(rows, phases=(phase,)).valid
    assert reasons(judged(rows[:500], phases=(phase,))) == {"asked_rate"}


def test_requests_that_left_after_the_end_were_not_sent_in_time() -> None:
    """A client that falls behind has not offered the rate."""
    rows = [one | {"sent": one["intended"] + 3.0, "done": one["done"] + 3.0} for one in made.steady_rows()]
    found = judged(rows)
    assert reasons(found) == {"client_lag"}
    assert "asked_rate" in warnings(found)


def test_cold_start_of_a_slow_service_is_no_overload() -> None:
    """A phase without warm-up first fills the system; answers of 8 s do not speak against it."""
    rows = [*made.open_loop(np.random.default_rng(4), "steady", 5.0, 30.0, rate=20.0, service=lambda _at: 8.0)]
    found = judged(rows, phases=(made.STEADY,))
    assert found.valid
    assert "kept_up" in warnings(found)


@pytest.mark.parametrize("users", [1, 8])
def test_users_of_a_closed_loop_are_counted_exactly(users: int) -> None:
    """Few slow requests, thinking and cut edges do not distort N = X (R + Z)."""
    phase = made.span("steady", 5.0, 10.0, users=users, think=0.7)
    rows = [
        *made.closed_loop("warmup", 0.0, 5.0, users=users, took=2.1),
        *made.closed_loop("steady", 6.3, 8.7, users=users, took=2.1, think=0.7),
    ]
    phases = (made.span("warmup", 0.0, 5.0, measured=False, users=users), phase)
    assert reasons(judged(rows, phases=phases)) == set()


def test_failed_requests_of_a_closed_loop_are_users_too() -> None:
    """A user whose request fails was there all the same."""
    rows = [*made.closed_loop("steady", 5.0, 30.0, users=8, took=0.05, think=0.1)]
    for one in rows[::300]:
        one |= {"ok": False, "error": "timeout"}
    assert judged(rows, phases=(CLOSED,)).valid


def test_more_users_than_asked_for_are_no_clean_load_either() -> None:
    """Users that were not asked for are not counted, but requests of the same user that overlap are."""
    rows = [*made.closed_loop("steady", 5.0, 30.0, users=8, took=0.3)] * 2
    assert reasons(judged(rows, phases=(made.span("steady", 5.0, 30.0, users=8),))) == {"little"}


def test_one_late_request_decides_nothing() -> None:
    """A single hiccup of 50 ms in a short run is no INVALID."""
    rows = made.steady_rows()[:120]
    rows[60] |= {"sent": rows[60]["intended"] + 0.05, "done": rows[60]["done"] + 0.05}
    phases = (made.WARMUP, made.span("steady", 5.0, 4.0, rate=20.0, arrival="poisson"))
    assert reasons(judged([one for one in rows if one["intended"] < 9.0], phases=phases)) == set()


def test_small_lag_of_a_fast_service_is_a_warning() -> None:
    """3 ms at the p99 beside answers of 25 ms is worth a word."""
    found = judged(late(0.05, 0.004))
    assert found.valid
    assert warnings(found) == {"client_lag"}


def test_lag_is_held_against_the_first_token() -> None:
    """Long answers do not hide a lag that spoils the time to first token."""
    rows = [one | {"first_token": one["sent"] + 0.01, "done": one["done"] + 20.0} for one in late(0.1, 0.02)]
    assert "client_lag" in reasons(judged(rows))


def test_users_that_stood_still_with_their_client_are_invalid() -> None:
    """A closed loop has no lag to tell that its client stood still for half a second of thirty."""
    rows = [*made.closed_loop("steady", 5.0, 30.0, users=8, took=0.05, think=0.1)]
    for loop, level in ((0.2, "warning"), (0.5, "invalid")):
        result = {"phases": [{"name": "steady", "cpu_seconds": 1.0, "loop_lag_max": loop}]}
        found = judged(rows, phases=(CLOSED,), load_result=result)
        assert [(finding.rule, finding.level) for finding in found.findings] == [("client_cpu", level)]


def test_a_restart_is_not_told_as_lost_counts() -> None:
    """What a service counted before it began anew and after its last scrape is lost: that is the restart's doing."""
    counts = (Count("vllm:request_success_total", "requests", "llm", 300),)
    found = judged(servers=Servers(counts=counts, restarted=(("llm", "n0:1"),)))
    assert reasons(found) == {"not_restarted"}


def test_a_cache_that_fills_is_no_warm_up() -> None:
    """Where repeated requests are quick because they were asked before, that alone is the reason."""
    rows = [one for one in made.steady_rows() if one["phase"] == "steady"]
    rows = [one | {"done": one["intended"] + (0.5 if index < 60 else 0.01)} for index, one in enumerate(rows)]
    assert reasons(judged(rows, load_result={"notes": {"distinct": 60}})) == {"not_cached"}
    assert reasons(judged(rows)) == {"warmed_up"}


def test_stalled_event_loop_is_a_warning() -> None:
    """A client that stood still for half a second measured late."""
    found = judged(load_result={"phases": [{"name": "steady", "cpu_seconds": 1.0, "loop_lag_max": 0.5}]})
    assert found.valid
    assert warnings(found) == {"client_cpu"}


@pytest.mark.parametrize("result", [{"phases": None}, {"phases": ["x"]}, {"phases": [{"name": "steady"}]}, {}])
def test_strange_result_of_the_load_is_survived(result: dict[str, Any]) -> None:
    """The load's own account is optional."""
    assert judged(load_result=result).valid


@pytest.mark.parametrize(("job", "valid"), [("llm", False), ("load", False), ("node", True), ("exporter", True)])
def test_gap_of_the_service_or_the_load_is_worse_than_of_a_sidecar(job: str, valid: bool) -> None:
    """Three missed scrapes of a sidecar are a warning; of what is judged, a reason."""
    found = judged(coverage=made.covered(**{job: 4.0}))
    assert found.valid is valid
    assert [finding.rule for finding in found.findings] == ["targets_up"]


def test_two_missed_scrapes_are_forgiven() -> None:
    """A gap of three intervals, with a little jitter, is no finding."""
    assert judged(coverage=made.covered(llm=3.2)).findings == []


def test_sources_are_named_with_their_faults() -> None:
    """One warning an exporter: which collector on which node, and what it did; of many, the first."""
    faulty = [sidecars.source("gpu", f"n{index}", faults=(STALE,)) for index in range(6)]
    down = sidecars.source("bgwriter", "n1", "pg", faults=("failed",), measured=Presence(0, 30, 1.0, 1, 30.0))
    found = judged(sources=(*faulty, down)).findings
    assert [(finding.rule, finding.evidence["job"]) for finding in found] == [
        ("sources", "exporter"),
        ("sources", "pg"),
    ]
    assert found[0].message.startswith(f"exporter did not tell everything all the time: gpu on n0 ({STALE}); gpu on n1")
    assert found[0].message.endswith("and 2 more, see the coverage table")
    assert found[0].evidence["nodes"] == [f"n{index}" for index in range(6)]
    assert found[1].evidence["up_ratio_min"] == 0.0


def test_refused_figures_and_empty_nodes_are_no_finding() -> None:
    """What a node does not have, or does not give, speaks against no number; a target's gap is told elsewhere."""
    sources = (
        sidecars.source("gpu", losses=("refused: dram_active_ratio",), notes=("not offered: power_watts",)),
        sidecars.source("lustre", reason="no Lustre client", measured=Presence(0, 30, 1.0, 1, 30.0)),
        sidecars.source("cgroup", measured=Presence(15, 30, 1.0, 1, 15.0)),
    )
    assert judged(sources=sources).findings == []


@pytest.mark.parametrize("collector", ["page llm", "page"])
def test_service_whose_page_was_not_read_makes_the_run_invalid(collector: str) -> None:
    """A page that our exporter reads in Prometheus's place is the watching of the service."""
    found = judged(sources=(sidecars.source(collector, faults=("nothing to read in 10 of 30 scrapes",)),))
    assert reasons(found) == {"sources"}


def test_page_of_nobody_we_started_is_a_warning() -> None:
    """Other pages are sidecars' matters."""
    found = judged(sources=(sidecars.source("page other", faults=("nothing to read in 10 of 30 scrapes",)),))
    assert found.valid
    assert warnings(found) == {"sources"}


def test_sources_of_a_run_without_measured_phase_are_no_finding() -> None:
    """There is nothing that they could have missed."""
    found = judged([], phases=(), ending="failed", sources=(sidecars.source("gpu", faults=("failed",)),))
    assert "sources" not in warnings(found)


def test_death_of_a_sidecar_is_a_warning() -> None:
    """A sidecar that died leaves a hole; a load that ended well by itself leaves nothing."""
    dead = made.process("node-exporter-0", "sidecar", stopped_by_us=False, exit_code=2)
    load = made.process("load", "load", stopped_by_us=False, exit_code=0)
    found = judged(processes=[dead, load])
    assert found.valid
    assert [finding.evidence["process"] for finding in found.findings] == ["node-exporter-0"]


def test_too_few_answers_for_a_p99_are_a_warning() -> None:
    """The headline does without its p99, and says so."""
    found = judged(made.steady_rows(rate=5.0), phases=(made.WARMUP, made.span("steady", 5.0, 30.0, rate=5.0)))
    assert found.valid
    assert warnings(found) == {"enough_samples"}


def test_invalid_findings_come_first() -> None:
    """Readers see reasons before warnings."""
    found = judged(failing(0.005), coverage=made.covered(llm=9.0))
    assert [finding.level for finding in found.findings] == ["invalid", "warning"]


def test_requests_that_time_out_in_a_queue_do_not_hide_it() -> None:
    """A client that gives up keeps the queue as long as its timeout allows: the service keeps up no better for it."""
    rows = overload(12.0)
    for one in rows:
        if one["done"] - one["intended"] > 2.0:
            one |= {"ok": False, "error": "timeout", "done": one["intended"] + 2.0}
    assert reasons(judged(rows, load={"timeout": 2.0})) == {"kept_up"}
    hung = failing(0.2, "timeout")
    assert reasons(judged(hung, load={"timeout": 2.0})) == {"failures"}


def test_what_is_not_let_in_was_tried() -> None:
    """A service that refuses connections is no client that sends late."""
    rows = [one | {"ok": False, "error": "refused", "sent": None} for one in made.steady_rows()]
    assert reasons(judged(rows)) == {"failures"}
    rows = [one | {"ok": False, "error": "drained", "sent": None} for one in made.steady_rows()]
    assert "asked_rate" in reasons(judged(rows))


def test_what_follows_from_a_fault_is_no_second_reason() -> None:
    """Wrong answers are failures too; a client without CPU sends late: the cause is the reason, the rest warnings."""
    found = judged(failing(0.05, "truncated"))
    assert reasons(found) == {"right_answers"}
    assert "(follows from right_answers)" in next(one.message for one in found.findings if one.rule == "failures")
    assert reasons(judged(late(0.1, 0.02), load_result=starved(25.0))) == {"client_cpu"}
    rows = [one | {"ok": False, "error": ("http_500", "truncated")[index % 2]} for index, one in enumerate(failing(0))]
    assert reasons(judged(rows)) == {"failures", "right_answers"}


def test_causes_are_rules_and_no_circle() -> None:
    """What may follow from what is a table of rules that end somewhere."""
    names = {rule.__name__ for rule in verdict.RULES}
    assert set(causes.CAUSES) <= names
    open_ones = {rule: set(known) for rule, known in causes.CAUSES.items()}
    assert all(known <= names for known in open_ones.values())
    while open_ones:
        ends = {rule for rule, known in open_ones.items() if not known & set(open_ones)}
        assert ends, open_ones
        open_ones = {rule: known for rule, known in open_ones.items() if rule not in ends}


@pytest.mark.parametrize(("kinds", "expected"), [("timeout", {"failures"}), ("http_500", {"failures", "targets_up"})])
def test_a_service_that_hangs_is_one_reason(kinds: str, expected: set[str]) -> None:
    """One that answers neither the load nor Prometheus; if it did answer the load, the gap is another matter."""
    assert reasons(judged(failing(0.2, kinds), coverage=made.covered(llm=9.0))) == expected


def test_clients_without_cpu_are_bottlenecks() -> None:
    """Time on the run queue counts as time that was needed."""
    assert judged(load_result=starved(5.0)).findings == []
    found = judged(load_result=starved(20.0))
    assert reasons(found) == {"client_cpu"}
    assert "used 30% of a core and waited for one 67% of the time" in found.findings[0].message


def test_a_level_that_changes_at_once_is_no_steady_state() -> None:
    """A jump is no line: a service that gets slow halfway is told with both levels and the place."""
    found = judged(slower(lambda at: 1.0 if at < 20.0 else 3.0))
    assert reasons(found) == {"steady"}
    assert "at 50% of it" in found.findings[0].message
    found = judged(slower(lambda at: 1.0 if at < 20.0 else 1.75))
    assert found.valid
    assert warnings(found) == {"steady"}
    assert judged(slower(lambda at: 5.0 if 18.5 < at < 20.0 else 1.0)).findings == []


def test_a_warm_up_of_a_fifth() -> None:
    """The scatter of the rest does not hide that the first two tenths were slow."""
    assert reasons(judged(slower(lambda at: 3.0 if at < 11.0 else 1.0))) == {"warmed_up"}


def test_recall_by_operation() -> None:
    """Values of a sweep have recalls of their own; few answers, and scatter, are no fall."""
    rows = made.steady_rows()
    for index, one in enumerate(rows):
        one |= {"operation": f"ef_search={20 + 80 * (index % 2)}", "recall": 0.5 + 0.45 * (index % 2)}
    assert judged(rows, load={"generator": "vector"}).findings == []
    for one in rows:
        if one["operation"] == "ef_search=100" and one["intended"] > 32.0:
            one["recall"] = 0.5
    found = judged(rows, load={"generator": "vector"})
    assert reasons(found) == {"recall_steady"}
    assert "(ef_search=100)" in found.findings[0].message
    assert judged(recalls(0.9, 0.0, 0.0), load={"generator": "vector"}).findings == []


def damaged(**changes: Any) -> Verdict:
    """Judge a clean run, one in twenty of whose records is changed."""
    rows = made.steady_rows()
    for one in rows[::20]:
        one |= {name: change(one) if callable(change) else change for name, change in changes.items()}
    return judged(rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"done": None},
        {"done": lambda one: one["intended"] - 1.0},
        {"sent": lambda one: one["intended"] - 0.5},
        {"first_token": lambda one: one["done"] + 0.1},
        {"sent": None},
        {"phase": "warmup"},
        {"phase": "other"},
    ],
    ids=["no-end", "ends-before", "sent-before", "token-after-end", "never-left", "warmup", "no-phase"],
)
def test_records_that_cannot_be_true(changes: dict[str, Any]) -> None:
    """No end, an end before the begin, a good answer to what never left, requests of another phase."""
    assert "records_whole" in reasons(damaged(**changes))


def test_records_are_counted() -> None:
    """As many as the load counted, each once; a tool's operations without records are no missing records."""
    rows = made.steady_rows()
    counted = {"name": "steady", "ok": sum(one["phase"] == "steady" for one in rows), "failed": 0}
    assert judged(rows, load_result={"phases": [counted]}).valid
    assert reasons(judged(rows[:-1], load_result={"phases": [counted]})) == {"records_whole"}
    cut = judged(rows[:-1], load_result={"phases": [counted]}, ending="time_limit")
    assert reasons(cut) == {"completed"}
    told = {"phases": [counted | {"ok": 9999}], "aggregates": [figures()]}
    assert judged(rows, load_result=told).valid


def test_a_page_stands_still_only_while_its_service_answers() -> None:
    """An idle service has nothing to tell, nor has one that the load does not drive; a node's page is a warning."""
    assert judged(servers=still(start=36.0, end=39.0)).findings == []
    idle = judged(servers=still(), load={"target": "other"})
    assert idle.findings == []
    node = judged(servers=still("node", "n0:3"))
    assert node.valid
    assert warnings(node) == {"not_frozen"}


def test_alerts_that_the_verdict_tells_are_there() -> None:
    """No name of an alert that no rule fires."""
    assert set(machines.SERIOUS) <= rules.alerts()


def test_alerts_of_machines() -> None:
    """Heat is a reserve; what fired outside of the measured phases, or speaks of no machine, is none."""
    hot = judged(alerts=(alert("GpuThermalThrottle"), alert("GpuThermalThrottle", 12.0)))
    assert hot.valid
    assert [one.message for one in hot.findings] == ["GpuThermalThrottle on n0 (and 1 more like it)"]
    assert judged(alerts=(alert("JobOomKill", 1.0, 3.0), alert("QueueGrowing"))).findings == []


def test_cores_that_a_hypervisor_gives_away() -> None:
    """Steal is told; interrupts and a little of others are not."""
    assert warnings(judged(machines=(Machine("n0", 2, 1.0, 0.9, 0.1, 0.3),))) == {"alone"}
    assert judged(machines=(Machine("n0", 128, 20.0, 10.0, 1.0, 0.1),)).findings == []


def test_requests_that_went_twice_are_no_strangers() -> None:
    """A server may have answered both tries of a request."""
    rows = made.steady_rows()
    for one in rows[::20]:
        one["retries"] = 1
    counts = (Count("vllm:request_success_total", "requests", "llm", len(rows) + len(rows[::20])),)
    assert reasons(judged(rows, servers=Servers(counts=counts))) == set()


def test_a_stream_that_came_at_once_is_a_reserve() -> None:
    """Where no objective bounds the gaps a buffered stream is a warning; one that came piece by piece is none."""
    found = judged(at_once())
    assert found.valid
    assert warnings(found) == {"streamed"}
    assert "came at once" in found.findings[0].message
    assert warnings(judged(at_once(1e-3))) == set()
    assert "streamed" not in warnings(judged([one | {"tokens_out": 7} for one in at_once()]))


def test_operations_are_counted_on_their_own() -> None:
    """What a store counted of one operation is held against the requests of that operation."""
    rows = [one | {"operation": "GET" if index % 3 else "PUT"} for index, one in enumerate(made.steady_rows())]
    gets = sum(one["operation"] == "GET" for one in rows)
    for number, found in ((gets, set()), (len(rows), {"counts_agree"}), (gets - 20, {"counts_agree"})):
        count = Count("SeaweedFS_s3_request_total", "requests", "llm", number, "GET")
        assert reasons(judged(rows, servers=Servers(counts=(count,)))) == found
    count = Count("SeaweedFS_s3_request_total", "requests", "llm", 5, "GET")
    assert judged(servers=Servers(counts=(count,))).valid  # a tool that tells no operations


def test_models_of_several_instances_are_seen_together() -> None:
    """Each instance of a service tells its own; two that differ are two models."""
    parts = [{"models": {"large": 5}}, {"models": {"small": 5}}]
    found = judged(load_result={"notes": {"verified": {"instances_after": parts}}})
    assert reasons(found) == {"one_model"}
    assert "large 5, small 5" in found.findings[0].message


def test_an_alias_of_the_model_is_a_reserve() -> None:
    """Another name than the one asked for may be an alias; a release of it is the same."""
    for name, told in (("gpt-2026-01-01", set()), ("other", {"one_model"})):
        found = judged(load_result={"notes": {"verified": {"models": {name: 9}, "model_asked": "gpt"}}})
        assert found.valid
        assert warnings(found) == told


def bursts() -> list[made.Row]:
    """Make half a minute of requests at 20/s that come in bursts of 60, the last of them just before the end."""
    moments = [35.0 - 3.1 * index - 0.001 * (place + 1) for index in range(10) for place in range(60)]
    moments = [at for at in moments if at >= 5.0]
    service = made.queue(np.random.default_rng(3), 0.006)
    return [made.row("steady", at, service(at)) for at in sorted(moments)]


def test_a_burst_at_the_end_is_no_overload() -> None:
    """What came a moment ago in a burst is open at the end, and was in the middle only by chance."""
    phase = made.span("steady", 5.0, 30.0, rate=20.0, arrival="trace")
    assert "kept_up" not in reasons(judged(bursts(), phases=(phase,)))


def test_a_load_that_changes_by_itself_is_no_warm_up() -> None:
    """A trace that begins with a rush: that its first latencies are long is the rush's doing, and a reserve."""
    took = np.random.default_rng(7)
    moments = [*np.arange(5.0, 7.9, 0.01), *np.arange(8.1, 35.0, 0.05)]
    rows = [made.row("steady", at, (0.2 if at < 8 else 0.02) + took.exponential(0.002)) for at in moments]
    phase = made.span("steady", 5.0, 30.0, rate=len(rows) / 30, arrival="trace")
    found = judged(rows, phases=(phase,))
    assert found.valid
    assert warnings(found) == {"warmed_up"}
    assert "the load changed too" in found.findings[0].message
