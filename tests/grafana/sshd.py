"""A real sshd on loopback with keys of its own: a login host, or a node behind it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

PRIVILEGES = Path("/run/sshd")


def program() -> str:
    """Return sshd's path, which it insists on."""
    found = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None or shutil.which("ssh") is None:
        pytest.skip("no sshd: on Debian `apt-get install openssh-server openssh-client`")
    return found


def key(path: Path) -> Path:
    """Make a key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sshd:
    """One server; who has `user_key` is let in."""

    def __init__(self, folder: Path, user_key: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self.folder = folder
        self.host_key = key(folder / "host_key")
        if os.geteuid() == 0:
            PRIVILEGES.mkdir(mode=0o755, exist_ok=True)  # as the package's start script does
        (folder / "authorized_keys").write_text(user_key.with_suffix(".pub").read_text())
        self.config = folder / "sshd_config"
        self.config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.host_key}\nPidFile {folder}/pid\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nAllowTcpForwarding yes\nLogLevel VERBOSE\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Sshd":
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program(), "-D", "-e", "-f", str(self.config)], stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def logins(self) -> int:
        """How often somebody was let in."""
        return self.log.count("Accepted publickey")

    def sessions(self) -> list[int]:
        """Return the pids of its connections: children of the listener."""
        assert self.process is not None
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def drop(self) -> None:
        """Cut every connection, hard; who wants may come again."""
        for pid in self.sessions():
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop listening, and cut every connection."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)  # so that nobody comes in between
            self.drop()
            self.process.kill()
            self.process.wait()
            self.process = None

    def known_as(self, name: str) -> str:
        """Return a line of known_hosts."""
        return f"{name} {self.host_key.with_suffix('.pub').read_text()}"
