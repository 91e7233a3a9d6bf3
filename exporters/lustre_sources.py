"""Where a client's parameters are found: files of /proc, sysfs and debugfs, else lctl, else `sudo -n lctl`.

The outcome of each step is one of _OUTCOMES. Files are read with patience, programs run on a clock of their own: a
mount that hangs costs the files that hang, and no scrape its deadline.
"""

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporters.clockwork import Clockwork, Output, run
from exporters.files import read_text
from exporters.lustre_params import LNET_STATS, PATTERNS, SINGLE, WANTED, parse_get_param
from exporters.patience import Patience

STATISTICS, PARTIAL, EMPTY = "statistics", "partial", "empty"
MISSING, REFUSED, TIMEOUT, ERROR, NOT_NEEDED = "missing", "refused", "timeout", "error", "not needed"
_OUTCOMES = (STATISTICS, PARTIAL, EMPTY, MISSING, REFUSED, TIMEOUT, ERROR, NOT_NEEDED)

_ONE = 0.1
_LISTS, _FILES = 0.3, 0.45
"""Seconds for one file, and for the two rounds (folders, files): together below a scrape's deadline, 1 s."""

_COMMAND_TIMEOUT = 5.0
_SUDO_EVERY = 10.0
_REFUSALS = ("ermission", "not permitted", "password", "sudoers", "not allowed", "tty")
_SUDO_AGAIN = 600.0
"""Seconds. Each sudo is a line in the log of the system, each that is refused may be a mail to its administrators."""


@dataclass(frozen=True)
class Found:
    """Parameters by name, the outcome of each step by its name, and how many files hang."""

    params: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    hanging: int = 0
    age: float | None = None
    """Seconds since the program ran whose output is among the parameters; None where they are all of files."""


