"""Shares, gaps and misses, counted by hand."""

import numpy as np
import pytest

from reports.presence import misses, presence, within

EACH = np.arange(100) + 0.3
"""A scrape each second."""


def without(*seconds: int) -> np.ndarray:
    """Return the moments of all scrapes but those of some seconds."""
    return np.delete(EACH, seconds)


def test_what_was_there_all_the_time_has_no_gap() -> None:
    """Thirty scrapes in thirty seconds."""
    found = presence(EACH, [(5.0, 35.0)], 1.0)
    assert (found.good, found.expected, found.share, found.gaps, found.holed) == (30, 30, 1.0, 0, False)
    assert found.longest == pytest.approx(1.0)


def test_gaps_are_counted_and_the_longest_is_told() -> None:
    """One scrape lost, and four in a row: two gaps, the longer of five seconds."""
    found = presence(without(10, 20, 21, 22, 23), [(5.0, 35.0)], 1.0)
    assert (found.good, found.gaps, found.holed) == (25, 2, True)
    assert found.longest == pytest.approx(5.0)
    assert found.ended == pytest.approx(24.3)


@pytest.mark.parametrize(("lost", "holed"), [((10,), False), ((10, 11), False), ((10, 11, 12), True)])
def test_two_scrapes_in_a_row_are_forgiven(lost: tuple[int, ...], holed: bool) -> None:
    """Three are a hole."""
    assert presence(without(*lost), [(5.0, 35.0)], 1.0).holed is holed


def test_one_in_ten_is_forgiven_wherever_it_is() -> None:
    """Three of thirty, here and there, are no hole; four are. Of five, two may be lost."""
    assert not presence(without(8, 16, 24), [(5.0, 35.0)], 1.0).holed
    assert presence(without(8, 14, 20, 26), [(5.0, 35.0)], 1.0).holed
    assert not presence(without(6, 8), [(5.0, 10.0)], 1.0).holed


def test_time_between_two_spans_is_nobodys() -> None:
    """A gap does not reach from one phase into another; edges count."""
    found = presence(without(*range(8, 52)), [(5.0, 10.0), (50.0, 60.0), (70.0, 70.0)], 1.0)
    assert (found.good, found.expected, found.gaps) == (3 + 8, 15, 2)
    assert found.longest == pytest.approx(10.0 - 7.3)


def test_never_there_is_one_gap() -> None:
    """Nothing at all, and nothing expected."""
    found = presence(np.zeros(0), [(5.0, 35.0)], 1.0)
    assert (found.good, found.share, found.gaps, found.longest, found.ended) == (0, 0.0, 1, 30.0, 35.0)
    assert presence(EACH, [], 1.0).share is None


def test_misses_are_of_scrapes_that_were_answered() -> None:
    """What the target itself did not answer is not counted again; the streak goes on over it."""
    answered = without(12, 13)
    found = misses(answered, without(10, 11, 12, 13, 14, 20), [(5.0, 35.0)])
    assert (found.count, found.answered, found.streak, found.many) == (4, 28, 3, True)
    assert misses(np.zeros(0), np.zeros(0), [(5.0, 35.0)]).many is False
    assert misses(EACH, EACH, [(5.0, 35.0)]).streak == 0


def test_streak_ends_with_its_span() -> None:
    """Two at the end of a phase and two at the begin of the next are no four."""
    found = misses(EACH, without(8, 9, 10, 11), [(5.0, 10.0), (10.0, 20.0)])
    assert (found.count, found.streak, found.many) == (4, 2, True)


def test_end_of_a_span_is_outside() -> None:
    """Half-open, so that phases in a row share no scrape."""
    assert within(np.array([1.0, 2.0, 3.0]), [(1.0, 2.0)]).tolist() == [True, False, False]
