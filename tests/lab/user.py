"""The ordinary user that jobs belong to, and how a command is run as that user on the login node."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.config import Settings
from tests.lab.install import SYSTEM_PATH, program

NAME = "benchuser"


def ensure_user(name: str = NAME) -> pwd.struct_passwd:
    """Find the user in the machine's user list, and create it if there is none of that name."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        argv = [program("useradd"), "--create-home", "--shell", "/bin/bash", name]
        subprocess.run(argv, check=True, capture_output=True)
        return pwd.getpwnam(name)


def environment(lab: Settings, user: pwd.struct_passwd, extra: Mapping[str, str]) -> dict[str, str]:
    """Give the clean environment of a login shell, and what is given on top."""
    return {
        "PATH": SYSTEM_PATH,
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "LANG": "C.UTF-8",
        "SLURM_CONF": str(lab.slurm_conf),
        **extra,
    }


def command(user: pwd.struct_passwd, argv: Sequence[str], cwd: Path, login_pid: int) -> list[str]:
    """Give the command line that runs argv as the user, without groups or capabilities, on the login node."""
    return [
        *(program("nsenter"), "--target", str(login_pid), "--uts", "--mount"),
        *(program("setpriv"), "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"),
        *("--inh-caps", "-all", "--no-new-privs", "env", "-C", str(cwd), "--", *argv),
    ]


def hand_over(path: Path, user: pwd.struct_passwd) -> Path:
    """Give a file or folder to the user."""
    os.chown(path, user.pw_uid, user.pw_gid)
    return path
