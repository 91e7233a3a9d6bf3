"""Sources of a real Prometheus over made-up blocks: each trouble is told, in its place, and nowhere else."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prometheus import replay
from prometheus.client import Client, Series
from reports import evidence, sources
from reports.presence import Presence
from reports.scrapes import Scrapes
from reports.sources import Source
from runs.directory import RunDirectory
from tests.reports import recording as made
from tests.reports import sidecars
from tests.reports.sidecars import always, but, never

EXPORTER = sidecars.sidecar("exporter", "n0")
NODE = sidecars.sidecar("node", "n0")
DATABASE = sidecars.sidecar("vectors-exporter", "n0")


class Counting:
    """A client that counts what it is asked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: list[str] = []

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        self.asked.append(expression)
        return self._client.query(expression, at)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        self.asked.append(expression)
        return self._client.query_range(expression, start, end, step)

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        self.asked.append(selector)
        return self._client.samples(selector, start, end)

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """See `reports.scrapes.Recorded`."""
        self.asked.append(label)
        return self._client.label_values(label, start, end)


def look(
    place: Path, curves: Iterable[made.Curve], **changes: Any
) -> tuple[dict[tuple[str, str, str], Source], Counting]:
    """Record curves, open them again, and return the sources by node, job and collector."""
    known = list(curves)
    names = {(curve.labels["job"], curve.labels["instance"]): curve.labels for curve in known}
    targets = [{key: labels[key] for key in ("job", "role", "node", "instance")} for labels in names.values()]
    run = made.Recording([], known, {"targets": targets, **changes}).write(place / "recordings")
    with replay.open_blocks(run.tsdb, place / "scratch") as opened:
        client = Counting(opened.client)
        found = evidence.gather(run, client).sources
    return {(one.target.node, one.target.job, one.collector): one for one in found}, client


def one(place: Path, curves: Iterable[made.Curve], **changes: Any) -> Source:
    """Return the only source."""
    found, _client = look(place, curves, **changes)
    assert len(found) == 1
    return next(iter(found.values()))


