"""A phase as fio takes it: a job file."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from loadtests.fio.places import WORDS, Place
from runs.paths import InRecipe
from runs.recipe import Name, Phase, Strict

Pattern = Literal["read", "write", "randread", "randwrite", "readwrite", "randrw"]
_MIXED = ("readwrite", "randrw")
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Options(Strict):
    """Keys of a `files` load."""

    places: dict[Name, Annotated[str, InRecipe(frozenset(WORDS))]] = Field(
        default_factory=lambda: {"local": "scratch", "shared": "run", "tmpfs": "tmpfs"}, min_length=1,
        description="what is compared: a name and a directory, or scratch (/tmp), run (the run's own), home, tmpfs "
        "(memory); a service of kind files goes before",
    )  # fmt: skip
    patterns: tuple[Pattern, ...] = Field(("randread",), min_length=1, description="fio's rw, one after another")
    read_percent: int = Field(70, ge=1, le=99, description="share of reads in readwrite and randrw")
    block_size: str = Field("4k", description="of each operation: 4k, 1m")
    size: str = Field("256m", description="of the file that each user has in each place")
    iodepth: int = Field(1, ge=1, le=4096, description="operations that each user keeps open")
    direct: Literal["auto", "on", "off"] = Field("auto", description="O_DIRECT: past the page cache where that can be")
    engine: Literal["psync", "libaio", "io_uring", "posixaio"] | None = Field(
        None, description="fio's ioengine; default: psync at iodepth 1, libaio above"
    )
    fsync: int = Field(0, ge=0, description="sync to disk after so many writes; 0: never")
    extra: dict[str, str] = Field(default_factory=dict, description="further keys of fio's job file")

    @field_validator("block_size", "size")
    @classmethod
    def _bytes(cls, value: str) -> str:
        in_bytes(value)
        return value

    @field_validator("extra")
    @classmethod
    def _one_line(cls, value: dict[str, str]) -> dict[str, str]:
        for key, text in value.items():
            if not key.replace("_", "").isalnum() or "\n" in text:
                raise ValueError(f"{key!r}: {text!r} is no key of a job file and its value")
        return value


def in_bytes(text: str) -> int:
    """Read 4096, 4k, 16m, 1g (powers of 1024). Raises ValueError."""
    digits, unit = text.strip().lower().removesuffix("ib").removesuffix("b"), 1
    if digits and digits[-1] in _UNITS:
        unit, digits = _UNITS[digits[-1]], digits[:-1]
    if not digits.isdecimal() or int(digits) == 0:
        raise ValueError(f"{text!r} is no size: write 4096, 4k, 16m or 1g")
    return int(digits) * unit


def users(phase: Phase) -> int:
    """Return how many jobs run at once: the users of a closed loop; an open loop has one."""
    return phase.users or 1


def direct(options: Options, place: Place) -> bool:
    """Tell whether files of a place are opened with O_DIRECT."""
    return options.direct != "off" and place.direct


def job_file(options: Options, phase: Phase, place: Place, pattern: Pattern, *, seed: int, create: bool = False) -> str:
    """Return a job file. `create`: only lay the files out. An open loop is paced by fio: rate_iops and rate_process."""
    engine = options.engine or ("libaio" if options.iodepth > 1 else "psync")
    keys: dict[str, object] = {
        "directory": place.path, "size": in_bytes(options.size), "bs": in_bytes(options.block_size), "rw": pattern,
        "ioengine": engine, "iodepth": options.iodepth, "direct": int(direct(options, place)),
        "numjobs": users(phase), "group_reporting": 1, "thread": 1, "randseed": seed + 1, "allow_file_create": 1,
        "filename_format": "$jobname.$jobnum", "fallocate": "none",
    }  # fmt: skip
    if pattern in _MIXED:
        keys["rwmixread"] = options.read_percent
    if options.fsync:
        keys["fsync"] = options.fsync
    if create:
        keys["create_only"] = 1
    else:
        keys |= {"time_based": 1, "runtime": f"{max(1, round(phase.duration * 1000))}ms"}
        if phase.rate is not None:
            keys["rate_iops"] = _rates(phase.rate, pattern, options.read_percent)
            keys["rate_process"] = "poisson" if phase.arrival == "poisson" else "linear"
    keys |= options.extra
    return "\n".join(["[data]", *(f"{key}={value}" for key, value in keys.items()), ""])


def _rates(rate: float, pattern: Pattern, read_percent: int) -> str:
    """Return reads and writes a second; fio takes whole numbers, one for each direction."""
    whole = max(1, round(rate))
    reads = round(whole * read_percent / 100) if pattern in _MIXED else whole
    return f"{max(1, reads)},{max(1, whole - reads)}" if pattern in _MIXED else f"{whole},{whole}"
