"""Files of /proc and of control groups."""

from collections.abc import Callable, Mapping, Sequence

from exporters import cgroup_files, cgroup_places, procfs
from exporters.figures import Parsed
from tests.exporters.fuzz import Case
from tests.exporters.trees import FakeProcess


def _numbers(value: object) -> Sequence[float]:
    """Return all numbers in a parser's result."""
    if isinstance(value, bool) or value is None:
        return ()
    if isinstance(value, int | float):
        return (value,)
    if isinstance(value, Parsed):
        return _numbers(value.value)
    if isinstance(value, Mapping):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, tuple | list):
        return [number for item in value for number in _numbers(item)]
    return _numbers(vars(value)) if hasattr(value, "__dict__") else ()


def _no_negative(parse: Callable[[str], object]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        assert all(0 <= number < 2.0**65 for number in _numbers(parse(data.decode(errors="replace"))))

    return check


def _told(parse: Callable[[str], object]) -> Callable[[bytes], None]:
    """Return a check that each number is one of the text's, and that what gives none is counted."""

    def check(data: bytes) -> None:
        text = data.decode(errors="replace")
        result = parse(text)
        numbers = _numbers(result)
        assert all(0 <= number < 2.0**65 and str(number) in text for number in numbers)
        if isinstance(result, Parsed) and not numbers and not result.malformed:
            assert not text.strip() or _means_nothing(text)

    return check


def _means_nothing(text: str) -> bool:
    """Whether a text may say that there is no number: no limit, or devices that were not used."""
    words = text.split()
    unlimited = {"max", "-1", "unlimited"} & set(words)
    return bool(unlimited) or any(word.isdecimal() and int(word) >= 2**62 for word in words) or ":" in text


def _table(data: bytes) -> None:
    text = data.decode(errors="replace")
    _told(cgroup_files.parse_table)(data)
    result = cgroup_files.parse_table(text)
    assert len(result.value) + result.malformed == len(text.splitlines()), "each line is read or counted"


def _cpus(data: bytes) -> None:
    result = cgroup_files.parse_cpus(data.decode(errors="replace"))
    assert result.value is None or (0 < result.value <= 2**20 + 1 and not result.malformed)


CASES = [
    Case("proc-stat", [FakeProcess(7, user=5, system=6).stat_line().encode()], _told(procfs.parse_stat)),
    Case(
        "proc-io",
        [b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 0\n"],
        _told(procfs.parse_io),
    ),
    Case(
        "proc-status",
        [b"Name:\tx\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n"],
        _told(procfs.parse_switches),
    ),
    Case(
        "proc-limits",
        [b"Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096    files\n"],
        _told(procfs.parse_open_files_limit),
    ),
    Case("proc-boot-time", [b"cpu 1 2 3\nbtime 1795000000\nprocesses 7\n"], _told(procfs.parse_boot_time)),
    Case("cgroup-number", [b"4096\n"], _told(cgroup_files.parse_number)),
    Case("proc-environ", [b"PATH=/bin\0SLURM_JOB_ID=7\0EMPTY=\0"], procfs.parse_environment),
    Case("cgroup-limit", [b"max\n", b"9223372036854771712\n", b"4096\n"], _told(cgroup_files.parse_limit)),
    Case("cgroup-table", [b"usage_usec 5\nuser_usec 3\nsystem_usec 2\n"], _table),
    Case("cgroup-quota", [b"max 100000\n", b"150000 100000\n"], _no_negative(cgroup_files.parse_quota)),
    Case("cgroup-cpus", [b"0-3,7,9-11\n"], _cpus),
    Case(
        "cgroup-pressure",
        [b"some avg10=0.00 avg60=0.10 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n"],
        _told(cgroup_files.parse_pressure),
    ),
    Case(
        "cgroup-io-v2",
        [
            b"8:0 rbytes=90 wbytes=8 rios=3 wios=1 dbytes=0 dios=0\n",
            b"7:7 7:6 8:0 rbytes=90 wbytes=8\n254:0 cost.vrate=100.00\n",
        ],
        _told(cgroup_files.parse_io_v2),
    ),
    Case("cgroup-io-v1", [b"8:0 Read 90\n8:0 Write 8\n8:0 Total 98\nTotal 98\n"], _told(cgroup_files.parse_io_v1)),
    Case(
        "mountinfo",
        [
            (
                b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
                b"31 23 0:27 /a\\040b /m rw - cgroup x cpu\n"
            )
        ],
        lambda data: cgroup_places.parse_mountinfo(data.decode(errors="replace")),
    ),
    Case(
        "membership",
        [b"0::/system.slice/slurmstepd.scope/job_4/step_0\n4:memory:/slurm/uid_0/job_4\n3:cpu,cpuacct:/\n"],
        lambda data: cgroup_places.parse_membership(data.decode(errors="replace")),
    ),
]