@pytest.fixture(scope="session")
def table(watched: RunDirectory) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The sources of four nodes as summary.json has them."""
    rows = json.loads(watched.summary.read_text())["sources"]
    return {(row["node"], row["job"], row["collector"]): row for row in rows}


pytestmark = pytest.mark.real


def test_states_of_all_sources(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """All that is not named here is ok."""
    odd = {key: row["state"] for key, row in table.items() if row["state"] != "ok"}
    nothing = "nothing to read"
    assert odd == {
        ("n1", "vectors-exporter", "bgwriter"): "down",
        **dict.fromkeys((("n0", "exporter", name) for name in ("gpu", "otlp", "page llm", "process")), "degraded"),
        ("n1", "exporter", "gpu"): "degraded",
        **dict.fromkeys((("n2", "exporter", name) for name in ("cgroup", "process")), "degraded"),
        ("n3", "exporter", "lustre"): "degraded",
        **dict.fromkeys((("n1", "exporter", name) for name in ("lustre", "otlp")), nothing),
        **dict.fromkeys((("n2", "exporter", name) for name in ("gpu", "lustre", "otlp")), nothing),
        **dict.fromkeys((("n3", "exporter", name) for name in ("gpu", "otlp")), nothing),
        **dict.fromkeys(((node, "node", "infiniband") for node in ("n0", "n1", "n2", "n3")), nothing),
    }
    assert len(table) == 64


def test_what_was_refused_is_told_with_its_reason(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """GPU figures, OTLP points and requests, unreadable lines: losses, counted in the measured phases alone."""
    gpu = table["n0", "exporter", "gpu"]
    assert gpu["losses"] == [
        "refused: dram_active_ratio, tensor_active_ratio",
        "3 values beyond what is possible: power_watts",
    ]
    assert gpu["notes"] == ["not offered: nvlink_transmit"]
    assert table["n0", "exporter", "otlp"]["losses"] == [
        "28 requests of traces answered with 401",
        "12 points dropped: cardinality",
    ]
    assert table["n0", "exporter", "process"]["parse_errors"] == 14
    assert table["n0", "exporter", "lustre"]["notes"] == ["debugfs: refused"]
    assert [table["n0", "exporter", name]["faults"] for name in ("gpu", "otlp", "process", "lustre")] == [[]] * 4


def test_nothing_to_read_is_neutral(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """No Lustre, no GPU, nobody who sends, no InfiniBand: a reason, and no figure that looks like a gap."""
    reasons = {
        ("n1", "exporter", "lustre"): "no Lustre client on this node",
        ("n2", "exporter", "gpu"): "dcgm-exporter: no --dcgm-url; nvidia-smi: not on PATH",
        ("n3", "exporter", "otlp"): "no program sent anything to it",
        ("n0", "node", "infiniband"): "node_exporter gives no data for it, and no reason",
    }
    for key, reason in reasons.items():
        row = table[key]
        assert row["reason"] == reason
        assert row["faults"] == row["losses"] == row["notes"] == []
        assert {row[name] for name in ("up_ratio", "gaps", "gap_seconds", "run_up_ratio", "age_max_seconds")} == {None}


def test_failing_collector_of_postgresql_18_is_seen(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """pg_up is 1, last_scrape_error is 0, the target is up: bgwriter is down all the same, the others are ok."""
    row = table["n1", "vectors-exporter", "bgwriter"]
    assert (row["up_ratio"], row["run_up_ratio"], row["silent_seconds"]) == (0.0, 0.0, None)
    assert row["faults"] == ["failed in 30 of 30 scrapes"]
    assert table["n1", "vectors-exporter", "database"]["up_ratio"] == 1.0
    assert table["n1", "vectors-exporter", ""]["up_ratio"] == 1.0


def test_values_that_stand_still_are_stale(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """All scrapes gave data, and it was 19 s old in the end."""
    row = table["n1", "exporter", "gpu"]
    assert (row["up_ratio"], row["age_p50_seconds"], row["age_max_seconds"]) == (1.0, 4.0, 19.0)
    assert row["faults"] == ["values up to 19 s old (median 4 s)"]
    assert table["n0", "exporter", "gpu"]["age_max_seconds"] == 1.25


def test_collector_that_missed_its_deadline(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """Its gap is its own: when, how long, and by how many timeouts."""
    row = table["n3", "exporter", "lustre"]
    assert row["up_ratio"] == pytest.approx(20 / 30, abs=1e-4)
    assert (row["gaps"], row["gap_seconds"], row["gap_ended"]) == (1, 11.0, "2026-03-01T12:00:22.300000+00:00")
    assert (row["timeouts"], row["errors"]) == (10, 0)
    assert row["faults"] == ["failed in 10 of 30 scrapes (10 timeouts, 0 errors)"]


def test_target_that_vanished_takes_its_collectors_along(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """They have its gap, and no fault of their own: `targets_up` tells it."""
    row = table["n2", "exporter", "cgroup"]
    assert (row["up_ratio"], row["gaps"], row["silent_seconds"], row["faults"]) == (0.5, 1, 20.0, [])
    assert row["run_up_ratio"] == pytest.approx(24 / 43, abs=1e-4)
    assert row["losses"] == ["15 scrapes missing"]
    assert row["notes"] == ["nothing since 12:00:19 UTC, 20 s before the end"]


def test_odd_words_are_kept_as_they_are(table: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    """Quotes, backslashes, line ends and markup of a reason."""
    assert table["n0", "exporter", "page llm"]["faults"] == [f"nothing to read in 10 of 30 scrapes: {sidecars.ODD}"]


def test_verdict_names_faults_once(watched: RunDirectory) -> None:
    """One finding an exporter, which does not repeat the target that vanished; a service's page is one of its own."""
    found = json.loads(watched.summary.read_text())["findings"]
    by_rule = [(one["rule"], one["level"], one["evidence"].get("job")) for one in found]
    assert by_rule == [
        ("sources", "invalid", "exporter"),
        ("targets_up", "warning", "exporter"),
        ("sources", "warning", "exporter"),
        ("sources", "warning", "vectors-exporter"),
    ]
    assert found[0]["evidence"]["collectors"] == ["page llm"]
    assert found[0]["evidence"]["nodes"] == ["n0"]
    assert found[2]["evidence"]["nodes"] == ["n1", "n3"]
    assert found[3]["evidence"]["collectors"] == ["bgwriter"]


