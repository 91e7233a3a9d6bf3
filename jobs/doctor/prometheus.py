"""Prometheus, without which there is no recording, and promtool."""

from collections.abc import Iterable

from jobs.doctor import boxes, versions
from jobs.doctor.base import Check, Context, Line

_MEND = "on Debian `apt-get install prometheus`, elsewhere put the release's binaries on PATH"


def _look(context: Context) -> Iterable[Line]:
    boxed = boxes.instead(context, "prometheus", "prometheus")
    yield boxed or versions.program(("prometheus",), mend=_MEND, needed=True)
    yield versions.program(("promtool",), loses="dashboards and rules are not checked by it", mend=_MEND)


CHECK = Check("prometheus", "programs", _look, vital=True, order=1)
