"""Percentiles, their intervals, and what noise may do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import statistics

FIGURES = st.lists(st.floats(0.0, 1e6, allow_nan=False), min_size=1, max_size=400)


@pytest.mark.parametrize(("p", "n"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688), (0.01, 368)])
def test_needed_samples_are_those_of_the_binomial_bound(p: float, n: int) -> None:
    """The known sample minimums come out, and one sample less does not bound the quantile at 95 %."""
    assert statistics.needed(p) == n
    tail = max(p, 1 - p)
    assert tail**n <= 0.025 < tail ** (n - 1)


def test_percentile_is_a_sample_at_the_nearest_rank() -> None:
    """Of 1 to 100, p50 is 50, p95 is 95: no interpolation."""
    samples = np.arange(100.0, 0.0, -1.0)
    assert [q.value for q in statistics.quantiles(samples, (0.5, 0.9, 0.95))] == [50.0, 90.0, 95.0]
    assert statistics.nearest_rank(np.array([7.0]), 0.99) == 7.0


def test_percentile_with_too_few_samples_is_not_given() -> None:
    """367 samples give no p99, 368 do."""
    assert statistics.quantile(np.arange(367.0), 0.99) is None
    assert statistics.quantile(np.arange(368.0), 0.99) is not None
    assert statistics.quantiles(np.array([]), (0.5,)) == []


@pytest.mark.parametrize(
    ("n", "p", "ranks"), [(10, 0.5, (2, 9)), (100, 0.5, (40, 61)), (72, 0.95, (64, 72)), (100, 0.9, (84, 96))]
)
def test_interval_ranks_are_those_of_the_binomial_distribution(n: int, p: float, ranks: tuple[int, int]) -> None:
    """The ranks equal those summed by hand from the binomial distribution (and the tables for the median)."""

    def below(k: int) -> float:
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    low = max(rank for rank in range(1, n + 1) if rank == 1 or below(rank - 1) <= 0.025)
    high = min(rank for rank in range(1, n + 1) if rank == n or 1 - below(rank - 1) <= 0.025)
    assert statistics.interval_ranks(n, p) == (low, high)
    if (n, p) != (72, 0.95):
        assert (low, high) == ranks


def test_interval_covers_the_quantile_as_often_as_it_says() -> None:
    """Of 2000 samples of 500 exponential values, at least 95 % (less the noise) cover the true p95."""
    rng = np.random.default_rng(1)
    truth = -math.log(0.05)
    found = [statistics.quantile(rng.exponential(1.0, 500), 0.95) for _ in range(2000)]
    hits = sum(item is not None and item.low <= truth <= item.high for item in found)
    assert hits >= 0.95 * 2000 - 3 * math.sqrt(2000 * 0.05 * 0.95)


@given(FIGURES, st.sampled_from([0.5, 0.9, 0.99]))
@settings(max_examples=60, deadline=None)
def test_percentile_lies_inside_its_interval(values: list[float], p: float) -> None:
    """low <= value <= high, all are samples, and at least p of the samples do not exceed the value."""
    samples = np.array(values)
    low, high = statistics.interval_ranks(len(samples), p)
    assert 1 <= low <= high <= len(samples)
    value = statistics.nearest_rank(np.sort(samples), p)
    assert (samples <= value).mean() >= p - 1e-9
    assert statistics.lower_bound(samples, p) == np.sort(samples)[low - 1] <= value
    if found := statistics.quantile(samples, p):
        assert found.low <= found.value <= found.high
        assert {found.low, found.value, found.high} <= set(values)


def test_interval_of_a_million_samples_is_quick_and_narrow() -> None:
    """The binomial sums do not overflow for large n, and agree with the normal approximation."""
    low, high = statistics.interval_ranks(1_000_000, 0.99)
    spread = 1.96 * math.sqrt(1e6 * 0.99 * 0.01)
    assert abs(low - (990_000 - spread)) < 3
    assert abs(high - (990_000 + spread)) < 3


@pytest.mark.parametrize(
    ("count", "mean", "odd"),
    [
        (0, 5.0, False),
        (0, 20.0, True),
        (600, 600.0, False),
        (480, 600.0, True),
        (730, 600.0, True),
        (8, 1.0, False),
        (12, 1.0, True),
        (19_000, 20_000.0, True),
        (19_500, 20_000.0, False),
        (0, 0.0, False),
    ],
)
def test_poisson_count_is_odd_only_beyond_noise(count: int, mean: float, odd: bool) -> None:
    """A count counts as odd where a Poisson variable would show it once in a million times."""
    assert statistics.poisson_odd(count, mean) is odd


def test_no_poisson_count_of_many_is_odd() -> None:
    """20,000 draws at small and large means are all taken for noise."""
    rng = np.random.default_rng(5)
    for mean in (0.5, 3.0, 40.0, 900.0):
        assert not any(statistics.poisson_odd(int(n), mean) for n in np.unique(rng.poisson(mean, 5000)))


def test_mean_in_system_cuts_requests_at_the_edges() -> None:
    """One request over the whole window, one with half of its time inside, one outside: N = 1.5 / 1."""
    starts, ends = np.array([0.0, 9.5, 30.0]), np.array([20.0, 10.5, 31.0])
    assert statistics.mean_in_system(starts, ends, 10.0, 11.0) == pytest.approx(1.5)
    assert statistics.open_at(starts, ends, 10.2) == 2


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 20)), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_mean_in_system_is_littles_law(requests: list[tuple[float, float]]) -> None:
    """Over a window that holds all requests whole, N = X R."""
    starts = np.array([begin for begin, _ in requests])
    spans = np.array([length for _, length in requests])
    law = len(requests) / 100.0 * spans.mean()
    assert statistics.mean_in_system(starts, starts + spans, -10.0, 90.0) == pytest.approx(law, abs=1e-9)