@pytest.mark.parametrize("nodes", [1, 30])
def test_questions_do_not_grow_with_the_nodes(tmp_path: Path, nodes: int) -> None:
    """A recording without troubles is asked by the name of a metric, whatever its size."""
    curves: list[made.Curve] = []
    for index in range(nodes):
        mine = sidecars.sidecar("exporter", f"n{index}")
        curves += sidecars.ours(mine, dict.fromkeys(("cgroup", "gpu", "lustre"), always))
        curves += sidecars.no_gpu(mine)
        curves += sidecars.lustre(mine, always, "", proc="statistics")
        collectors = {"cpu": always, "nfs": never}
        curves += sidecars.others(sidecars.sidecar("node", f"n{index}"), "node_scrape_collector_success", collectors)
    found, client = look(tmp_path, curves)
    assert len(found) == 5 * nodes
    assert {source.state for source in found.values()} == {"ok", "nothing to read"}
    assert len(client.asked) <= 25
    assert not [text for text in client.asked if "instance=" in text]


def test_raw_samples_are_of_what_is_odd(tmp_path: Path) -> None:
    """One collector of one node that failed at times costs one question, about itself."""
    name = 'odd.n0"\\ [*]'
    curves: list[made.Curve] = []
    for node in (name, "n1"):
        collectors = {"cpu": always, 'a|b"\\.': but(range(10, 13)) if node == name else always}
        curves += sidecars.others(sidecars.sidecar("node", node), "node_scrape_collector_success", collectors)
    found, client = look(tmp_path, curves)
    assert len([text for text in client.asked if "instance=" in text]) == 1
    assert {key[2] for key, source in found.items() if source.state != "ok"} == {'a|b"\\.'}
    source = found[name, "node", 'a|b"\\.']
    assert source.faults == ("failed in 3 of 30 scrapes",)


def test_collector_that_comes_late_has_a_gap(tmp_path: Path) -> None:
    """Its series begin within the phase: until then it gave nothing, though its sidecar was there."""
    late = but(range(-9, 12))
    curves = [sidecars.up(EXPORTER)]
    curves.append(sidecars.gauge(EXPORTER, "exporter_collector_success", lambda _t: 1.0, late, collector="gpu"))
    source = one(tmp_path, curves)
    assert source.state == "degraded"
    assert source.faults == ("failed in 7 of 30 scrapes",)
    assert source.measured.longest == pytest.approx(7.3)
    assert source.measured.ended == pytest.approx(made.START.timestamp() + 12.3)


def test_counters_that_begin_anew_are_added_up(tmp_path: Path) -> None:
    """What was counted before the phases is not told; a fall is a new begin, and so is a series that comes late."""
    lines = {
        "old": lambda t: 90.0 + t // 10,
        "anew": lambda t: float(t % 10),
        "late": lambda t: 5.0 if t > 20 else None,
    }
    curves = list(sidecars.ours(EXPORTER, dict.fromkeys(lines, always), malformed=lines))
    found, _client = look(tmp_path, curves)
    counts = {key[2]: source.tally.parse_errors for key, source in found.items() if source.tally}
    assert counts == {"old": 3, "anew": 9 * 3, "late": 5}


