"""The client's own series, and who may read them."""

import itertools
import shutil
import subprocess

import aiohttp
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from loadtests import exposition
from loadtests.metrics import Metrics
from loadtests.outcome import Outcome

NAMES = {
    "load_requests_total": {"phase", "outcome"},
    "load_errors_total": {"phase", "kind"},
    "load_requests_intended_total": {"phase"},
    "load_requests_sent_total": {"phase"},
    "load_request_duration_seconds_bucket": {"phase", "le"},
    "load_service_duration_seconds_bucket": {"phase", "le"},
    "load_time_to_first_token_seconds_bucket": {"phase", "le"},
    "load_inter_token_seconds_bucket": {"phase", "le"},
    "load_client_lag_seconds_bucket": {"phase", "le"},
    "load_recall_bucket": {"phase", "le"},
    "load_requests_in_flight": set(),
    "load_rate_asked": set(),
    "load_users": set(),
    "load_tokens_total": {"direction"},
    "load_retries_total": set(),
    "load_received_bytes_total": set(),
    "load_event_loop_lag_seconds": set(),
    "load_process_cpu_seconds_total": set(),
    "load_client_cpu_seconds_total": {"shard"},
    "load_operations_total": {"phase", "operation", "outcome"},
    "load_stage_duration_seconds_bucket": {"phase", "stage", "le"},
    "load_sent_bytes_total": set(),
    "load_process_resident_memory_bytes": set(),
    "run_phase": {"phase"},
}


def samples(metrics):
    """Return every sample by its name and labels."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def busy():
    """Make the series of a load that met everything."""
    metrics = Metrics(["warmup", "steady"])
    metrics.enter("steady", rate=5.0)
    series = metrics.phases["steady"]
    good = Outcome(
        sent=1.0, first_byte=1.1, first_token=1.2, done=2.0, ok=True, received=100, tokens_in=3, tokens_out=4,
        gaps=[0.1, 0.2], recall=0.9, retries=1, operation="GET", sent_bytes=50, stages={"embed": 0.1, "search": 0.2},
    )  # fmt: skip
    for outcome in (good, Outcome(sent=1.0, done=5.0, error="timeout")):
        series.intend()
        series.leave(0.5)
        series.end(0.5, outcome)
    series.intend()
    return metrics


def test_all_series_are_there():
    """Each promised name is there, with its labels and no others."""
    found = {}
    for name, labels in samples(busy()):
        found.setdefault(name, set()).update(key for key, _ in labels)
    assert {name: found.get(name) for name in NAMES} == NAMES


def test_what_is_counted():
    """Latency counts from the intended time, service time from the sending, both for good answers only."""
    got = samples(busy())
    steady = (("phase", "steady"),)
    assert got["load_request_duration_seconds_sum", steady] == 1.5
    assert got["load_service_duration_seconds_sum", steady] == 1.0
    assert got["load_time_to_first_token_seconds_sum", steady] == pytest.approx(0.7)
    assert got["load_inter_token_seconds_count", steady] == 2
    assert got["load_client_lag_seconds_sum", steady] == 1.0
    assert got["load_requests_total", (("outcome", "error"), *steady)] == 1
    assert got["load_errors_total", (("kind", "timeout"), *steady)] == 1
    assert got["load_requests_in_flight", ()] == 1
    assert got["load_requests_intended_total", steady] == 3
    assert got["load_tokens_total", (("direction", "out"),)] == 4


def test_counters_stand_at_zero_before_the_first_request():
    """A phase's counters are there from the start, so that an increase over the phase misses none of it."""
    got = samples(Metrics(["steady"]))
    assert got["load_requests_total", (("outcome", "ok"), ("phase", "steady"))] == 0
    assert got["load_requests_sent_total", (("phase", "steady"),)] == 0


def test_one_phase_at_a_time():
    """run_phase is 1 for the phase of now and 0 for all others, from set-up to the end."""
    metrics = Metrics(["warmup", "steady"])
    for word in ("setup", "warmup", "steady", "drain", "done"):
        if word != "setup":
            metrics.enter(word)
        phases = {labels[0][1]: value for (name, labels), value in samples(metrics).items() if name == "run_phase"}
        assert phases == {name: float(name == word) for name in ("setup", "warmup", "steady", "drain", "done")}


