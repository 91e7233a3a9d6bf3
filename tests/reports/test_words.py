"""Figures as people read them."""

import pytest

from reports.words import count, display, ended_with


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (0.00000234, "s", "2.34 µs"),
        (0.99996, "s", "1 s"),
        (125.4, "s", "125 s"),
        (0.0, "s", "0 s"),
        (0.951, "ratio", "95.1 %"),
        (0.0, "ratio", "0 %"),
        (1536.0, "bytes", "1.5 KiB"),
        (3 * 2.0**30, "bytes/s", "3 GiB/s"),
        (0.0, "bytes/s", "0 B/s"),
        (1234567.0, "req/s", "1,234,567 req/s"),
        (14.0, "req/s", "14 req/s"),
        (2.5, "", "2.5"),
        (None, "s", "-"),
        (float("nan"), "s", "-"),
    ],
)
def test_values_have_three_digits_and_a_unit(value: float | None, unit: str, text: str) -> None:
    """Units are chosen so that the number is short; nothing is a dash."""
    assert display(value, unit) == text


def test_endings_are_told_in_words() -> None:
    """Signals have names."""
    assert [ended_with(code) for code in (0, -9, -99, None)] == [
        "exit code 0",
        "signal SIGKILL",
        "signal 99",
        "exit code unknown",
    ]


def test_numbers_have_their_nouns() -> None:
    """One or many, with a plural of its own where `s` does not make one."""
    assert [count(number, "scrape") for number in (0, 1, 2000)] == ["0 scrapes", "1 scrape", "2,000 scrapes"]
    assert count(2, "line or value", "lines or values") == "2 lines or values"
    assert count(1, "line or value", "lines or values") == "1 line or value"
