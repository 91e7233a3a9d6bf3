"""This Python, and the modules that a run imports."""

import importlib.metadata
import os
import sys
from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line

_SHARED_BY = "a job's nodes must see this environment at the same path"


def _look(context: Context) -> Iterable[Line]:
    version = sys.version.split()[0]
    yield Line("dashcam", "ok", f"{importlib.metadata.version('dashcam')}, Python {version} ({sys.executable})")
    if context.where == "login" and sys.prefix.startswith(("/tmp/", "/dev/shm/", "/run/", "/var/tmp/")):  # noqa: S108
        mend = "install it below your home or project directory"
        yield Line("environment", "missing", f"{sys.prefix} is on this machine only: {_SHARED_BY}", mend, needed=True)
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        yield Line("cores", "degraded", "one core: load, service and Prometheus take it from one another")
    else:
        yield Line("cores", "ok", f"{cores} may be used")


CHECK = Check("python", "programs", _look, order=0)
