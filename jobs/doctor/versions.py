"""Whether a program is there, and which release: the line that many checks begin with."""

import re
import shutil
from collections.abc import Sequence

from jobs.doctor.base import Line, ask

_NUMBER = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)?(?:[-+.][0-9A-Za-z.]+)?)")


def program(
    names: Sequence[str],
    *,
    loses: str = "",
    mend: str = "",
    needed: bool = False,
    options: Sequence[str] = ("--version",),
) -> Line:
    """Look for the first of `names` on PATH and ask its version.

    What is missing and not `needed` is `degraded` where something is lost by it (`loses`).
    """
    found = next((path for name in names if (path := shutil.which(name))), None)
    what = names[0]
    if found is None:
        absent = f"no {' or '.join(names)} on PATH"
        if needed or not loses:
            return Line(what, "missing", absent, mend, needed=needed)
        return Line(what, "degraded", f"{absent}: {loses}", mend)
    answer = ask([found, *options], 15.0)
    if answer.code is None:
        return Line(what, "missing" if needed else "degraded", f"{found}: {answer.reason}", mend, needed=needed)
    match = _NUMBER.search(answer.text)
    return Line(what, "ok", f"{match[1] if match else 'of a release that it does not tell'} ({found})")
