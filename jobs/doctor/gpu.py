"""GPUs: what NVIDIA's driver shows, and whether DCGM's profiling figures may be read."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.doctor.base import Check, Context, Line, ask

_DRIVER = Path("/proc/driver/nvidia")
_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
_PROF = "1001,1004"
"""DCGM_FI_PROF_GR_ENGINE_ACTIVE and DCGM_FI_PROF_PIPE_TENSOR_ACTIVE (dcgm_fields.h)."""
_LOST = "no DCGM_FI_PROF_*: tensor, DRAM and PCIe activity are lost, utilisation, memory and power are not"


def _look(context: Context) -> Iterable[Line]:
    asked = context.recipe.allocation.gpus_per_node if context.recipe is not None else 0
    wanted = bool(asked) or context.watched("gpu")
    needed = bool(asked) and context.where != "login"
    if shutil.which("nvidia-smi") is None:
        text = "no nvidia-smi on PATH"
        if wanted and context.where == "login":
            yield Line("GPUs", "ok", f"{text} of this login node (to be checked in a job)")
        elif wanted:
            mend = "ask for nodes with GPUs" if asked else "leave `gpu` out of watch.exporters"
            yield Line("GPUs", "missing" if needed else "degraded", f"{text}: no GPU series", mend, needed=needed)
        return
    answer = ask(["nvidia-smi", *_QUERY], 15.0)
    devices = [line.strip() for line in answer.out.splitlines() if line.strip()]
    if answer.code != 0 or not devices:
        yield Line("GPUs", "missing" if wanted else "degraded", answer.reason, "ask the site", needed=needed)
        return
    text = f"{len(devices)} x {devices[0]}"
    if needed and len(devices) < asked:
        yield Line("GPUs", "missing", f"{text}; the recipe asks {asked} a node", "was the job given them?", needed=True)
    else:
        yield Line("GPUs", "ok", text)
    yield from _profiling()


def _profiling() -> Iterator[Line]:
    what = "DCGM profiling"
    if shutil.which("dcgmi") is not None:
        answer = ask(["dcgmi", "dmon", "-e", _PROF, "-c", "1"], 15.0)
        if answer.code == 0 and "N/A" not in answer.out:
            yield Line(what, "ok", "dcgmi reads DCGM_FI_PROF_* from the node's host engine")
            return
        yield Line(what, "degraded", f"dcgmi says: {answer.reason}; {_LOST}")
        return
    try:
        params = (_DRIVER / "params").read_text(errors="replace")
    except OSError:
        params = ""
    only = next((line.split(":")[1].strip() for line in params.splitlines() if "RmProfilingAdminOnly" in line), None)
    if only == "1":
        yield Line(what, "degraded", f"the driver keeps profiling for root (RmProfilingAdminOnly is 1): {_LOST}")
    else:
        why = "no dcgmi on PATH to ask" + ("; the driver does not forbid profiling" if only == "0" else "")
        yield Line(what, "degraded", f"{why}; without DCGM {_LOST}")


CHECK = Check("GPUs", "node", _look, within=35.0, order=0)
