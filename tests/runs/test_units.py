"""Quantities as people write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("5s", 5.0),
        ("1m30s", 90.0),
        ("2h", 7200.0),
        ("00:20:00", 1200.0),
        ("20:00", 1200.0),
        ("1-12:00:00", 129600.0),
        (7, 7.0),
        ("250us", 0.00025),
    ],
)
def test_durations(text, expected):
    """Every form of a duration that people and Slurm write is read in seconds."""
    assert units.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "s5", "5s!", True, None, "1:2:3:4"])
def test_no_duration(text):
    """What is no duration is refused with the accepted forms."""
    with pytest.raises(ValueError, match="30s"):
        units.seconds(text)


@pytest.mark.parametrize(("text", "expected"), [("1%", 0.01), ("0.5 %", 0.005), (0.02, 0.02), ("0.95", 0.95)])
def test_ratios(text, expected):
    """Shares are read as ratios."""
    assert units.ratio(text) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("500ms", 0.5), ("1%", 0.01), ("0.95", 0.95), (0.95, 0.95)])
def test_quantities(text, expected):
    """An objective's bound may be a duration, a share or a number."""
    assert units.quantity(text) == pytest.approx(expected)


@given(st.floats(min_value=0.001, max_value=1e6), st.sampled_from(["ms", "s", "m", "h"]))
def test_units_scale(number, unit):
    """A number with a unit is that number times the unit."""
    factor = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600}[unit]
    assert units.seconds(f"{number:.6f}{unit}") == pytest.approx(float(f"{number:.6f}") * factor)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    """No text makes the reader fail in another way than ValueError."""
    with contextlib.suppress(ValueError):
        assert units.seconds(text) >= 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4KiB", 4096),
        ("8 MiB", 8 * 2**20),
        ("1GB", 10**9),
        ("1.5kB", 1500),
        ("64k", 64_000),
        ("12", 12),
        (7, 7),
        ("9B", 9),
    ],
)
def test_sizes(text, expected):
    """Sizes are read as bytes: binary with an i, decimal without."""
    assert units.size(text) == expected


@given(st.one_of(st.text(max_size=30), st.booleans(), st.none()))
def test_any_size_is_read_or_refused(value):
    """What is no size is refused with the accepted forms."""
    with contextlib.suppress(ValueError):
        assert units.size(value) >= 0
