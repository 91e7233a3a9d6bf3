"""Parsers of /proc/PID/*."""

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from exporters.procfs import (
    Stat,
    parse_boot_time,
    parse_environment,
    parse_io,
    parse_open_files_limit,
    parse_stat,
    parse_switches,
)
from tests.exporters.trees import FakeProcess

_count = st.integers(min_value=0, max_value=2**63)


@given(
    name=st.text(alphabet=st.characters(exclude_characters="\0\n", exclude_categories=("Cs",)), max_size=15),
    user=_count,
    system=_count,
    start=_count,
)
def test_stat_is_read_whatever_the_name_holds(name: str, user: int, system: int, start: int) -> None:
    """Blanks, parentheses and figures in the name do not move the fields."""
    line = FakeProcess(7, parent=3, start=start, name=name, user=user, system=system, threads=5).stat_line()
    stat = parse_stat(line)
    assert stat is not None
    assert (stat.state, stat.parent, stat.user, stat.system, stat.start, stat.threads) == (
        "S",
        3,
        user,
        system,
        start,
        5,
    )


def test_a_name_that_looks_like_a_stat_line() -> None:
    """The last closing parenthesis ends the name."""
    line = FakeProcess(7, parent=3, name=") R 1 2 3 (x", user=11).stat_line()
    stat = parse_stat(line)
    assert stat is not None
    assert (stat.parent, stat.user) == (3, 11)


def test_stat_of_this_kernel() -> None:
    """A real line of /proc/PID/stat (Linux 6.1) is read field by field."""
    line = (
        "23702 (cat) R 23637 23637 2907 0 -1 4194304 99 12 4 2 31 7 90 8 20 0 1 0 590769 3133440 373 "
        "18446744073709551615 93982231281664 93982231301545 140731630769264 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 "
        "93982231317552 93982231319168 93982621413376 140731630775009 140731630775029 140731630775029 140731630776299 0"
    )
    assert parse_stat(line) == Stat("R", 23637, 4, 2, 31, 7, 90, 8, 1, 590769, 3133440, 373)


@given(st.text())
def test_stat_is_total(text: str) -> None:
    """No text crashes the parser; what it gives holds natural numbers only."""
    stat = parse_stat(text)
    if stat is not None:
        assert all(getattr(stat, one.name) >= 0 for one in fields(stat) if one.name != "state")


@given(st.integers(min_value=2, max_value=23), st.sampled_from(["x", "-3", "1_0", "9" * 30]))
def test_a_damaged_field_of_stat_gives_nothing(index: int, word: str) -> None:
    """A line with a damaged field is refused if we show that field; else the others stay right."""
    whole = FakeProcess(7, user=5, system=6).stat_line()
    words = whole.split(" ")
    words[index] = word
    stat = parse_stat(" ".join(words))
    shown = {2, 3, 11, 12, 13, 14, 15, 16, 19, 21, 22, 23}
    if index in shown:
        assert stat is None or (index == 2 and word == "x")
    else:
        assert stat == parse_stat(whole)


@given(_count, _count, _count, _count)
def test_io_is_read(read_chars: int, write_chars: int, read_bytes: int, write_bytes: int) -> None:
    """The four figures come back, whatever else the kernel adds."""
    text = (
        f"rchar: {read_chars}\nwchar: {write_chars}\nsyscr: 1\nsyscw: 2\nread_bytes: {read_bytes}\n"
        f"write_bytes: {write_bytes}\ncancelled_write_bytes: 0\n"
    )
    io = parse_io(text)
    assert io is not None
    assert (io.read_chars, io.write_chars, io.read_bytes, io.write_bytes) == (
        read_chars,
        write_chars,
        read_bytes,
        write_bytes,
    )


@given(st.text())
def test_the_other_parsers_are_total(text: str) -> None:
    """No text crashes them."""
    parse_io(text)
    parse_switches(text)
    parse_open_files_limit(text)
    parse_boot_time(text)


@given(st.binary())
def test_environment_is_total(content: bytes) -> None:
    """Whatever a program wrote over its environment is no error."""
    assert b"" not in {name for name in parse_environment(content) if b"\0" in name}


def test_environment_takes_the_first_of_two() -> None:
    """As getenv(3) does."""
    assert parse_environment(b"A=1\0B=x=y\0A=2\0junk\0") == {b"A": b"1", b"B": b"x=y"}


def test_io_that_lacks_a_figure_is_none() -> None:
    """Three of four figures are no I/O figures."""
    assert parse_io("rchar: 1\nwchar: 2\nread_bytes: 3\n") is None
    assert parse_io("rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: -4\n") is None


def test_limits() -> None:
    """The soft limit counts; unlimited is none; anything else is malformed."""
    assert (
        parse_open_files_limit("Max open files            1024                 4096                 files\n").value
        == 1024
    )
    unlimited = parse_open_files_limit("Max open files            unlimited            unlimited            files\n")
    assert (unlimited.value, unlimited.malformed) == (None, 0)
    assert parse_open_files_limit("Max open files  many\n").malformed == 1


def test_switches_and_boot_time() -> None:
    """The figures stand where proc(5) says."""
    assert parse_switches("voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n") == (12, 3)
    assert parse_switches("voluntary_ctxt_switches:\t12\n") is None
    assert parse_boot_time("cpu 1 2\nbtime 1795000000\n") == 1795000000
    assert parse_boot_time("btime x\n") is None
