"""Steps and rate intervals are Grafana's."""

import pytest

from reports.dashboards.steps import Range, duration, rounded, step, words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.008, 0.01),
        (0.3, 0.2),
        (0.4, 0.5),
        (1.2, 1.0),
        (1.6, 2.0),
        (4.0, 5.0),
        (47.0, 60.0),
        (400.0, 300.0),
        (5e4, 43200.0),
    ],
)
def test_steps_read_well(seconds: float, expected: float) -> None:
    """Rounded as Grafana rounds."""
    assert rounded(seconds) == expected


def test_rate_interval_is_four_scrapes_at_least() -> None:
    """$__rate_interval = max($__interval + scrape interval, 4 scrape intervals)."""
    short = step(Range(0.0, 60.0, 1.0), 700)
    assert (short.seconds, short.rate) == (1.0, 4.0)
    long = step(Range(0.0, 6 * 3600.0, 15.0), 100)
    assert (long.seconds, long.rate) == (300.0, 315.0)
    own = step(Range(0.0, 60.0, 1.0), 700, ">10s")
    assert (own.seconds, own.rate) == (10.0, 40.0)


def test_range_is_aligned_to_the_step() -> None:
    """Both ends are multiples of the step, as Grafana asks."""
    found = step(Range(1003.7, 1059.2, 1.0), 10, factor=1)
    assert found.seconds == 5.0
    assert (found.start, found.end) == (1000.0, 1055.0)
    assert found.count == 12
    tenth = step(Range(0.3, 1.0, 0.1), 1000)
    assert (tenth.start, tenth.end, tenth.count) == (0.3, 1.0, 8)


def test_no_query_asks_for_more_points_than_prometheus_gives() -> None:
    """A range of a day at 0.1 s stays below 11,000 points."""
    assert step(Range(0.0, 86400.0, 0.1), 10**9).count <= 11_001


def test_durations_are_read_and_written() -> None:
    """With the units of Prometheus."""
    assert [duration(word) for word in ("500ms", "1m", "1.5h", "", "x")] == [0.5, 60.0, 5400.0, None, None]
    assert [words(seconds) for seconds in (0.5, 60.0, 1.5)] == ["500ms", "60s", "1500ms"]