def test_few_failures_are_noted(tmp_path: Path) -> None:
    """Two in a row are worth a note, and neither a fault nor another state."""
    source = one(tmp_path, sidecars.ours(EXPORTER, {"process": but(range(10, 12))}))
    assert (source.state, source.faults) == ("ok", ())
    assert source.notes == ("failed in 2 of 30 scrapes (0 timeouts, 2 errors)",)


def test_gpu_that_goes_is_a_fault(tmp_path: Path) -> None:
    """A GPU that told once and then does not is no node without one; the most frequent reason is told."""
    curves = [
        *sidecars.ours(EXPORTER, {"gpu": always}),
        *sidecars.flag(EXPORTER, "gpu_up", but(range(20, 99)), "Xid 79"),
    ]
    source = one(tmp_path, curves)
    assert (source.state, source.reason) == ("degraded", "")
    assert source.faults == ("nothing to read in 15 of 30 scrapes: Xid 79",)


def test_mount_that_hangs_is_a_fault(tmp_path: Path) -> None:
    """Though there are no statistics either: the node has a Lustre."""
    curves = [
        *sidecars.ours(EXPORTER, {"lustre": always}),
        *sidecars.flag(EXPORTER, "lustre_client_up", never, "reading Lustre's files does not return"),
        sidecars.gauge(EXPORTER, "lustre_client_hanging_files", lambda t: 2.0 if t > 8 else 0.0),
    ]
    source = one(tmp_path, curves)
    assert source.state == "down"
    assert source.faults[0] == "the reading of 2 files does not return"


def test_page_that_never_came_is_down(tmp_path: Path) -> None:
    """It is somebody's page; who reads it is well."""
    why = "it is not to be reached: ConnectionError"
    curves = [*sidecars.ours(EXPORTER, {"page": always}), *sidecars.flag(EXPORTER, "page_up", never, why, page="llm")]
    found, _client = look(tmp_path, curves)
    assert found["n0", "exporter", "page"].state == "ok"
    assert found["n0", "exporter", "page llm"].state == "down"
    assert found["n0", "exporter", "page llm"].faults == (f"nothing to read in 30 of 30 scrapes: {why}",)


def test_pages_fail_with_their_reader_once(tmp_path: Path) -> None:
    """A reader that missed its deadline is at fault, not the pages that it did not get to."""
    reads = but(range(10, 20))
    curves = [
        *sidecars.ours(EXPORTER, {"page": reads}),
        *sidecars.flag(EXPORTER, "page_up", always, "-", reads, page="llm"),
    ]
    found, _client = look(tmp_path, curves)
    assert found["n0", "exporter", "page"].faults
    assert found["n0", "exporter", "page llm"].faults == ()
    assert found["n0", "exporter", "page llm"].state == "degraded"


def test_database_that_is_gone_fails_once(tmp_path: Path) -> None:
    """Collectors are asked only where PostgreSQL can be reached."""
    found, _client = look(tmp_path, sidecars.postgres(DATABASE, but(range(10, 20)), database=always))
    assert found["n0", "vectors-exporter", ""].faults == (
        "nothing to read in 10 of 30 scrapes: PostgreSQL cannot be reached",
    )
    assert found["n0", "vectors-exporter", "database"].faults == ()


def test_age_after_a_pause_of_the_target_is_not_its_own(tmp_path: Path) -> None:
    """A sidecar that stood still shows an old value once; that is the target's gap."""
    there = but(range(10, 20))
    ages = {20: 10.5}
    curves = [
        *sidecars.ours(EXPORTER, {"gpu": always}, there),
        *sidecars.gpu(EXPORTER, lambda t: ages.get(t, 0.5), there),
    ]
    source = one(tmp_path, curves)
    assert source.ages is not None
    assert source.ages.most == 10.5
    assert source.faults == ()


def test_failing_before_the_phases_does_not_count(tmp_path: Path) -> None:
    """Measured is what is measured; the whole run is told beside it."""
    source = one(tmp_path, sidecars.ours(EXPORTER, {"gpu": but(range(-5, 5))}))
    assert (source.state, source.measured.share) == ("ok", 1.0)
    assert source.whole.share == pytest.approx(34 / 43)


