"""Parsers of a control group's files."""

from hypothesis import given
from hypothesis import strategies as st

from exporters.cgroup_files import (
    parse_cpus,
    parse_io_v1,
    parse_io_v2,
    parse_limit,
    parse_number,
    parse_pressure,
    parse_quota,
    parse_table,
)

_count = st.integers(min_value=0, max_value=2**62 - 1)
_name = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1)


@given(st.text())
def test_all_are_total(text: str) -> None:
    """No text crashes a parser, and nothing negative comes out."""
    for parsed in (parse_limit(text), parse_number(text), parse_cpus(text)):
        assert parsed.value is None or parsed.value >= 0
    quota = parse_quota(text).value
    assert quota is None or quota > 0
    for table in (parse_table(text), parse_pressure(text)):
        assert all(value >= 0 for value in table.value.values())
    for io in (parse_io_v1(text), parse_io_v2(text)):
        assert all(read >= 0 and written >= 0 for read, written in io.value.values())


@given(st.dictionaries(_name, _count), st.lists(st.sampled_from(["", "x", "a b c", "a -1", "a 1.5", "a 1_0"])))
def test_tables_survive_damaged_lines(table: dict[str, int], damage: list[str]) -> None:
    """Whole lines are read, damaged ones counted."""
    lines = [f"{name} {value}" for name, value in table.items()] + damage
    parsed = parse_table("".join(f"{line}\n" for line in lines))
    assert parsed.value == table
    assert parsed.malformed == len(damage)


@given(st.sets(st.integers(0, 300)))
def test_cpus_are_counted(cpus: set[int]) -> None:
    """As many as the list names, ranges or not, also where parts overlap."""
    text = ",".join(str(cpu) for cpu in sorted(cpus))
    assert parse_cpus(text).value == (len(cpus) or None)
    if cpus:
        low, high = min(cpus), max(cpus)
        assert parse_cpus(f"{low}-{high},{text}\n").value == high - low + 1


def test_cpu_lists_that_are_none() -> None:
    """They are malformed, not counted in part."""
    for text in ("3-1", "a", "0-", "-3", "0,,1", "0-99999999999"):
        parsed = parse_cpus(text)
        assert (parsed.value, parsed.malformed) == (None, 1), text


@given(_count)
def test_limits(number: int) -> None:
    """Numbers are limits; max, -1 and v1's largest number are none; the rest is malformed."""
    assert parse_limit(f"{number}\n").value == number
    for text in ("max\n", "-1\n", "9223372036854771712\n", "9223372036854710272\n"):
        assert (parse_limit(text).value, parse_limit(text).malformed) == (None, 0)
    assert parse_limit("12 34").malformed == 1
    assert parse_limit("").malformed == 1


def test_quota() -> None:
    """In cores."""
    assert parse_quota("150000 100000\n").value == 1.5
    assert (parse_quota("max 100000\n").value, parse_quota("max 100000\n").malformed) == (None, 0)
    for text in ("", "1", "0 100000", "100000 0", "max", "a b", "1 2 3"):
        assert (parse_quota(text).value, parse_quota(text).malformed) == (None, 1), text


@given(_count, _count)
def test_pressure(some: int, full: int) -> None:
    """Microseconds by kind; a kernel that gives only `some` is read too."""
    line = "avg10=0.00 avg60=1.25 avg300=14.16 total="
    assert parse_pressure(f"some {line}{some}\nfull {line}{full}\n").value == {"some": some, "full": full}
    assert parse_pressure(f"some {line}{some}\n").value == {"some": some}
    damaged = parse_pressure(f"some {line}\nmost {line}1\nfull {line}{full}\n")
    assert (damaged.value, damaged.malformed) == ({"full": full}, 2)


@given(st.dictionaries(st.tuples(st.integers(0, 999), st.integers(0, 999)), st.tuples(_count, _count)))
def test_io(devices: dict[tuple[int, int], tuple[int, int]]) -> None:
    """Bytes read and written by device, in both formats."""
    expected = {f"{major}:{minor}": figures for (major, minor), figures in devices.items()}
    v2 = "".join(f"{name} rbytes={r} wbytes={w} rios=1 wios=2 dbytes=0 dios=0\n" for name, (r, w) in expected.items())
    assert parse_io_v2(v2).value == expected
    v1 = "".join(
        f"{name} Read {r}\n{name} Write {w}\n{name} Sync 0\n{name} Total 0\n" for name, (r, w) in expected.items()
    )
    parsed = parse_io_v1(f"{v1}Total 12\n")
    assert (parsed.value, parsed.malformed) == (expected, 0)


def test_io_stat_of_several_kernels() -> None:
    """Unused devices stand before the next one on its line; the topmost group has lines of io.cost alone."""
    parsed = parse_io_v2(
        "7:7 7:6 8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0 use_delay=0 delay_nsec=0\n"
        "254:0 cost.vrate=100.00\n253:1 253:2 \n"
    )
    assert (parsed.value, parsed.malformed) == ({"8:0": (10, 20)}, 0)


def test_io_that_is_damaged() -> None:
    """A device without figures was not used; half of a device's figures are none."""
    assert (parse_io_v2("8:0 \n8:1\n").value, parse_io_v2("8:0 \n").malformed) == ({}, 0)
    assert parse_io_v2("8:0 rbytes=1\n8:1 rbytes=x wbytes=1\nsda rbytes=1 wbytes=1\n").malformed == 3
    assert parse_io_v2("8:0 rbytes=1 9:0 wbytes=2\nrbytes=1 wbytes=1\n8:0 rbytes= wbytes=1\n").malformed == 3
    assert parse_io_v1("8:0 Read 5\n8:1 Read x\n8:1 Write 5\n").value == {}
