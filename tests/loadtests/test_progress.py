"""How far the load is, for those who watch."""

from loadtests import progress
from loadtests.progress import Progress
from loadtests.window import Window


def test_what_is_written_is_read(tmp_path):
    """Progress comes back as it was written; nothing, or half of something, is no progress."""
    assert progress.read(tmp_path) is None
    state = Progress(state="running", phase="steady", intended=5, errors={"timeout": 1})
    progress.write(tmp_path, state)
    assert progress.read(tmp_path) == state
    path = tmp_path / progress.PROGRESS
    path.write_bytes(path.read_bytes()[:20])
    assert progress.read(tmp_path) is None


def test_a_newer_file_still_reads(tmp_path):
    """Keys that this version does not know are passed over."""
    (tmp_path / progress.PROGRESS).write_text('{"state": "done", "news": 1}')
    state = progress.read(tmp_path)
    assert state is not None
    assert state.state == "done"


def test_latencies_are_those_of_the_last_ten_seconds():
    """What is older than 10 s no longer counts; nothing at all gives none."""
    window = Window()
    assert window.latencies(100.0) == (None, None)
    for second in range(100):
        window.add(float(second), 1.0 if second < 95 else 0.5)
    assert window.latencies(100.0)[0] == 0.75
    assert window.latencies(105.5) == (0.5, 0.5)
    assert window.latencies(200.0) == (None, None)


def test_rates_are_over_about_five_seconds():
    """Rates follow the counts of the last 5 s, however often they are asked for."""
    window = Window()
    begin = window._counts[0][0]
    for half in range(1, 60):
        intended, done = window.rates(begin + half / 2, half * 10, half * 5)
        assert (intended, done) == (20.0, 10.0)
    for half in range(60, 80):
        intended, done = window.rates(begin + half / 2, 600, 300)
    assert (intended, done) == (0.0, 0.0)


def test_memory_does_not_grow():
    """However many answers come, the window remembers the last of them."""
    window = Window()
    for number in range(100_000):
        window.add(number / 100_000, float(number >= 90_000))
    assert len(window._latency) == 1 << 15
    p50, p99 = window.latencies(1.0)
    assert (p50, p99) == (0.0, 1.0)
