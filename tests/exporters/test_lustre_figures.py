"""What a Lustre client's parameters are shown as."""

from pathlib import Path

from exporters.lustre_values import Totals
from tests.exporters import lustre_texts as texts
from tests.exporters.test_lustre import collect


def test_what_is_no_operation(tmp_path: Path) -> None:
    """Hits of the cache, ways to read and write, and bytes and pages on these ways are no calls of programs."""
    files = {
        "proc/fs/lustre/llite/old-ffff01/stats": texts.OLDEST_STATS,
        "proc/fs/lustre/llite/new-ffff01/stats": texts.HYBRID_STATS,
    }
    samples, malformed = collect(tmp_path, files)
    found = {(labels["fs"], labels["operation"]) for labels in samples.labels("lustre_client_operations_total")}
    assert (found, malformed) == ({("old", "mmap"), ("new", "open")}, 0)
    assert samples("lustre_client_write_bytes_total", fs="new") == 20971520


def test_read_ahead_has_the_same_names_in_all_versions(tmp_path: Path) -> None:
    """`read-ahead to EOF` became `readahead_to_eof`; pages read ahead are pages, not how often that was done."""
    files = {
        "proc/fs/lustre/llite/old-ffff01/read_ahead_stats": texts.OLD_READ_AHEAD,
        "proc/fs/lustre/llite/new-ffff01/read_ahead_stats": texts.NEW_READ_AHEAD,
    }
    samples, malformed = collect(tmp_path, files)
    name = "lustre_client_read_ahead_total"
    assert malformed == 0
    assert samples(name, fs="old", event="readahead_to_eof") == 7
    assert samples(name, fs="old", event="hit_max_readahead_issue") == 2
    assert samples(name, fs="old", event="failed_grab_cache_page") == 1
    assert samples(name, fs="new", event="readahead_to_eof") == 3
    assert samples(name, fs="new", event="readahead_pages") == 10772


def test_bytes_on_the_wire(tmp_path: Path) -> None:
    """What requests moved, which is less than what programs read where the cache answered."""
    stats = f"{texts.DEVICE_STATS}read_bytes 2 samples [bytes] 4096 4096 8192 33554432\n"
    samples, malformed = collect(tmp_path, {"proc/fs/lustre/osc/scratch-OST0003-osc-ffff01/stats": stats})
    assert malformed == 0
    assert samples("lustre_osc_read_bytes_total", fs="scratch", target="OST0003") == 8192
    assert samples("lustre_osc_write_bytes_total", fs="scratch", target="OST0003") is None


def test_names_of_all_kinds(tmp_path: Path) -> None:
    """Dashes and dots are part of a file system's name, the mount's number never; mounts of one are added up."""
    samples, malformed = collect(tmp_path, {}, f"cat <<'END'\n{texts.ODD_NAMES}END")
    found = {
        labels["fs"]: samples("lustre_client_read_bytes_total", **labels)
        for labels in samples.labels("lustre_client_read_bytes_total")
    }
    assert (found, malformed) == ({"scratch-01": 12288, "my.fs": 2 * 12288, "early": 12288}, 0)
    assert samples("lustre_osc_requests_total", fs="scratch-01", target="OST000a") == 4
    assert samples("lustre_mdc_rpcs_in_flight", fs="my.fs", target="MDT0001", direction="modify") == 3
    assert samples("lustre_client_info", version="2.7.0", jobid_var="") == 1


def test_an_instance_that_is_none(tmp_path: Path) -> None:
    """It gets no label from us that may be a mount's number, and is counted."""
    files = {f"proc/fs/lustre/llite/scratch-XYZ/{name}": texts.OLD_STATS for name in ("stats", "read_ahead_stats")}
    samples, malformed = collect(tmp_path, files)
    assert (malformed, samples.labels("lustre_client_read_bytes_total")) == (1, [])


def test_a_total_counts_on_after_a_reset() -> None:
    """A counter that fell began again at zero."""
    totals = Totals()
    key = ("name", "", ())
    assert [totals.grow(key, "mount", value) for value in (10, 15, 3, 3)] == [10, 15, 18, 18]


def test_many_targets_are_summed(tmp_path: Path) -> None:
    """With 65 OSTs there is one series for all of them."""
    files = {f"proc/fs/lustre/osc/big-OST{n:04x}-osc-ffff01/cur_dirty_bytes": "2\n" for n in range(65)}
    samples, _ = collect(tmp_path, files)
    assert samples.labels("lustre_osc_dirty_bytes") == [{"fs": "big", "target": "all"}]
    assert samples("lustre_osc_dirty_bytes", fs="big", target="all") == 130
