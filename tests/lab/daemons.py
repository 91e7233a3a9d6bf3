"""Starting and stopping daemons: each in the foreground of its own session, known by its pid, with its own log."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.lab.config import LOGIN, NODES, Settings, address
from tests.lab.errors import LabError, poll
from tests.lab.install import SYSTEM_PATH, program

# $0 is the host's name, $1 its hosts file; the rest is the daemon. Everything execs: the pid stays the same.
_INTO_NODE = 'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"'


@dataclass
class Daemon:
    """A program that runs until it is stopped."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise LabError with the end of the log if the daemon has ended."""
        if self.process.poll() is not None:
            raise LabError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 25) -> str:
        """Give the last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"  {self.name}: {line}" for line in text.splitlines()[-lines:])

    def stop(self, timeout: float = 10) -> None:
        """Ask with TERM, insist with KILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_ports(wanted: dict[str, str]) -> dict[str, int]:
    """Find a free TCP port for each name, on the address given for it."""
    with ExitStack() as stack:
        ports = {}
        for name, host in wanted.items():
            sock = stack.enter_context(socket.socket())
            sock.bind((host, 0))
            ports[name] = int(sock.getsockname()[1])
        return ports


def lab_ports() -> dict[str, int]:
    """Find a free port for slurmctld (under the login node's name) and for each node's slurmd."""
    return free_ports({host: address(host) for host in (LOGIN, *NODES)})


def _spawn(lab: Settings, name: str, argv: list[str]) -> Daemon:
    """Start a program that dies with this process, logging into the lab's folder."""
    log = lab.root / "log" / f"{name}.log"
    env = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "SLURM_CONF": str(lab.slurm_conf)}
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=lab.root, start_new_session=True
        )
    return Daemon(name, process, log)


def _on_host(lab: Settings, host: str, argv: list[str]) -> list[str]:
    """Give the command that runs a daemon as if on another machine: own host name, own /etc/hosts."""
    return [
        *(program("unshare"), "--uts", "--mount", "--propagation", "slave", "--"),
        *("/bin/sh", "-c", _INTO_NODE, host, str(lab.hosts)),
        *(program("setpriv"), "--pdeathsig", "TERM", *argv),
    ]


def start_munged(lab: Settings) -> Daemon:
    """Start the lab's own munged, as munge's user, with a key of its own."""
    user = pwd.getpwnam("munge")
    folder = lab.munge_socket.parent
    folder.mkdir(mode=0o755)
    key = folder / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for path in (folder, key):
        shutil.chown(path, user.pw_uid, user.pw_gid)
    argv = [
        *(program("setpriv"), "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"),
        *("--pdeathsig", "TERM", program("munged"), "--foreground", "--num-threads", "4"),
        *("--key-file", str(key), "--socket", str(lab.munge_socket), "--pid-file", str(folder / "pid")),
        *("--log-file", str(folder / "log"), "--seed-file", str(folder / "seed")),
    ]
    return _spawn(lab, "munged", argv)


def start_controller(lab: Settings) -> Daemon:
    """Start slurmctld on the login node."""
    return _spawn(lab, "slurmctld", _on_host(lab, LOGIN, [program("slurmctld"), "-D", "-f", str(lab.slurm_conf)]))


def start_node(lab: Settings, node: str, *, rebooted: bool = False) -> Daemon:
    """Start slurmd on a node; `rebooted`: it tells Slurm that the node was, so that nothing of before still runs."""
    argv = [program("slurmd"), "-D", "-N", node, "-f", str(lab.slurm_conf), *(["-b"] if rebooted else [])]
    return _spawn(lab, f"slurmd.{node}", _on_host(lab, node, argv))


def wait_listening(daemon: Daemon, host: str, port: int, timeout: float) -> None:
    """Wait until a daemon accepts connections."""

    def listening() -> bool:
        daemon.check()
        with socket.socket() as sock:
            sock.settimeout(1)
            return sock.connect_ex((host, port)) == 0

    poll(listening, timeout, lambda: f"{daemon.name} does not listen on {host}:{port}\n{daemon.tail()}")


def wait_munged(daemon: Daemon, lab: Settings, timeout: float) -> None:
    """Wait until munged's socket is there."""

    def ready() -> bool:
        daemon.check()
        return lab.munge_socket.exists()

    poll(ready, timeout, lambda: f"munged made no socket\n{daemon.tail()}", every=0.01)
