"""When requests shall leave."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import schedule
from runs.recipe import Phase

durations = st.floats(0.01, 60)
rates = st.floats(0.05, 2000)
seeds = st.integers(0, 2**63)


def phase(duration=10.0, rate=100.0, arrival="poisson"):
    """Make an open-loop phase."""
    return Phase.model_validate({"name": "steady", "for": duration, "rate": rate, "arrival": arrival})


@given(durations, rates, st.sampled_from(["poisson", "constant"]), seeds, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_times_ascend_within_the_phase(duration, rate, arrival, seed, index):
    """Times ascend, none is negative, none reaches the end of the phase."""
    times = schedule.offsets(phase(duration, rate, arrival), index, seed)
    assert (np.diff(times) >= 0).all()
    assert not times.size or (times[0] >= 0 and times[-1] < duration)


@given(seeds, st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_a_seed_and_a_phase_fix_the_schedule(seed, index):
    """The same seed and phase give the same times to the last bit; another phase or seed gives others."""
    first, again = (schedule.offsets(phase(), index, seed) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != schedule.offsets(phase(), index + 1, seed).tobytes()
    assert first.tobytes() != schedule.offsets(phase(), index, seed + 1).tobytes()


def test_a_schedule_stays_what_it_was():
    """A recorded run can be repeated by a later version: these times were written down once."""
    times = schedule.offsets(phase(), 1, 7)
    assert len(times) == 972
    assert times[:3] == pytest.approx([0.01545628, 0.01839509, 0.020887], abs=1e-8)


@given(st.floats(20, 3000), seeds)
@settings(max_examples=60, deadline=None)
def test_poisson_counts_are_those_of_a_poisson_process(mean, seed):
    """The count of a phase lies within six standard deviations of its mean."""
    count = len(schedule.offsets(phase(10.0, mean / 10.0), 0, seed))
    assert abs(count - mean) < 6 * mean**0.5


def test_poisson_is_not_rescaled():
    """Counts over many seeds vary as much as a Poisson process does, and gaps are exponential."""
    counts = [len(schedule.offsets(phase(1.0, 100.0), 0, seed)) for seed in range(1000)]
    assert np.mean(counts) == pytest.approx(100, rel=0.02)
    assert np.var(counts) == pytest.approx(100, rel=0.15)
    gaps = np.diff(schedule.offsets(phase(200.0, 100.0), 0, 3))
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.03)


@given(st.integers(1, 500), st.integers(1, 500))
def test_constant_is_exact(tenths, rate):
    """A constant phase has duration times rate requests, evenly spaced from 0."""
    times = schedule.offsets(phase(tenths / 10, rate, "constant"), 0, 0)
    assert len(times) == -(-tenths * rate // 10)
    assert times == pytest.approx(np.arange(len(times)) / rate)


def test_memory_does_not_grow_with_the_phase():
    """A day at 10 000 requests a second comes in small pieces."""
    parts = schedule.chunks(phase(86400.0, 10_000.0), 0, 0)
    assert max(part.nbytes for part, _ in zip(parts, range(100), strict=False)) <= 1 << 16


def test_a_closed_loop_has_none():
    """A closed-loop phase is refused."""
    closed = Phase.model_validate({"name": "steady", "for": 1, "users": 2})
    with pytest.raises(ValueError, match="closed loop"):
        schedule.offsets(closed, 0, 0)
