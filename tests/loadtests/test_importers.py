"""Importers: each tool's own format in, our columns out, with the right units; anything else is named."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests import importers
from loadtests.aggregate import from_bins
from loadtests.importers import base
from loadtests.importers.base import ImporterError, Unfit
from loadtests.records import Recorder, finish

SAMPLES = Path(__file__).parent / "samples"
KINDS = sorted(importers.registry())
T0 = 1_767_225_600 * 10**9
"""2026-01-01 00:00:00 UTC in ns."""


def rows(kind, path):
    """Import all requests of a file."""
    imported = importers.read(kind, path)
    return list(imported.rows), imported


def written(tmp_path, text, name="file"):
    """Write a file and return its path."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_they_are_found_by_being_there():
    """Each file of the folder that offers IMPORTER is known by its name; another word is named."""
    assert KINDS == ["aiperf", "fio", "guidellm", "ior", "k6", "vllm-bench", "warp"]
    with pytest.raises(ImporterError, match="no importer 'locust': there are aiperf, fio"):
        importers.read("locust", Path("x"))


def test_rows_fit_the_records(tmp_path):
    """What an importer gives can be recorded as it is."""
    found, _ = rows("aiperf", SAMPLES / "aiperf.jsonl")
    recorder = Recorder(tmp_path)
    for number, row in enumerate(found):
        recorder.add(row.columns(number, "steady"))
    recorder.close()
    assert finish(tmp_path) == len(found)


def test_k6_csv():
    """k6's own CSV: an end and durations in ms become moments in ns; connecting counts, blocked before sending."""
    found, imported = rows("k6", SAMPLES / "k6.csv")
    first, refused = found[0], found[-1]
    assert len(found) == 4
    assert first.done - first.sent == round((7.276241 + 0.312676) * 1e6)
    assert first.done - first.first_byte == round(0.802856 * 1e6)
    assert (first.status, first.ok, first.operation) == (200, True, "GET page")
    assert datetime.fromtimestamp(first.done / 1e9, UTC).year == 2026
    assert (refused.ok, refused.error, refused.first_byte, refused.status) == (False, "refused", None, None)
    assert [row.error for row in found] == [None, None, "http_404", "refused"]
    assert imported.dropped == 4
    assert "coordinated omission" in imported.notes["latency"]


def test_k6_json_is_the_same(tmp_path):
    """The same points as JSON lines give the same requests."""
    header, *lines = (SAMPLES / "k6.csv").read_text().splitlines()
    names = header.split(",")
    points = []
    for line in lines:
        cells = dict(zip(names, line.split(","), strict=True))
        moment = datetime.fromtimestamp(int(cells["timestamp"]) / 1e6, UTC).isoformat(timespec="microseconds")
        tags = {name: cells[name] for name in names[3:-2] if cells[name]}
        data = {"time": moment, "value": float(cells["metric_value"]), "tags": tags}
        points.append({"metric": cells["metric_name"], "type": "Point", "data": data})
    text = "\n".join(json.dumps(point) for point in [{"type": "Metric", "metric": "http_reqs", "data": {}}, *points])
    again, _ = rows("k6", written(tmp_path, text))
    assert again == rows("k6", SAMPLES / "k6.csv")[0]


def test_k6_scripts_of_ours(tmp_path):
    """Points of our scripts carry number and user; the script has the last word on an answer."""
    head = "metric_name,timestamp,metric_value,error_code,expected_response,name,status,extra_tags,metadata"
    tags = "dashcam=7&dashcam_user=2"
    text = "\n".join([
        head,
        f"http_reqs,1767225600000000,1,,true,/v1,200,,{tags}",
        f"http_req_duration,1767225600000000,12.5,,true,/v1,200,,{tags}",
        f"dashcam_tokens_out,1767225600000100,16,,,,,,{tags}",
        f"dashcam_answers,1767225600000100,1,,,,,outcome=wrong_answer,{tags}",
        "http_reqs,1767225600500000,1,,true,/v1,200,,dashcam=8&dashcam_user=1",
    ])  # fmt: skip
    found, _ = rows("k6", written(tmp_path, text))
    assert [(row.error, row.tokens_out, row.user) for row in found] == [
        ("wrong_answer", 16, 2), ("interrupted", None, 1)
    ]  # fmt: skip
    assert found[0].sent == T0 - 12_500_000


