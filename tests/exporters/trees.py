"""Small /proc and /sys trees, as the kernel would write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FakeProcess:
    """A process of a made-up /proc. Times in ticks."""

    pid: int
    parent: int = 1
    start: int = 1000
    name: str = "prog"
    state: str = "S"
    user: int = 0
    system: int = 0
    children_user: int = 0
    children_system: int = 0
    faults: int = 0
    threads: int = 1
    virtual: int = 4096
    resident: int = 1
    environment: Mapping[str, str] | None = None
    io: tuple[int, int, int, int] | None = (0, 0, 0, 0)
    open_files: int = 3
    limit: str = "1024"
    switches: tuple[int, int] = (0, 0)

    def write(self, proc: Path) -> None:
        """Write the process's files below `proc`, over what is there."""
        path = proc / str(self.pid)
        (path / "fd").mkdir(parents=True, exist_ok=True)
        (path / "task" / str(self.pid)).mkdir(parents=True, exist_ok=True)
        (path / "stat").write_text(self.stat_line())
        environment = "".join(f"{name}={value}\0" for name, value in (self.environment or {}).items())
        (path / "environ").write_text(environment)
        if self.io is not None:
            names = ("rchar", "wchar", "read_bytes", "write_bytes")
            (path / "io").write_text("".join(f"{n}: {v}\n" for n, v in zip(names, self.io, strict=True)))
        for number in range(self.open_files):
            (path / "fd" / str(number)).touch()
        (path / "limits").write_text(
            "Limit                     Soft Limit           Hard Limit           Units     \n"
            f"Max open files            {self.limit:<20} 1048576              files     \n"
        )
        (path / "task" / str(self.pid) / "status").write_text(
            f"Name:\t{self.name}\nvoluntary_ctxt_switches:\t{self.switches[0]}\n"
            f"nonvoluntary_ctxt_switches:\t{self.switches[1]}\n"
        )

    def stat_line(self) -> str:
        """Return /proc/PID/stat, field by field as proc(5) lists them."""
        fields = [self.parent, self.pid, self.pid, 0, -1, 4194304, 100, 0, self.faults, 0]
        fields += [self.user, self.system, self.children_user, self.children_system, 20, 0, self.threads, 0]
        fields += [self.start, self.virtual, self.resident, 18446744073709551615, *([0] * 27)]
        return f"{self.pid} ({self.name}) {self.state} {' '.join(map(str, fields))}\n"


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write `files` by their paths below `folder`; returns `folder`."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
