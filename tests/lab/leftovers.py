"""What a lab leaves when its Python process is killed: found by the next lab that starts, and taken away."""

import os
import shutil
import signal
from pathlib import Path

from tests.lab import queries
from tests.lab.errors import poll

HOME = Path("/tmp")  # noqa: S108  short: a socket's path ends at 107 bytes
PREFIX = "lab-"
_OWNER = "owner"


def own(root: Path) -> None:
    """Write down which process a lab belongs to."""
    (root / _OWNER).write_text(str(os.getpid()))


def kill_strays(root: Path) -> None:
    """Kill what still names a lab's slurm.conf in its environment, and wait until it is gone."""
    entry = f"SLURM_CONF={root}/slurm.conf".encode()

    def none_left() -> bool:
        left = queries.pids_with(entry)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not left

    poll(none_left, 10, f"processes of {root} cannot be killed")


def sweep() -> list[Path]:
    """Take away the labs in /tmp that root made and whose process is gone; say which."""
    found = [root for root in HOME.glob(f"{PREFIX}*") if _abandoned(root)]
    for root in found:
        kill_strays(root)
        shutil.rmtree(root, ignore_errors=True)
    if found:
        queries.remove_cgroups()
    return found


def _abandoned(root: Path) -> bool:
    """Whether the folder is a lab, root's, and nobody's."""
    try:
        if root.is_symlink() or root.stat().st_uid != 0:
            return False
        return not Path(f"/proc/{int((root / _OWNER).read_text())}").exists()
    except (OSError, ValueError):
        return False  # another program's folder, or a lab that is just being made