def test_a_closed_loop_asks_for_no_rate():
    """load_rate_asked is absent outside of open-loop phases: a 0 would be drawn and believed."""
    metrics = Metrics(["steady"])
    metrics.enter("steady", users=4)
    got = samples(metrics)
    assert ("load_rate_asked", ()) not in got
    assert got["load_users", ()] == 4
    metrics.enter("steady", rate=7.5)
    assert samples(metrics)["load_rate_asked", ()] == 7.5


def test_buckets_are_fine_enough():
    """Bounds reach from below 0.5 ms to above 120 s, each at most a third above the one before."""
    bounds = sorted(
        {
            float(dict(labels)["le"])
            for name, labels in samples(Metrics(["steady"]))
            if name.endswith("lag_seconds_bucket")
        }
    )
    finite = bounds[:-1]
    assert finite[0] < 0.0005
    assert finite[-1] > 120
    assert max(b / a for a, b in itertools.pairwise(finite)) < 1.34


def test_kinds_of_requests_bytes_and_stages_are_counted():
    """Requests by operation and outcome, bytes sent, and the time in each stage of those that succeeded."""
    got = samples(busy())
    steady = ("phase", "steady")
    assert got["load_operations_total", (("operation", "GET"), ("outcome", "ok"), steady)] == 1
    assert got["load_sent_bytes_total", ()] == 50
    assert got["load_stage_duration_seconds_sum", (steady, ("stage", "embed"))] == pytest.approx(0.1)
    assert got["load_stage_duration_seconds_count", (steady, ("stage", "search"))] == 1


def test_a_generator_that_names_everything_drowns_nobody():
    """Of a thousand operations and stages the first few have series of their own; the others are one."""
    metrics = Metrics(["steady"])
    for number in range(1000):
        stages = {f"stage-{number}": 0.1}
        metrics.phases["steady"].end(0.0, Outcome(sent=0.1, done=1.0, ok=True, operation=f"op-{number}", stages=stages))
    got = samples(metrics)
    operations = {
        dict(labels)["operation"]: value for (name, labels), value in got.items() if name == "load_operations_total"
    }
    stages = {dict(labels)["stage"] for name, labels in got if name.startswith("load_stage")}
    assert len(operations) == 21
    assert operations["other"] == 980
    assert len(stages) == 13


def test_a_ramp_asks_for_what_it_is_at():
    """load_rate_asked of a ramp is read at the scrape."""
    metrics, rates = Metrics(["steady"]), iter([5.0, 6.0])
    metrics.enter("steady", rate=lambda: next(rates))
    assert [samples(metrics)["load_rate_asked", ()] for _ in range(2)] == [5.0, 6.0]


async def test_only_the_token_opens_it():
    """/metrics answers the run's token, with the run's id; all else is refused or not there."""
    server = await exposition.serve(busy().registry, "127.0.0.1:0", "not-a-secret", "run-1")
    host, port = server.addresses[0][:2]
    url = f"http://{host}:{port}"
    try:
        async with aiohttp.ClientSession() as session:
            for header in ("", "Bearer", "Bearer wrong", "Basic not-a-secret", "Bearer not-a-secretx", "Bearer \xe9"):
                async with session.get(f"{url}/metrics", headers={"Authorization": header}) as answer:
                    assert answer.status == 401
                    assert b"load_" not in await answer.read()
            good = {"Authorization": "Bearer not-a-secret"}
            async with session.get(f"{url}/metrics", headers=good) as answer:
                assert answer.status == 200
                assert answer.headers["X-Dashcam-Run"] == "run-1"
                assert b"load_requests_total" in await answer.read()
            for path in ("/", "/metrics/", "/debug"):
                async with session.get(url + path, headers=good) as answer:
                    assert answer.status == 404
    finally:
        await server.cleanup()


@pytest.mark.real
def test_promtool_has_nothing_to_say():
    """`promtool check metrics` finds no fault with names, types and help texts."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool comes with Prometheus: make packages"
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(busy().registry), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
