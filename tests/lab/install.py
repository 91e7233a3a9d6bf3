"""The Debian packages that the lab needs, put in place without starting their daemons."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.errors import LabError

PACKAGES = ("munge", "slurm-wlm", "slurmctld", "slurmd", "slurm-client")
PROGRAMS = (
    *("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel"),
    *("setpriv", "unshare", "nsenter", "mount", "hostname", "useradd"),
)
DAEMONS = frozenset({"munged", "slurmctld", "slurmd", "slurmdbd"})
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INSTALLER = Path(__file__).resolve().parents[2] / "tools" / "apt-install"


def program(name: str) -> str:
    """Find the full path of a program, looked for in the system's folders only."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise LabError(f"{name} is not installed: run `make test-packages` (or `python -m tests.lab install`)")
    return found


def missing_programs() -> list[str]:
    """Which of the programs that the lab starts are not on this machine."""
    return [name for name in PROGRAMS if shutil.which(name, path=SYSTEM_PATH) is None]


def check_machine() -> None:
    """Raise LabError with the one command to run where this machine cannot hold a lab."""
    if os.geteuid() != 0:
        raise LabError("the Slurm lab needs root: it makes nodes with `unshare`, and jobs run as another user")
    missing = missing_programs()
    if missing:
        raise LabError(f"{', '.join(missing)} not installed: run `make test-packages`")


def missing_packages() -> list[str]:
    """Which packages dpkg does not know as installed."""
    return [name for name in PACKAGES if not _installed(name)]


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f=${Status}", package]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.stdout.strip() == "install ok installed"


def running_daemons() -> dict[int, str]:
    """Find the Slurm and munge daemons alive on this machine, by pid."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = (entry / "comm").read_text().strip()
        except OSError:
            continue  # it ended meanwhile
        if name in DAEMONS:
            found[int(entry.name)] = name
    return found


def install() -> list[str]:
    """Install what is missing and say what was installed. Raises LabError if a daemon was started by it."""
    packages = missing_packages()
    if not packages:
        return []
    before = running_daemons()
    result = subprocess.run([str(_INSTALLER), *packages], check=False)
    if result.returncode:
        raise LabError(f"{_INSTALLER.name} {' '.join(packages)} ended with {result.returncode}: see its messages above")
    started = {pid: name for pid, name in running_daemons().items() if pid not in before}
    if started:
        names = ", ".join(f"{name} (pid {pid})" for pid, name in started.items())
        raise LabError(f"installing started {names}: stop them; /usr/sbin/policy-rc.d should `exit 101` meanwhile")
    return packages