@pytest.mark.parametrize("text", ["1767225600", "1767225600000", "1767225600000000", "1767225600000000000"])
def test_k6_time_stamps(tmp_path, text):
    """All of k6's time formats are told apart."""
    found, _ = rows("k6", written(tmp_path, f"metric_name,timestamp,metric_value\nhttp_reqs,{text},1\n"))
    assert found[0].done == T0


def test_aiperf():
    """AIPerf: chunk gaps are our gaps, its inter-token mean is not; a usage of the server precedes its own count."""
    found, imported = rows("aiperf", SAMPLES / "aiperf.jsonl")
    good, cancelled, refused = found
    assert (good.sent, good.done - good.sent) == (T0 + 532_900_363, 297_525_228)
    assert good.first_token - good.sent == 4_898_437
    assert good.gaps == pytest.approx([0.005316006, 0.004801489])
    assert (good.tokens_in, good.tokens_out) == (548, 9)
    assert (cancelled.ok, cancelled.error) == (False, "cancelled")
    assert (refused.error, refused.done - refused.sent) == ("http_503", 1_500_000)
    assert imported.notes["left_out"] == "1 requests of other phases than profiling"
    assert "AIPerf's own count" in imported.notes["tokens"]


def test_guidellm():
    """GuideLLM: seconds of UTC; its ITL is a mean and is not stored as gaps; a schedule's times are intended times."""
    found, imported = rows("guidellm", SAMPLES / "guidellm.json")
    assert [(row.ok, row.error, row.operation) for row in found] == [
        (True, None, "0-constant"), (False, "error", "0-constant"), (True, None, "1-synchronous"),
    ]  # fmt: skip
    first, _, last = found
    assert first.intended == T0 + 100_000_000
    assert first.sent == T0 + 110_000_000
    assert first.first_token == T0 + 250_000_000
    assert (first.tokens_in, first.tokens_out, first.gaps) == (128, 64, None)
    assert last.intended is None
    assert "mean over a request" in imported.notes["itl"]


def vllm(**changes):
    """Make a result of vLLM bench with three requests, the last of which failed."""
    return {
        "date": "20260101-000010", "duration": 2.0, "completed": 2, "input_lens": [5, 6, 7], "output_lens": [3, 3, 0],
        "ttfts": [0.1, 0.2, 0.0], "itls": [[0.01, 0.03], [0.02, 0.02], []], "errors": ["", "", "TimeoutError()"],
    } | changes  # fmt: skip


def test_vllm_of_this_machine(tmp_path):
    """Start times of this machine's monotonic clock are placed exactly."""
    begin = time.perf_counter() - 1.0
    text = json.dumps(vllm(start_times=[begin, begin + 0.1, begin + 0.2]))
    found, imported = rows("vllm-bench", written(tmp_path, text))
    assert "exact" in imported.notes["clock"]
    assert abs(found[0].sent / 1e9 - (time.time() - 1.0)) < 0.5
    assert [round((row.done - row.sent) / 1e9, 6) for row in found] == [0.14, 0.24, 0.0]
    assert found[0].gaps == [0.01, 0.03]
    assert found[0].first_token - found[0].sent == 100_000_000
    assert (found[2].ok, found[2].error, found[2].first_token) == (False, "timeout", None)


def test_vllm_of_another_machine(tmp_path):
    """Start times of a foreign clock are set by the file's date, and that is said."""
    path = written(tmp_path, json.dumps(vllm(start_times=[1.0, 1.1, 1.2])))
    os.utime(path, (T0 / 1e9, T0 / 1e9))
    found, imported = rows("vllm-bench", path)
    assert "another machine's clock" in imported.notes["clock"]
    assert found[1].sent - found[0].sent == 100_000_000


def test_vllm_without_start_times(tmp_path):
    """Older releases tell no start: figures of all requests together, and no rows."""
    found, imported = rows("vllm-bench", written(tmp_path, json.dumps(vllm())))
    assert found == []
    latency, first, gaps = imported.aggregates
    assert (latency.count, latency.failed, latency.percentiles["0.5"]) == (2, 1, pytest.approx(0.14))
    assert (first.most, gaps.count, gaps.most) == (0.2, 4, 0.03)


def test_fio_json():
    """fio: nanoseconds, its histogram as percentiles; the last of several documents counts."""
    _, imported = rows("fio", SAMPLES / "fio.json")
    read, write = imported.aggregates
    assert (read.operation, read.count, read.bytes, read.seconds) == ("read", 10, 40960, 1.0)
    assert read.percentiles["0.5"] == pytest.approx(5.0e-6)
    assert read.percentiles["0.99"] == pytest.approx(9.0e-5)
    assert (read.mean, read.most) == (pytest.approx(1.4e-5), pytest.approx(9.1e-5))
    assert write.percentiles == {"0.5": pytest.approx(7e-6), "0.99": pytest.approx(8e-6)}
    assert "service time" in imported.notes["latency"]