class Files:
    """The files of all three trees."""

    def __init__(self, proc: Path, sys: Path) -> None:
        debug = sys / "kernel" / "debug"
        self._roots = {
            "proc": str(proc / "fs" / "lustre"),
            "sysfs": str(sys / "fs" / "lustre"),
            "debugfs": str(debug / "lustre"),
        }
        self._lnet = {"proc": str(proc / "sys" / "lnet" / "stats"), "debugfs": str(debug / "lnet" / "stats")}
        self._patience: Patience[tuple[str, str], list[str] | str | OSError] = Patience()

    def read(self) -> Found:
        """Read what there is; where a parameter is in two trees the first counts."""
        outcomes: dict[str, str] = {}
        for step, root in self._roots.items():
            refusal = _refusal(root)
            if refusal is not None:
                outcomes[step] = refusal
        present = {step: root for step, root in self._roots.items() if step not in outcomes}
        if not present:
            return Found(outcomes=outcomes)
        names = self._names(present)
        keys = [("read", path) for paths in names.values() for _, path in paths]
        contents = self._patience.each(keys, _call, _ONE, _FILES)
        params: dict[str, str] = {}
        for step, paths in names.items():
            for name, path in paths:
                content = contents.get(("read", path))
                if isinstance(content, str):
                    params.setdefault(name, content)
            outcomes[step] = _outcome(paths, contents, self._patience.stuck)
        order = {step: outcomes[step] for step in self._roots}
        return Found(params, order, hanging=len(self._patience.stuck))

    def _names(self, roots: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
        """Return, by step, the names and paths of the parameters that may be there."""
        folders = [(step, kind, f"{root}/{kind}") for step, root in roots.items() for kind in WANTED]
        listed = self._patience.each([("list", path) for _, _, path in folders], _call, _ONE, _LISTS)
        names: dict[str, list[tuple[str, str]]] = {step: [] for step in roots}
        for step, kind, path in folders:
            instances = listed.get(("list", path))
            for instance in instances if isinstance(instances, list) else ():
                names[step] += [(f"{kind}.{instance}.{leaf}", f"{path}/{instance}/{leaf}") for leaf in WANTED[kind]]
        for step, root in roots.items():
            names[step] += [(name, f"{root}/{name}") for name in SINGLE]
            if step in self._lnet:
                names[step].append((LNET_STATS, self._lnet[step]))
        return names


def _call(key: tuple[str, str]) -> list[str] | str | OSError:
    what, path = key
    try:
        return sorted(os.listdir(path)) if what == "list" else read_text(path)  # noqa: PTH208 - names are all we need
    except OSError as error:
        return error


def _refusal(root: str) -> str | None:
    """Return why there is nothing below `root`; None where there may be."""
    try:
        os.stat(root)  # noqa: PTH116 - the error is what tells
    except PermissionError:
        return REFUSED
    except OSError:
        return MISSING
    return None


def _outcome(
    paths: Iterable[tuple[str, str]],
    contents: Mapping[tuple[str, str], list[str] | str | OSError],
    stuck: frozenset[tuple[str, str]],
) -> str:
    paths = list(paths)
    read = [name for name, path in paths if isinstance(contents.get(("read", path)), str)]
    if read:
        return _worth(read)
    if any(("read", path) in stuck for _, path in paths):
        return TIMEOUT
    if any(isinstance(contents.get(("read", path)), PermissionError) for _, path in paths):
        return REFUSED
    return EMPTY


def _worth(names: Iterable[str]) -> str:
    names = list(names)
    if any(name.startswith("llite.") and name.endswith(".stats") for name in names):
        return STATISTICS
    return PARTIAL if names else EMPTY


class Commands:
    """lctl and sudo, asked only for what the files do not tell."""

    def __init__(self, environment: Mapping[str, str], program: str, every: float) -> None:
        # Where lctl is: no ordinary user's PATH has it.
        path = f"{environment.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        self._environment = {**environment, "PATH": path}
        self._program = shutil.which(program, path=path)
        self._sudo_program = shutil.which("sudo", path=path)
        self._lctl = Clockwork(self._ask, every, "lctl")
        self._sudo = Clockwork(self._ask_sudo, max(every, _SUDO_EVERY), "sudo-lctl")
        self._refused: Output | None = None
        self._lnetctl_program = shutil.which("lnetctl", path=path)
        self._lnetctl = Clockwork(self._ask_lnetctl, every, "lnetctl")

    @property
    def there(self) -> bool:
        """Whether there is an lctl."""
        return self._program is not None

    def read(self, deadline: float) -> Found:
        """Return what the last runs told; the first ones are waited for until `deadline`, of time.monotonic."""
        if self._program is None:
            return Found(outcomes={"lctl": MISSING, "sudo": NOT_NEEDED})
        output = self._lctl.last(_left(deadline))
        params, told = _told(output)
        if told == STATISTICS or self._sudo_program is None:
            sudo = NOT_NEEDED if told == STATISTICS else MISSING
            return Found(params, {"lctl": told, "sudo": sudo}, age=_age(output if params else None))
        above = self._sudo.last(_left(deadline))
        more, sudo_told = _told(above)
        used = above if more else output if params else None
        return Found({**params, **more}, {"lctl": told, "sudo": sudo_told}, age=_age(used))

    def lnet(self, deadline: float) -> dict[str, str]:
        """Return LNet's statistics as lnetctl tells them; empty where it does not."""
        output = None if self._lnetctl_program is None else self._lnetctl.last(_left(deadline))
        return {} if output is None or output.error else {LNET_STATS: output.text}

    def _ask_lnetctl(self) -> Output:
        return run([self._lnetctl_program or "lnetctl", "stats", "show"], self._environment, _COMMAND_TIMEOUT)

    def _ask(self) -> Output:
        return run([self._program or "lctl", "get_param", *PATTERNS], self._environment, _COMMAND_TIMEOUT)

    def _ask_sudo(self) -> Output:
        if self._refused is not None and time.monotonic() - self._refused.finished < _SUDO_AGAIN:
            return self._refused
        argv = [self._sudo_program or "sudo", "-n", self._program or "lctl", "get_param", *PATTERNS]
        output = run(argv, self._environment, _COMMAND_TIMEOUT)
        self._refused = None if parse_get_param(output.text) else output
        return output


def _told(output: Output | None) -> tuple[dict[str, str], str]:
    """Return the parameters in a program's output, and the outcome. lctl fails where one of many is missing."""
    if output is None:
        return {}, TIMEOUT
    params = {} if output.timed_out else parse_get_param(output.text)
    if params or not output.error:
        return params, _worth(params)
    if output.timed_out:
        return {}, TIMEOUT
    if output.missing:
        return {}, MISSING
    if any(word in output.error for word in _REFUSALS):
        return {}, REFUSED
    return {}, EMPTY if "No such file" in output.error else ERROR


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _age(output: Output | None) -> float | None:
    return None if output is None else time.monotonic() - output.finished
