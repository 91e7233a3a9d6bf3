"""Weights into kinds of requests."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.mix import Mix

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50), min_size=1).filter(lambda w: sum(w.values()) > 0)


@given(WEIGHTS, st.integers(0, 2**32))
def test_each_block_has_its_shares(weights, seed):
    """A block holds exactly as many of each kind as the weights say, and each kind counts its own from 0 on."""
    mix = Mix(weights, seed)
    assert mix.size >= 100
    found = [mix.of(number) for number in range(2 * mix.size)]
    for name, weight in weights.items():
        ranks = [rank for kind, rank in found if kind == name]
        assert ranks == list(range(len(ranks)))
        assert len(ranks) == 2 * mix.size * weight // sum(weights.values())


def test_it_depends_on_seed_and_number_only():
    """The same numbers give the same kinds in any order; another seed another order."""
    weights = {"a": 3, "b": 1}
    one, two, other = Mix(weights, 7), Mix(weights, 7), Mix(weights, 8)
    numbers = [5, 70_001, 3, 812, 5]
    assert [one.of(number) for number in numbers] == [two.of(number) for number in numbers]
    assert [one.of(number) for number in range(100)] != [other.of(number) for number in range(100)]
    assert Counter(one.of(number)[0] for number in range(100)) == {"a": 75, "b": 25}


def test_a_kind_of_no_weight_never_comes():
    """Weight 0 is as if it were not there."""
    assert {Mix({"a": 1, "b": 0}, 1).of(number)[0] for number in range(200)} == {"a"}
    with pytest.raises(ZeroDivisionError):
        Mix({"a": 0}, 1)
