"""Numbers as the kernel writes them."""

from hypothesis import given
from hypothesis import strategies as st

from exporters.figures import natural, whole


@given(st.integers(min_value=-(2**64) + 1, max_value=2**64 - 1))
def test_what_the_kernel_writes_is_read(number: int) -> None:
    """Each number within 64 bits comes back as it was written."""
    assert whole(str(number)) == number
    assert natural(str(number)) == (number if number >= 0 else None)


@given(st.text())
def test_no_text_crashes_or_is_read_generously(text: str) -> None:
    """What is read at all is written back the same, but for zeros in front and the sign of zero."""
    number = whole(text)
    if number is not None:
        assert text.lstrip("-").isascii()
        assert text.lstrip("-").isdigit()
        assert int(text) == number


def test_what_int_would_take_is_refused() -> None:
    """Separators, plus signs, blanks, other digits and more than 64 bits are no numbers here."""
    for text in ("1_000", "+1", " 1", "1 ", "٣", "", "-", "1.0", "18446744073709551616", "9" * 400):
        assert whole(text) is None, text
