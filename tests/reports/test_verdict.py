"""Each rule: a run that breaks it and nothing else is INVALID, or warned of, for that reason; clean runs are VALID."""

import json
from datetime import timedelta

import numpy as np
import pytest

from reports import verdict
from reports.evidence import Coverage, Evidence, Requests
from reports.statistics import needed, quantile, users_in_system
from runs.manifest import Process, now
from tests.reports.recording import START, Recording, clean_rows, closed_rows


def requests_of(rows):
    """Return rows as columns."""
    base = START.timestamp() + 5
    count = len(rows)

    def column(index):
        return np.array([np.nan if row[index] is None else base + row[index] for row in rows], dtype=float)

    times = {
        "intended": column(0),
        "sent": column(1),
        "first_byte": column(1),
        "first_token": column(2),
        "done": column(2),
    }
    return Requests(
        phase=np.array(["steady"] * count, dtype=object), ok=np.array([row[3] for row in rows], dtype=bool),
        error=[row[4] for row in rows], times=times, tokens_in=np.ones(count), tokens_out=np.ones(count),
        recall=np.full(count, np.nan), retries=0, gaps=np.zeros(0), gap_counts=np.zeros(count, dtype=np.int64),
    )  # fmt: skip


def evidence(tmp_path, rows=None, phase=None, objectives=None, **changes):
    """Return the evidence of a run that is clean but for the changes."""
    made = Recording(tmp_path, rows, phase, objectives)
    for name, value in changes.pop("manifest", {}).items():
        setattr(made.manifest, name, value)
    interval, seconds = 1.0, made.phase["for"]
    coverage = tuple(Coverage(target, seconds, seconds, seconds, interval) for target in made.manifest.targets)
    values = {"coverage": coverage, "load_result": {}, **changes}
    return Evidence(made.manifest, made.recipe, requests_of(made.rows), **values)


def found(tmp_path, *arguments, **changes):
    """Return (valid, rules of level invalid, rules of level warning)."""
    judged = verdict.judge(evidence(tmp_path, *arguments, **changes))
    levels = {level: {f.rule for f in judged.findings if f.level == level} for level in ("invalid", "warning")}
    return judged.valid, levels["invalid"], levels["warning"]


def test_clean_run(tmp_path):
    """A clean run is VALID without a word."""
    assert found(tmp_path) == (True, set(), set())


def test_clean_closed_run(tmp_path):
    """A clean closed loop is VALID."""
    assert found(tmp_path, closed_rows(), {"name": "steady", "for": 30, "users": 4}) == (True, set(), set())


def test_noise_is_no_fault(tmp_path):
    """200 clean Poisson runs of several rates are all VALID."""
    for seed in range(200):
        rate = (2, 10, 20, 60)[seed % 4]
        rows = clean_rows(rate, 30, seed)
        place = tmp_path / str(seed)
        valid, invalid, _ = found(place, rows, {"name": "steady", "for": 30, "rate": rate})
        assert valid, (seed, invalid)


def test_ending(tmp_path):
    """A run that did not come to its end is INVALID."""
    valid, invalid, _ = found(tmp_path, manifest={"ending": "failed", "reason": "llm died"})
    assert (valid, invalid) == (False, {"completed"})


def test_nothing_measured(tmp_path):
    """No request at all is INVALID."""
    assert "measured" in found(tmp_path, [])[1]


@pytest.mark.parametrize(("every", "level"), [(20, "invalid"), (300, "warning")])
def test_failures(tmp_path, every, level):
    """More than 1 % failed is INVALID, some are a warning."""
    rows = [(*r[:3], n % every != 0, None if n % every else "http_500", 0) for n, r in enumerate(clean_rows())]
    _, invalid, warning = found(tmp_path, rows)
    assert {"invalid": invalid, "warning": warning}[level] == {"failures"}


def test_failures_that_the_recipe_allows(tmp_path):
    """An objective error_rate that allows more makes it a warning."""
    rows = [(*r[:3], n % 20 != 0, None if n % 20 else "http_500", 0) for n, r in enumerate(clean_rows())]
    assert found(tmp_path, rows, None, {"error_rate": 0.1})[0]


def test_less_than_asked(tmp_path):
    """A schedule that held half of what was asked is INVALID (one user where 50 were claimed)."""
    assert found(tmp_path, clean_rows(10), {"name": "steady", "for": 30, "rate": 20})[1] == {"asked_rate"}


