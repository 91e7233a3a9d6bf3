"""When requests shall leave."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import schedule
from loadtests.share import Share, processes
from runs.recipe import Load, Phase

durations = st.floats(0.01, 60)
rates = st.floats(0.05, 2000)
seeds = st.integers(0, 2**63)


arrivals = st.sampled_from(["poisson", "constant", "gamma"])


def phase(duration=10.0, rate=100.0, arrival="poisson", **more):
    """Make an open-loop phase; a pair as the rate makes a ramp."""
    kind = {"ramp": {"from": rate[0], "to": rate[1]}} if isinstance(rate, tuple) else {"rate": rate}
    return Phase.model_validate({"name": "steady", "for": duration, "arrival": arrival, **kind, **more})


@given(durations, st.one_of(rates, st.tuples(st.floats(0, 2000), st.floats(0.05, 2000))), arrivals, seeds)
@settings(max_examples=80, deadline=None)
def test_times_ascend_within_the_phase(duration, rate, arrival, seed):
    """Times ascend, none is negative, none reaches the end of the phase; whole is what the pieces make."""
    if isinstance(rate, tuple) and rate[0] == rate[1]:
        rate = (0, rate[1])
    made, index = phase(duration, rate, arrival), seed % 5
    times = schedule.offsets(made, index, seed)
    pieces = [piece for part in schedule.chunks(made, index, seed) for piece in part]
    assert pieces == times.tolist()
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


@given(st.floats(0.2, 50), seeds)
@settings(max_examples=40, deadline=None)
def test_gamma_has_the_rate_and_the_burstiness_asked_for(shape, seed):
    """Gaps have mean 1/rate and coefficient of variation 1/sqrt(burstiness); the count is not rescaled."""
    made = phase(200.0, 100.0, "gamma", burstiness=shape)
    times = schedule.offsets(made, 0, seed)
    gaps = np.diff(times)
    assert abs(len(times) - 20_000) < 6 * (20_000 / shape) ** 0.5 + 1
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(shape**-0.5, rel=0.15)


def test_gamma_of_one_is_poisson():
    """With burstiness 1 the gaps are exponential: a Kolmogorov-Smirnov distance that one in a thousand exceeds."""
    gaps = np.sort(np.diff(schedule.offsets(phase(200.0, 100.0, "gamma"), 0, 3))) * 100
    distance = np.abs(1 - np.exp(-gaps) - np.arange(1, len(gaps) + 1) / len(gaps)).max()
    assert distance < 1.95 / len(gaps) ** 0.5


@given(st.floats(0, 500), st.floats(0, 500), st.floats(0.5, 60))
@settings(max_examples=80, deadline=None)
def test_a_constant_ramp_is_the_exact_inverse(start, end, duration):
    """Between any two requests of a constant ramp its rate integrates to 1, and the first is at 0."""
    if abs(start - end) < 1e-3:
        end = start + 1
    times = schedule.offsets(phase(duration, (start, end), "constant"), 0, 0)
    integral = start * times + (end - start) * times**2 / (2 * duration)
    assert integral == pytest.approx(np.arange(len(times)), abs=1e-6)
    assert len(times) == max(1, np.ceil((start + end) / 2 * duration * (1 - 1e-12)))


@pytest.mark.parametrize("ramp", [(0, 200), (200, 0), (50, 150)])
def test_a_poisson_ramp_has_the_counts_of_its_rate(ramp):
    """In each quarter of a ramp the counts over many seeds have mean and variance of the integrated rate."""
    made = phase(4.0, ramp)
    edges = np.arange(5.0)
    counts = np.array([np.histogram(schedule.offsets(made, 0, seed), edges)[0] for seed in range(1000)])
    expected = np.diff(ramp[0] * edges + (ramp[1] - ramp[0]) * edges**2 / 8)
    assert counts.mean(axis=0) == pytest.approx(expected, rel=0.03)
    assert counts.var(axis=0) == pytest.approx(expected, rel=0.2)


def test_a_staircase_is_a_phase_for_each_step():
    """Steps become phases of their own names, rates and lengths, measured like the phase that they are of."""
    stairs = Phase.model_validate(
        {"name": "stairs", "for": 10, "arrival": "constant", "steps": [5, {"rate": 20, "for": 2}]}
    )
    assert [(step.name, step.rate, step.duration, step.arrival) for step in stairs.stages] == [
        ("stairs-1", 5, 10, "constant"),
        ("stairs-2", 20, 2, "constant"),
    ]
    assert all(step.in_window for step in stairs.stages)
    unmeasured = stairs.model_copy(update={"name": "warmup"})
    assert not any(step.in_window for step in unmeasured.stages)


@given(st.integers(1, 2000), st.integers(1, 40), st.integers(1, 9))
def test_a_count_is_shared_out_whole(requests, users, shards):
    """The shares of a closed loop's requests and users add up to all of them, and none has requests without users."""
    shares = [Share(shard, shards) for shard in range(shards)]
    given = [(len(share.users(users)), share.requests(requests, users)) for share in shares]
    assert sum(own for own, _ in given) == users
    assert sum(count for _, count in given) == requests
    assert all(own or not count for own, count in given)


@pytest.mark.parametrize(
    ("words", "nodes", "count"),
    [
        ({"rate": 100}, 1, 1),
        ({"rate": 5000}, 1, 3),
        ({"rate": 5000}, 2, 2),
        ({"rate": 1e6}, 1, 16),
        ({"ramp": {"from": 1, "to": 4001}}, 1, 3),
        ({"users": 500}, 1, 1),
        ({"rate": 5, "processes": "all"}, 1, 16),
        ({"rate": 5, "processes": 3}, 1, 3),
    ],
)
def test_how_many_processes(words, nodes, count):
    """By default one process for each 2000 requests/s that are asked for, and at most one a core."""
    more = {"processes": words.pop("processes")} if "processes" in words else {}
    load = Load.model_validate({"generator": "openai", "phases": [{"name": "steady", "for": 1, **words}], **more})
    assert processes(load, nodes, 16) == count


def test_memory_does_not_grow_with_the_phase():
    """A day at 10 000 requests a second comes in small pieces."""
    parts = schedule.chunks(phase(86400.0, 10_000.0), 0, 0)
    assert max(part.nbytes for part, _ in zip(parts, range(100), strict=False)) <= 1 << 16


def test_a_closed_loop_has_none():
    """A closed-loop phase is refused."""
    closed = Phase.model_validate({"name": "steady", "for": 1, "users": 2})
    with pytest.raises(ValueError, match="closed loop"):
        schedule.offsets(closed, 0, 0)
