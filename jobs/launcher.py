"""Flags of srun for a step beside a running job: a launcher that refuses some is asked again without them."""

import re
from collections.abc import Callable
from typing import TypeVar

from runs.site import Launcher

T = TypeVar("T")

_REFUSAL = re.compile(
    r"unrecogni[sz]ed option|unknown option|invalid|not supported|unsupported|illegal|not allowed", re.IGNORECASE
)


def settle(
    launcher: Launcher, attempt: Callable[[tuple[str, ...]], T], error: type[Exception]
) -> tuple[tuple[str, ...], T]:
    """Call `attempt` with the launcher's flags, less what is refused; returns the flags that did, and its answer.

    `attempt` raises `error` with srun's words. Raises the first such error where no flag is to blame, or no more of
    them may go.
    """
    flags, first = launcher.step, None
    while True:
        try:
            return flags, attempt(flags)
        except error as refused:
            first = first or refused
            guilty = _guilty(str(refused), flags, launcher)
            if guilty is None:
                raise first from None
            flags = tuple(flag for flag in flags if flag != guilty)


def _guilty(words: str, flags: tuple[str, ...], launcher: Launcher) -> str | None:
    """Return the flag that srun's words name, else the next that may go; None: they are about something else."""
    if not _REFUSAL.search(words):
        return None
    left = [flag for flag in launcher.may_drop if flag in flags]
    named = next((flag for flag in left if re.search(rf"{re.escape(flag.partition('=')[0])}(?![a-z-])", words)), None)
    return named or next(iter(left), None)
