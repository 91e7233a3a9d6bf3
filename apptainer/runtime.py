"""A program in an image, as an exact `apptainer exec`: nothing is started or read here.

Written after Apptainer's sources (internal/pkg/runtime/launch and engine/apptainer). What each choice avoids is told in
docs/apptainer.md; in short: nothing of the host gets in but what is bound, no shell reads an argument or a value, no
secret is on a command line, no cgroup and no `instance` is asked for (both need a systemd session, which a job lacks).
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_NO_BIND = re.compile(r"[:,\"\n]")
_KEPT = frozenset(f"APPTAINER_{name}" for name in ("CACHEDIR", "CONFIGDIR", "TMPDIR"))
_PASSED_IN = frozenset(f"{scheme}_proxy" for scheme in ("http", "https", "ftp", "all", "no"))
"""Variables that get in even with --cleanenv: a site's proxy must not stand between programs of one node."""
_OWN = frozenset(("HOME", "UID", "GID"))
"""Variables that Apptainer sets by itself, whatever a file says."""
_SHARED = ("/tmp", "/var/tmp")  # noqa: S108 - names inside of a container


class BoxError(Exception):
    """A program cannot be put into a container as it is; the text says why and the mend."""


@dataclass(frozen=True)
class Bind:
    """A directory (or a `file`) of the node that is seen inside, under the same path unless `target` is given."""

    source: str
    target: str = ""
    readonly: bool = False
    file: bool = False

    @property
    def inside(self) -> str:
        """Where it is inside."""
        return self.target or self.source

    @property
    def word(self) -> str:
        """As --bind takes it. Raises BoxError: colons and commas cannot be written there."""
        for path in (self.source, self.inside):
            if not path.startswith("/") or _NO_BIND.search(path):
                raise BoxError(
                    f"{path!r} cannot be bound into a container: a path must be absolute, without colon, comma, quote "
                    "and line break; use another --root, TMPDIR or model path"
                )
        return f"{self.source}:{self.inside}:{'ro' if self.readonly else 'rw'}"


@dataclass(frozen=True)
class Box:
    """What a program has around it: a directory of the node of its own, binds, and what it is told.

    `root` holds its /tmp, /var/tmp and home, so that none of them is a small tmpfs or the user's. `env_file` holds
    its variables (see `variables`), mode 0600. `pwd` must exist inside.
    """

    root: str
    env_file: str
    binds: Sequence[Bind] = ()
    pwd: str = ""
    gpu: bool = False

    @property
    def home(self) -> str:
        """The home directory inside."""
        return f"{self.root}/home"

    @property
    def all_binds(self) -> tuple[Bind, ...]:
        """Those of `binds` after the box's own, since mounts below /tmp come after /tmp itself."""
        own = (Bind(self._place("/tmp"), "/tmp"), Bind(self._place("/var/tmp"), "/var/tmp"))  # noqa: S108 - inside
        return (*own, *self._seen)

    @property
    def directories(self) -> tuple[str, ...]:
        """Directories of the node that must exist before the start, mode 0700, parents first.

        Among them are mount points for what is bound below the box's /tmp: it is a directory as any other.
        """
        below = [path.rpartition("/")[0] if bind.file else path for bind, path in self._below]
        return (self.root, self.home, *map(self._place, _SHARED), *dict.fromkeys(below))

    @property
    def files(self) -> tuple[str, ...]:
        """The mount points among them that are files, empty."""
        return tuple(path for bind, path in self._below if bind.file)

    @property
    def _below(self) -> list[tuple[Bind, str]]:
        return [
            (bind, f"{self._place(shared)}{bind.inside.removeprefix(shared)}")
            for bind in self._seen
            for shared in _SHARED
            if bind.inside.startswith(f"{shared}/")
        ]

    @property
    def _seen(self) -> tuple[Bind, ...]:
        held = any(not bind.readonly and self.root.startswith(f"{bind.source}/") for bind in self.binds)
        return (*(() if held else (Bind(self.root),)), *self.binds)

    def _place(self, shared: str) -> str:
        return f"{self.root}/{shared.strip('/').replace('/', '_')}"


def command(apptainer: str, sif: str, argv: Sequence[str], box: Box) -> tuple[str, ...]:
    """Return the command line that runs `argv` in the image `sif`. Raises BoxError."""
    return (*prefix(apptainer, sif, box), *argv)


def prefix(apptainer: str, sif: str, box: Box) -> tuple[str, ...]:
    """Return all of the command line up to the image. Raises BoxError."""
    if sif.startswith("-"):
        raise BoxError(f"{sif!r} is no path of an image")
    return (
        *(apptainer, "exec"),
        # Its PID namespace takes all that is in it along when its first process is killed.
        *("--cleanenv", "--containall", "--no-eval"),
        *("--no-home", "--home", box.home),
        *("--no-mount", "tmp,hostfs"),
        *(word for bind in box.all_binds for word in ("--bind", bind.word)),
        *("--pwd", box.pwd or box.home),
        *("--env-file", box.env_file),
        *(("--nv",) if box.gpu else ()),
        sif,
    )


def variables(env: Mapping[str, str], from_node: Iterable[str] = ()) -> str:
    """Return the text of an env file: Apptainer reads it as a shell does, so that every value is quoted.

    Of names in `from_node` the value is that of the node where it runs, where there is one: Slurm gives each its own
    GPUs. Raises BoxError.
    """
    lines = []
    for name, value in env.items():
        if name in _OWN:
            raise BoxError(f"Apptainer sets {name} by itself: leave it out of `env`")
        if not _NAME.match(name) or "\0" in value:
            raise BoxError(f"{name!r} is no name of a variable that a container can be given")
        lines.append(f"{name}={shlex.quote(value)}\n")
    for name in from_node:
        if name in env:
            # Digits, commas and dashes: what such lists are made of.
            safe = re.sub(r"[^A-Za-z0-9,_./-]", "", env[name])
            lines[list(env).index(name)] = f"{name}=${{{name}:-{safe}}}\n"
    return "".join(lines)


def strays(names: Iterable[str]) -> tuple[str, ...]:
    """Return those variables of a process that would change what `apptainer` does, whatever its command line says."""
    return tuple(
        name
        for name in names
        if name.lower() in _PASSED_IN or (name.startswith(("APPTAINER", "SINGULARITY")) and name not in _KEPT)
    )
