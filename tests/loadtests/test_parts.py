"""Schedules, event streams, records, datasets and truth: the parts that need no server."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest

from loadtests import dataset, records
from loadtests.dataset import DatasetOptions
from loadtests.generators import registry
from loadtests.generators.openai import OpenAI, Options
from loadtests.generators.vector import copy_rows
from loadtests.metrics import Metrics
from loadtests.oracle import Oracle
from loadtests.outcome import Outcome
from loadtests.plan import Target
from loadtests.records import Recorder
from loadtests.schedule import offsets
from loadtests.sse import SseParser
from runs.recipe import Load, Phase
from runs.records import SCHEMA


def phase(**fields):
    """Make a phase."""
    return Phase.model_validate({"name": "steady", **fields})


@given(st.integers(0, 2**32), st.floats(0.5, 200), st.floats(0.1, 60))
def test_poisson_is_poisson_and_repeatable(seed, rate, length):
    """Times ascend within the phase, repeat with the seed, and their number is within 6 sigma of the mean."""
    made = phase(**{"for": length, "rate": rate})
    times = offsets(made, 1, seed)
    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times < length)).all()
    assert (times == offsets(made, 1, seed)).all()
    mean = rate * length
    assert abs(len(times) - mean) <= 6 * np.sqrt(mean) + 12


def test_poisson_gaps_are_exponential():
    """The gaps of a long schedule have the mean and the spread of an exponential, and phases differ."""
    made = phase(**{"for": 1000, "rate": 50})
    gaps = np.diff(offsets(made, 0, 7))
    assert gaps.mean() == pytest.approx(0.02, rel=0.02)
    assert gaps.std() == pytest.approx(0.02, rel=0.03)
    assert not np.array_equal(offsets(made, 0, 7)[:50], offsets(made, 1, 7)[:50])


@given(st.floats(0.1, 500), st.floats(0.1, 60))
def test_constant_is_even(rate, length):
    """A constant schedule has rate x length requests (to one), evenly."""
    times = offsets(phase(**{"for": length, "rate": rate, "arrival": "constant"}), 0, 0)
    assert abs(len(times) - rate * length) <= 1
    assert times == pytest.approx(np.arange(len(times)) / rate)


def test_closed_phase_has_no_schedule():
    """A closed loop has no intended times in advance."""
    with pytest.raises(ValueError, match="closed loop"):
        offsets(phase(**{"for": 1, "users": 1}), 0, 0)


@given(
    st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b and b"\r" not in b and b), max_size=8), st.data()
)
def test_events_come_whole_however_they_are_cut(payloads, data):
    """Any cutting of a stream gives the same events."""
    ending = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    text = b"".join(b"data: " + p + ending + ending for p in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    parser, found = SseParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        found += parser.feed(text[start:end])
    assert found == payloads


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_no_bytes_break_the_parser(chunks):
    """Whatever a server sends, the parser gives events or nothing."""
    parser = SseParser()
    for chunk in chunks:
        assert all(isinstance(event, bytes) for event in parser.feed(chunk))


def test_comments_and_other_fields_are_passed_over():
    """Comments, ids and event names are no data; several data lines are one event."""
    stream = b": ping\n\nid: 4\nevent: x\ndata: a\ndata:b\n\n"
    assert list(SseParser().feed(stream)) == [b"a\nb"]


def row(number):
    """Make a row of records."""
    return (
        number,
        "steady",
        None,
        10**18,
        10**18,
        None,
        None,
        10**18 + 5,
        True,
        None,
        200,
        3,
        1,
        2,
        [0.1, 0.2],
        None,
        0,
    )


def test_records_round_trip(tmp_path):
    """What is added is in the Parquet file, in the promised columns."""
    recorder = Recorder(tmp_path)
    for number in range(1000):
        recorder.add(row(number))
        if number % 300 == 0:
            recorder.flush()
    recorder.close()
    assert records.finish(tmp_path) == 1000
    table = pq.read_table(tmp_path / "requests.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["request"].to_pylist() == list(range(1000))
    assert records.finish(tmp_path) == 1000


def test_no_request_is_a_valid_file_too(tmp_path):
    """A load that sent nothing leaves an empty Parquet file."""
    Recorder(tmp_path).close()
    assert records.finish(tmp_path) == 0
    assert pq.read_table(tmp_path / "requests.parquet").num_rows == 0


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1))
def test_torn_stream_gives_what_is_whole(tmp_path_factory, share):
    """Cut anywhere, the stream gives the batches before the cut."""
    place = tmp_path_factory.mktemp("torn")
    recorder = Recorder(place)
    for number in range(100):
        recorder.add(row(number))
        if number % 10 == 9:
            recorder.flush()
    recorder.close()
    stream = place / "requests.arrows"
    data = stream.read_bytes()
    stream.write_bytes(data[: int(len(data) * share)])
    count = records.finish(place)
    assert count % 10 == 0
    assert pq.read_table(place / "requests.parquet")["request"].to_pylist() == list(range(count))


def test_prompts_depend_on_seed_and_number_only():
    """The same request is the same bytes; another number or seed is another prompt from its first word on."""
    load = Load.model_validate({"generator": "openai", "seed": 1, "phases": [{"name": "steady", "for": 1, "rate": 1}]})
    target = Target(protocol="openai", url="http://127.0.0.1:1", model="m")
    options = Options.model_validate({"prompt_tokens": 6})
    first = OpenAI(target, options, load)
    assert first.payload(3) == OpenAI(target, options, load).payload(3)
    other = OpenAI(target, options, load.model_copy(update={"seed": 2}))
    assert len({first.payload(3), first.payload(4), other.payload(3)}) == 3


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_oracle_knows_the_nearest(metric):
    """The true neighbours have recall 1, the farthest 0, half of them a half; doubles count once."""
    data = dataset.make(DatasetOptions.model_validate({"n": 500, "dim": 8, "seed": 3}), 5)
    oracle = Oracle(data, 10, metric)
    order = np.argsort(oracle.distances(2, np.arange(500)))
    assert oracle.recall(2, order[:10].tolist()) == 1
    assert oracle.recall(2, order[-10:].tolist()) == 0
    assert oracle.recall(2, [*order[:5].tolist(), *order[-5:].tolist()]) == 0.5
    assert oracle.recall(2, [int(order[0])] * 10) == 0.1


def test_ties_do_not_decide_recall():
    """Of several base vectors at the same distance, any will do."""
    base = np.zeros((20, 4), np.float32)
    oracle = Oracle(dataset.Dataset(base, np.ones((1, 4), np.float32)), 3, "l2")
    assert oracle.recall(0, [17, 4, 9]) == 1


@pytest.mark.parametrize("kind", ["random", "clustered"])
def test_datasets_repeat(kind):
    """A dataset is its options; queries are not among the base vectors."""
    options = DatasetOptions.model_validate({"kind": kind, "n": 300, "dim": 4, "seed": 9})
    first, second = dataset.make(options, 10), dataset.make(options, 10)
    assert np.array_equal(first.base, second.base)
    assert first.base.shape == (300, 4)
    assert not any((first.base == query).all(axis=1).any() for query in first.queries)


def test_copy_rows_are_postgres_binary():
    """A row is: 2 fields, an int8 id, a vector of int16 dim, int16 0 and big-endian floats."""
    data = copy_rows(7, np.array([[1.0, -2.0]], np.float32))
    assert data.hex() == "00020000000800000000000000070000000c000200003f800000c0000000"


def test_metrics_are_clean():
    """What the load exposes passes promtool's checks."""
    import subprocess  # noqa: PLC0415

    metrics = Metrics(["warmup", "steady"])
    metrics.enter("steady")
    outcome = Outcome(sent=1.0, first_token=1.1, done=1.5, ok=True, tokens_in=1, tokens_out=2, gaps=[0.1], recall=0.9)
    metrics.observe("steady", 0.99, outcome)
    metrics.observe("steady", 0.99, Outcome(done=2.0, error="timeout"))
    text = generate_latest(metrics.registry)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == b""


def test_registry_finds_generators_by_their_files():
    """A file with GENERATOR is a generator."""
    assert set(registry()) == {"openai", "vector"}
