"""A --root that is this machine's /proc and /sys through links, so that made-up files can lie beside the real ones.

Each file opened through it costs the kernel one link more than at `/`: what is measured through it is measured a
little too high, never too low.
"""

from pathlib import Path

_PROC = ("self", "stat", "pressure")
_SYS = ("fs/cgroup", "dev")


def link_machine(root: Path) -> None:
    """Fill `root` with links to what the collectors read; of processes, those that are there now."""
    proc = root / "proc"
    proc.mkdir(parents=True)
    for entry in Path("/proc").iterdir():
        if entry.name in _PROC or entry.name.isdecimal():
            (proc / entry.name).symlink_to(entry)
    for name in _SYS:
        place = root / "sys" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if Path("/sys", name).exists():
            place.symlink_to(Path("/sys", name))
