"""Whether ssh leads to the job's own node: the encrypted way to Grafana needs it."""

import shutil
import socket
from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line, ask

_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ControlMaster=no", "-o", "ControlPath=none"),
    # Nothing is to be left in anybody's known_hosts.
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
)


def _look(context: Context) -> Iterable[Line]:
    if not context.job:
        return
    lost = "`dashcam watch --via jump` does not work; `--via forward` may"
    if shutil.which("ssh") is None:
        yield Line("ssh to the node", "degraded", f"no ssh on PATH: {lost}")
        return
    answer = ask(["ssh", *_OPTIONS, socket.gethostname(), "true"], 12.0)
    if answer.code == 0:
        yield Line("ssh to the node", "ok", "lets us in while the job goes")
    else:
        yield Line("ssh to the node", "degraded", f"{answer.reason}: {lost}")


CHECK = Check("ssh to the node", "node", _look, order=4)
