"""The records as columns, and the figures of a window, checked by hand."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from reports import requests
from reports.window import Window
from runs.manifest import PhaseSpan
from tests.reports import recording as made

PHASE = made.span("steady", 10.0, 10.0, rate=1.0)
ROWS = [
    made.row("warmup", 9.0, 2.0),
    made.row(
        *("steady", 11.0, 1.0),
        sent=11.25,
        first_token=11.5,
        gaps=[0.1, 0.3],
        tokens_in=10,
        tokens_out=5,
        retries=1,
    ),
    made.row("steady", 12.0, 4.0, sent=12.0, ok=False, error="timeout", gaps=[9.0], tokens_out=99),
    made.row("steady", 13.0, 1.0, sent=None, ok=False, error="refused"),
    made.row("steady", 14.0, 1.0, sent=None, ok=False, error="refused"),
    made.row("steady", 19.0, 3.0, sent=19.0, recall=0.5, tokens_out=1, gaps=[]),
]


def window(rows: list[made.Row], phases: tuple[PhaseSpan, ...] = (PHASE,)) -> Window:
    """Make the window of the phase `steady`."""
    return made.evidence(rows, phases=phases).window(phases)


def test_times_follow_their_formulas() -> None:
    """Latency, service time, lag, TTFT, gaps and TPOT of known moments; failures count in lag alone."""
    found = window(ROWS)
    assert found.times("latency").tolist() == [1.0, 3.0]
    assert found.times("service").tolist() == [0.75, 3.0]
    assert found.times("lag").tolist() == [0.25, 0.0, 0.0]
    assert found.times("ttft").tolist() == [0.5]
    assert found.times("itl") == pytest.approx([0.1, 0.3])
    assert found.times("tpot") == pytest.approx([0.4 / 4])


def test_rates_count_what_fell_into_the_window() -> None:
    """Offered by intended time; completed by the end of the answer, whichever phase it was intended in."""
    found = window(ROWS)
    assert found.seconds == 10.0
    assert (found.count, found.succeeded, found.failed, found.retries) == (5, 2, 3, 1)
    assert found.offered_rate == 0.5
    assert found.sent_rate == pytest.approx(0.3)
    assert found.completed_rate == pytest.approx(0.2)  # that of warmup ended inside, the last one after the end
    assert found.tokens_rate("in") == pytest.approx(1.0)
    assert found.tokens_rate("out") == pytest.approx(0.5)
    assert found.error_ratio == pytest.approx(0.6)
    assert found.recall == 0.5
    assert found.errors == {"refused": 2, "timeout": 1}
    assert found.in_system == pytest.approx((1 + 1 + 4 + 1 + 1 + 1) / 10)


def test_empty_window_has_no_figures() -> None:
    """No request, no phase: nothing is divided by nothing."""
    for phases in ((PHASE,), ()):
        found = window([], phases)
        assert found.error_ratio is None
        assert found.recall is None
        assert found.tokens_rate("out") is None
        assert found.errors == {}
        assert [len(found.times(name)) for name in ("latency", "itl", "tpot")] == [0, 0, 0]
    assert window([], ()).completed_rate is None
    assert window([], ()).in_system is None


def test_differences_are_exact_to_the_nanosecond() -> None:
    """A microsecond is told from two, though a float of UTC seconds cannot."""
    table = made.table([made.row("steady", 0.0, 0.000001), made.row("steady", 0.0, 0.000002)])
    assert requests.of(table).between("intended", "done").tolist() == [1e-6, 2e-6]


def test_file_is_read_as_written(tmp_path: Path) -> None:
    """Parquet in one or many row groups gives the same columns; without a file there are no requests."""
    path = tmp_path / "requests.parquet"
    pq.write_table(made.table(ROWS), path, row_group_size=2)
    found = requests.read(path)
    assert len(found) == len(ROWS)
    assert found.phase.among({"warmup"}).tolist() == [True, False, False, False, False, False]
    picked = found.select(np.array([False, True, True, False, False, True]))
    assert picked.gaps == pytest.approx([0.1, 0.3, 9.0])
    assert picked.good.gaps == pytest.approx([0.1, 0.3])
    assert len(requests.read(tmp_path / "none")) == 0