def test_requests_that_left_too_late(tmp_path):
    """Requests that were intended and left after the phase are INVALID, as a client that could not keep up."""
    rows = [(t, 40.0 + t, 41.0 + t, True, None, 1) for t, *_ in clean_rows()]
    assert "asked_rate" in found(tmp_path, rows)[1]


def test_users_that_were_not_there(tmp_path):
    """One user at work where four were asked for is INVALID by Little's law."""
    rows = closed_rows(4, 30, 0.05, there=1)
    assert found(tmp_path, rows, {"name": "steady", "for": 30, "users": 4})[1] == {"little"}


@pytest.mark.parametrize(("lag", "level"), [(0.004, "warning"), (0.05, "invalid")])
def test_client_lag(tmp_path, lag, level):
    """A client that sends late is warned of, and INVALID when its delay is a good part of the latency."""
    _, invalid, warning = found(tmp_path, clean_rows(lag=lag))
    assert {"invalid": invalid, "warning": warning}[level] == {"client_lag"}


def test_client_cpu(tmp_path):
    """A load process that used its whole core was the bottleneck."""
    result = {"phases": [{"name": "steady", "cpu_seconds": 29.5}]}
    assert found(tmp_path, load_result=result)[1] == {"client_cpu"}


@pytest.mark.parametrize(("index", "level"), [(0, "invalid"), (1, "invalid"), (2, "warning")])
def test_gap(tmp_path, index, level):
    """A gap in the service's or the load's series is INVALID, in a sidecar's a warning."""
    whole = evidence(tmp_path).coverage
    holed = list(whole)
    holed[index] = Coverage(whole[index].target, 30, 20, 30, 10.0)
    _, invalid, warning = found(tmp_path / "b", coverage=tuple(holed))
    assert {"invalid": invalid, "warning": warning}[level] == {"targets_up"}


def test_never_scraped(tmp_path):
    """A target that was never up is INVALID."""
    whole = evidence(tmp_path).coverage
    gone = Coverage(whole[0].target, 0, 0, 30, None)
    assert found(tmp_path / "b", coverage=(gone, *whole[1:]))[1] == {"targets_up"}


def test_dead_sidecar(tmp_path):
    """A sidecar that died by itself is a warning."""
    process = Process(
        name="exporter-0",
        role="sidecar",
        node=0,
        pid=1,
        start_ticks=1,
        log="l",
        started=now(),
        ended=now(),
        exit_code=-9,
    )
    assert found(tmp_path, manifest={"processes": [process]}) == (True, set(), {"died"})


def test_too_few_samples(tmp_path):
    """An objective whose percentile too few samples stand for cannot be judged: INVALID."""
    valid, invalid, _ = found(tmp_path, clean_rows(2), {"name": "steady", "for": 30, "rate": 2}, {"latency_p99": 0.5})
    assert (valid, invalid) == (False, {"enough_samples"})


def test_sample_counts_are_the_known_ones():
    """p95, p99 and p99.9 need 72, 368 and 3688 samples."""
    assert [needed(p) for p in (0.95, 0.99, 0.999)] == [72, 368, 3688]


def test_quantile_is_a_sample():
    """Nearest rank: of 1..1000, p99 is 990, within its interval; of too few there is none."""
    found_ = quantile(np.arange(1.0, 1001.0), 0.99)
    assert found_.value == 990
    assert found_.low < 990 < found_.high
    assert quantile(np.arange(100.0), 0.99) is None


def test_quantile_intervals_cover():
    """The 95 % interval holds the true p95 in about 95 of 100 samples."""
    generator = np.random.default_rng(3)
    truth = -np.log(0.05)
    inside = 0
    for _ in range(300):
        q = quantile(generator.exponential(1, 400), 0.95)
        inside += q.low <= truth <= q.high
    assert inside / 300 > 0.92


def test_users_in_system_counts_the_part_inside():
    """A request counts with the part of its time that lies in the window."""
    assert users_in_system(np.array([0.0, -5.0, 9.0]), np.array([10.0, 5.0, 20.0]), 0.0, 10.0) == pytest.approx(1.6)


def test_findings_have_evidence(tmp_path):
    """A finding names its numbers, and they go into JSON."""
    judged = verdict.judge(evidence(tmp_path, clean_rows(10), {"name": "steady", "for": 30, "rate": 20}))
    assert json.loads(judged.model_dump_json())["findings"][0]["evidence"]["asked_per_second"] == 20
    assert START + timedelta(0) == START
