"""What watching cost."""

import numpy as np

from prometheus.client import Series
from reports.cost import cost
from reports.series import Grid
from tests.reports import recording as made

BEGIN = made.START.timestamp()


class Fake:
    """A recording of two programs' CPU: much before the measured phase, a quarter of a core in it; no memory."""

    asked = ""

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        raise AssertionError(expression, at)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        self.asked += expression
        if "memory" in expression:
            return []
        times = np.arange(start, end, step)
        values = np.where(times < BEGIN + 5, 9.0, 0.25)
        values[-2] = np.nan
        return [Series({"service": name}, times, values) for name in ("prometheus", "exporter-0")]

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """See `reports.scrapes.Recorded`."""
        raise AssertionError(selector, start, end)

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """See `reports.scrapes.Recorded`."""
        raise AssertionError(label, start, end)


def test_cost_is_of_the_measured_phases() -> None:
    """The recorder's programs are added up; what was not recorded is None, as is all without a recording."""
    grid = Grid(BEGIN + np.arange(40), 1.0, 1.0)
    fake = Fake()
    assert cost(fake, grid, (made.STEADY,)) == {"cpu_cores_mean": 0.5, "memory_bytes_mean": None}
    assert "[4000ms]" in fake.asked
    nothing = {"cpu_cores_mean": None, "memory_bytes_mean": None}
    assert cost(None, grid, (made.STEADY,)) == cost(fake, Grid.over(0.0, -1.0, 1.0), ()) == nothing