def test_target_of_plain_pages_is_a_source_itself(tmp_path: Path) -> None:
    """A service without collectors: its own scrapes are what there is to tell."""
    source = one(tmp_path, [sidecars.up(made.TARGETS[0], but(range(20, 24)))])
    assert (source.collector, source.name, source.state) == ("", "llm", "degraded")
    assert (source.faults, source.measured.gaps) == ((), 1)


def test_recording_without_phases_is_told_as_a_whole(tmp_path: Path) -> None:
    """A run that failed before its first phase has sources all the same."""
    curves = sidecars.ours(EXPORTER, {"gpu": never, "process": always})
    found, _client = look(tmp_path, curves, phases=[], ending="failed")
    assert found["n0", "exporter", "gpu"].state == "down"
    # What a counter says at the first scrape was counted before.
    assert found["n0", "exporter", "gpu"].faults == ("failed in 45 of 45 scrapes (0 timeouts, 44 errors)",)
    assert found["n0", "exporter", "process"].state == "ok"
    assert found["n0", "exporter", "process"].measured.share is None


class Staggered:
    """A recording of two targets of which one is scraped half an interval after the other, and not at the very end."""

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        assert (selector, start < end) == ("up", True)
        first = np.arange(38) + made.START.timestamp()
        times = zip(made.TARGETS, (first, first[:-1] + 0.6), strict=False)
        return [Series(made.labelled(target), moments, np.ones(len(moments))) for target, moments in times]

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """See `reports.scrapes.Recorded`."""
        return ["up"] if label == "__name__" and start < end else []


def test_target_whose_turn_comes_later_has_missed_nothing() -> None:
    """Prometheus spreads targets over an interval: all were up for the whole run."""
    begin = made.START.timestamp()
    phases = ((begin + 5.0, begin + 35.0),)
    scrapes = Scrapes(Staggered(), (begin - 1.0, begin + 40.0), phases)
    found = sources.gather(scrapes, made.TARGETS[:2], phases, 1.0)
    assert [(source.measured.share, source.whole.share, source.whole.gaps) for source in found] == [(1.0, 1.0, 0)] * 2


def test_without_blocks_every_target_is_down(tmp_path: Path) -> None:
    """No series: each target is told as a source that gave nothing."""
    run = made.Recording([], []).write(tmp_path / "recordings")
    found = evidence.gather(run, None).sources
    assert [(source.name, source.state, source.notes) for source in found] == [
        (target.job, "down", ("no series were saved",)) for target in made.TARGETS
    ]


def test_target_that_was_never_scraped_says_so(tmp_path: Path) -> None:
    """Others were recorded, it was not."""
    found, _client = look(tmp_path, [sidecars.up(EXPORTER), sidecars.up(NODE, never)])
    assert found["n0", "node", ""].notes == ("never scraped",)
    assert found["n0", "node", ""].state == "down"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"notes": ("two scrapes were missed",)}, "ok"),
        ({"losses": ("refused: power_watts",)}, "degraded"),
        ({"faults": ("failed",)}, "degraded"),
        ({"measured": Presence(20, 30, 1.0, 1, 11.0)}, "degraded"),
        ({"measured": Presence(0, 30, 1.0, 1, 30.0)}, "down"),
        ({"measured": Presence(0, 30, 1.0, 1, 30.0), "reason": "no GPU"}, "nothing to read"),
        ({"measured": Presence(0, 30, 1.0, 1, 30.0), "reason": "no GPU", "faults": ("failed",)}, "degraded"),
        ({"measured": Presence(0, 0, 1.0)}, "ok"),
        ({"measured": Presence(0, 0, 1.0), "whole": Presence(0, 9, 1.0)}, "down"),
    ],
)
def test_state_is_one_word(changes: dict[str, Any], state: str) -> None:
    """What is worst decides; nothing to read is neutral."""
    assert sidecars.source("gpu", **changes).state == state