def test_nearest_rank_of_bins():
    """Percentiles of a histogram are those of its values one by one."""
    bins = {1.0: 50, 2.0: 49, 3.0: 1}
    assert from_bins(bins, (0.5, 0.9, 0.99, 0.999)) == {"0.5": 1.0, "0.9": 2.0, "0.99": 2.0, "0.999": 3.0}
    assert from_bins({}, (0.5,)) == {}


def test_warp_operations(tmp_path):
    """warp: nanoseconds of RFC 3339; a thread is a user, free when its operation before has ended. Packed or not."""
    plain, _ = rows("warp", SAMPLES / "warp.csv")
    packed = tmp_path / "warp.csv.zst"
    with pa.output_stream(str(packed), compression="zstd") as stream:
        stream.write((SAMPLES / "warp.csv").read_bytes())
    assert rows("warp", packed)[0] == plain
    put, get, failed = plain
    assert put.done - put.sent == 12_000_001
    assert (put.operation, put.sent_bytes, put.received, put.user) == ("PUT", 65536, None, 0)
    assert (get.first_byte - get.sent, get.received, get.user) == (2_000_000, 65536, 1)
    assert (failed.ok, failed.error, failed.user) == (False, "error", 0)
    assert failed.intended == put.done < failed.sent


def test_warp_figures(tmp_path):
    """warp's analysis, old and new: operations, bytes, and times where it has them."""
    old = {"operations": [{"type": "GET", "n": 100, "throughput": {"average_bps": 1000.0, "operations": 100,
           "errors": 2, "measure_duration_millis": 2000}, "single_sized_requests": {"dur_avg_millis": 5,
           "dur_median_millis": 4, "dur_90_millis": 8, "dur_99_millis": 12, "fastest_millis": 1,
           "slowest_millis": 20}}]}  # fmt: skip
    _, imported = rows("warp", written(tmp_path, json.dumps(old)))
    (figures,) = imported.aggregates
    assert (figures.count, figures.failed, figures.seconds, figures.bytes) == (98, 2, 2.0, 2000)
    assert figures.percentiles == {"0.5": 0.004, "0.9": 0.008, "0.99": 0.012}
    new = {"by_op_type": {"PUT": {"total_requests": 10, "total_errors": 1, "total_bytes": 9000, "concurrency": 4,
           "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:03.5Z"}}}  # fmt: skip
    _, imported = rows("warp", written(tmp_path, json.dumps(new), "new"))
    assert (imported.aggregates[0].count, imported.aggregates[0].seconds) == (9, 3.5)


def test_ior_and_mdtest(tmp_path):
    """IOR's repetitions and mdtest's summary become figures."""
    result = {"access": "write", "bwMiB": 100.0, "iops": 50.0, "latency": 0.02, "totalTime": 2.0}
    ior = {"tests": [{"Parameters": {"testFileName": "/lustre/t"}, "Results": [result]}]}
    (figures,) = rows("ior", written(tmp_path, json.dumps(ior)))[1].aggregates
    assert (figures.operation, figures.count, figures.bytes) == ("write", 100, 200 * 2**20)
    mdtest = """-- started --
2 tasks, 1000 files/directories

SUMMARY rate: (of 3 iterations)
   Operation                     Max            Min           Mean        Std Dev
   ---------                     ---            ---           ----        -------
   File creation               4200.5         3800.25       4000.0        163.3
   Tree removal                10.0           10.0          10.0          0.0
"""
    creation, removal = rows("ior", written(tmp_path, mdtest, "mdtest"))[1].aggregates
    assert (creation.operation, creation.count, creation.seconds) == ("file creation", 2000, 0.5)
    assert removal.facts["rate_max"] == 10.0


