"""A site profile: what is to be known of a cluster, from `sites/` or from a file of one's own."""

import importlib.resources
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from runs.strict import Name, Strict
from runs.units import Duration

DEFAULT = "generic-slurm"

Module = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$")]
"""A module's name, as `module load` takes it; no option, and nothing that a shell would read."""
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A name of Slurm's: a partition, a QOS, a reservation."""
Flag = Annotated[str, Field(pattern=r"^--[a-z][a-z0-9-]*(=[A-Za-z0-9_,./-]+)?$")]
_VARIABLE = re.compile(r"\$(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)")


class SiteError(Exception):
    """There is no such profile, or it cannot be used; the text says all that is wrong with it."""


def _place(value: str) -> str:
    # What follows a variable's name is not part of it: $TMPDIR is absolute itself.
    if not (value.startswith("/") or _VARIABLE.match(value)):
        raise ValueError(f"{value!r} is not an absolute path: write /scratch/$USER, or $TMPDIR")
    if "\n" in value or "\0" in value:
        raise ValueError(f"{value!r} is no path")
    return value


Place = Annotated[str, AfterValidator(_place)]
"""An absolute path; $VARIABLES in it are those of the node where it is used."""


class Login(Strict):
    """The host that people reach by ssh. `jump`: it lets them go on to a node on which they have a job."""

    host: str = Field(min_length=1, pattern=r"^[^-\s][^\s@]*$")
    port: int = Field(22, ge=1, le=65535)
    user: str | None = Field(
        None, min_length=1, pattern=r"^[^-\s][^\s@]*$", description="default: the user's name here"
    )
    jump: bool = True


class Partition(Strict):
    """A partition, figures a node. What is None is not known, and nothing is refused for it. `time` in seconds."""

    nodes: int | None = Field(None, ge=1)
    cores: int | None = Field(None, ge=1, description="what Slurm counts as CPUs of a node")
    memory_mb: int | None = Field(None, ge=1, description="MiB of a node, as Slurm's RealMemory")
    gpus: int | None = Field(None, ge=0)
    time: Duration | None = Field(None, gt=0, description="longest job")
    account_required: bool | None = Field(None, description="default: the site's")
    default: bool = Field(False, description="taken where a recipe names none")


class Qos(Strict):
    """Limits of a QOS. `reservation`: by partition, the reservation by which the site lets people use it."""

    time: Duration | None = Field(None, gt=0, description="longest job")
    nodes: int | None = Field(None, ge=1, description="most nodes of a job")
    jobs: int | None = Field(None, ge=1, description="most jobs of a user at once")
    reservation: dict[Word, Word] = Field(default_factory=dict)
    reservation_required: bool = False
    default: bool = Field(False, description="taken where a recipe names none")


class Modules(Strict):
    """What a job loads before anything else. `init` defines `module` where a login shell does not."""

    init: Place | None = None
    use: tuple[Place, ...] = ()
    load: tuple[Module, ...] = ()


class Paths(Strict):
    """Shared file systems. `binds`: what containers must be given beside the home directory."""

    scratch: Place | None = None
    project: Place | None = None
    binds: tuple[Place, ...] = ()
    images: Place | None = Field(None, description="where container images are kept, for all of a project")


class Launcher(Strict):
    """How srun is used for steps beside a running job. `may_drop`: which of them a refusal may cost."""

    kind: Literal["slurmd", "psmgmt"] = "slurmd"
    step: tuple[Flag, ...] = ("--overlap", "--mem=0", "--cpu-bind=none", "--input=none", "--unbuffered")
    may_drop: tuple[Flag, ...] = ("--unbuffered", "--cpu-bind=none", "--mem=0", "--input=none")


class Site(Strict):
    """One cluster."""

    name: Name
    login: Login | None = None
    account_required: bool = False
    partitions: dict[Word, Partition] = Field(default_factory=dict, description="none: whatever Slurm knows")
    qos: dict[Word, Qos] = Field(default_factory=dict, description="none: whatever Slurm knows")
    modules: Modules = Modules()
    paths: Paths = Paths()
    local_disk: tuple[Place, ...] = Field(
        ("$TMPDIR", "/tmp"),  # noqa: S108 - looked at, not written to as it is
        min_length=1,
        description="node-local directories, the best first; those that are not there or not on the node are left out",
    )
    launcher: Launcher = Launcher()
    unverified: tuple[str, ...] = Field((), description="keys of this file that nobody tried on site")

    @model_validator(mode="after")
    def _marks(self) -> Self:
        for mark in self.unverified:
            if not _there(self, mark.split(".")):
                raise ValueError(f"unverified names {mark!r}, which is no key of this file")
        return self

    def doubted(self, *keys: str) -> bool:
        """Tell whether a fact, given by its keys, is marked as not verified: itself, or what it is part of."""
        dotted = ".".join(keys)
        return any(dotted == mark or dotted.startswith(f"{mark}.") for mark in self.unverified)


def _there(value: Any, steps: list[str]) -> bool:
    for step in steps:
        if isinstance(value, Strict) and step in value.model_fields_set:
            value = getattr(value, step)
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False
    return True


def load(which: str) -> Site:
    """Return the profile of that name, or that file's. Raises SiteError."""
    path = Path(which)
    if path.suffix in {".yaml", ".yml"} or "/" in which:
        try:
            return parse(path.read_text(encoding="utf-8"), which)
        except (OSError, UnicodeDecodeError) as error:
            raise SiteError(f"the site profile {which} cannot be read: {error}") from error
    known = names()
    if which not in known:
        raise SiteError(f"no site profile {which!r}: there are {', '.join(known)}; or give the path of a YAML file")
    file = importlib.resources.files("sites") / f"{which}.yaml"
    return parse(file.read_text(encoding="utf-8"), f"sites/{which}.yaml")


def names() -> list[str]:
    """Return the names of the profiles that come with dashcam."""
    files = importlib.resources.files("sites").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def parse(text: str, source: str) -> Site:
    """Read a profile. Raises SiteError."""
    try:
        return Site.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise SiteError(f"the site profile {source} is not valid YAML: {error}") from error
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc'])) or 'it'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise SiteError("\n".join([f"the site profile {source} cannot be used:", *lines])) from error