BROKEN = [
    ("k6", "metric_name,when\n", r"f:1: the first line lacks timestamp, metric_value: give what `k6 run"),
    ("k6", "metric_name,timestamp,metric_value\nhttp_reqs,soon,1\n", r"f:2: timestamp is no RFC 3339 time: 'soon'"),
    ("k6", "metric_name,timestamp,metric_value\nhttp_reqs,1767225600\n", r"f:2: 2 columns where 3 are named"),
    ("aiperf", '{"metadata": {}}\n', r"f:1: request_start_ns is no number"),
    ("aiperf", '{"metadata": {"request_start_ns": 5}}\n', r"f:1: request_start_ns is no time of day"),
    ("aiperf", "{}\nnonsense\n", r"f:1: metadata is no object"),
    ("guidellm", "[]", r"f: has no list of `benchmarks`"),
    ("guidellm", '{"benchmarks": [{"requests": {"successful": [{"request_start_time": "x"}]}}]}',
     r"benchmarks\[0\].requests.successful\[0\]: request_start_time is no number"),
    ("vllm-bench", '{"ttfts": [1.0]}', r"itls is no list: was --save-detailed given"),
    ("vllm-bench", '{"ttfts": [], "itls": [], "errors": []}', r"there is no request in it"),
    ("fio", "fio: none\n", r"holds no whole JSON document"),
    ("fio", '{"jobs": 3}', r"it has no list of `jobs`"),
    ("warp", "idx\tthread\n", r"f:1: the first line lacks op, bytes, error, start, end"),
    ("warp", "{}", r"has neither `operations` nor `by_op_type`"),
    ("ior", "nothing here", r"has no SUMMARY rate of mdtest"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "words"), BROKEN)
def test_what_is_wrong_is_named(tmp_path, kind, text, words):
    """File, line, what is wrong and the mend."""
    with pytest.raises(ImporterError, match=words):
        rows(kind, written(tmp_path, text, "f"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there(kind, tmp_path):
    """It is named with the reason."""
    with pytest.raises(ImporterError, match="none: cannot be read"):
        rows(kind, tmp_path / "none")


def tried(kind, path):
    """Import what there is to import: nothing where it is refused, and then the file is named."""
    try:
        return rows(kind, path)[0]
    except ImporterError as error:
        words = str(error)
    assert str(path) in words
    return []


def mutated(sample: bytes, cuts: list[tuple[int, bytes]]) -> bytes:
    """Replace a few bytes of a sample."""
    found = bytearray(sample)
    for place, what in cuts:
        at = place % (len(found) + 1)
        found[at : at + len(what)] = what
    return bytes(found)


FILES = {"aiperf": "aiperf.jsonl", "fio": "fio.json", "guidellm": "guidellm.json", "k6": "k6.csv", "warp": "warp.csv"}
CUTS = st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=6)), max_size=4)
ALONE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("kind", sorted(FILES))
@ALONE
@given(cuts=CUTS)
def test_damage_is_named(tmp_path, kind, cuts):
    """A file with a few wrong bytes is read or refused by an ImporterError, and what is read can be recorded."""
    path = written(tmp_path, mutated((SAMPLES / FILES[kind]).read_bytes(), cuts))
    recorder = Recorder(tmp_path)
    for number, row in enumerate(tried(kind, path)):
        recorder.add(row.columns(number, "steady"))
    recorder.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([
        *("jobs", "read", "clat_ns", "bins", "total_ios", "runtime", "benchmarks", "requests", "successful", "ttfts"),
        *("itls", "errors", "start_times", "duration", "metadata", "metrics", "error", "operations", "throughput"),
        *("by_op_type", "tests", "Results", "data", "type", "metric", "tags"),
    ]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@ALONE
@given(value=JSON)
def test_any_json_is_refused_or_read(tmp_path, kind, value):
    """JSON of any shape never ends in a traceback."""
    path = written(tmp_path, json.dumps(value))
    tried(kind, path)


@pytest.mark.parametrize("kind", KINDS)
@ALONE
@given(value=st.binary(max_size=200))
def test_garbage_is_refused(tmp_path, kind, value):
    """Bytes of any kind never end in a traceback."""
    path = written(tmp_path, value)
    tried(kind, path)


@given(st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)), st.integers(0, 999))  # noqa: DTZ001 - made UTC below
def test_rfc_3339_to_the_nanosecond(moment, rest):
    """Times keep all nine digits."""
    text = f"{moment.replace(microsecond=0).isoformat()}.{moment.microsecond:06d}{rest:03d}Z"
    seconds = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
    assert base.iso_ns(text, "t") == seconds * 10**9 + moment.microsecond * 1000 + rest


def test_a_time_without_zone_is_none():
    """A local time says nothing."""
    with pytest.raises(Unfit, match="no time zone"):
        base.iso_ns("2026-01-01T00:00:00", "t")
