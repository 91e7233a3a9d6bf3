"""Run `weed server` and leave nothing of it behind: `python -m jobs.services.seaweedfs_server HOME FILE -- WEED ...`.

HOME is made, with FILE in it as weed's security.toml. weed makes sockets in /tmp, named by its gRPC ports, wherever
TMPDIR points, and removes none of them when it is killed. And killed it is: after SIGTERM it waits 15 s for streams
between its own parts, whose data end with the run.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

GRACE = 1.0
"""Seconds that weed gets to end by itself."""
_PARTS = ("master", "volume", "filer", "s3")


def main(argv: list[str]) -> int:
    """Run weed until it ends, or until SIGTERM; returns its exit code."""
    home, security, _, *command = argv
    place = Path(home)
    (place / "data").mkdir(mode=0o700, parents=True)
    (place / ".seaweedfs").mkdir(mode=0o700)
    shutil.copy(security, place / ".seaweedfs" / "security.toml")  # with its mode, 0600
    child = subprocess.Popen(command, env={**os.environ, "HOME": home}, cwd=place)

    def end(_number: int, _frame: FrameType | None) -> None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        child.kill()

    signal.signal(signal.SIGTERM, end)
    try:
        return child.wait()
    finally:
        for socket in sockets(command):
            socket.unlink(missing_ok=True)


def sockets(command: list[str]) -> list[Path]:
    """Return the sockets that weed makes for its gRPC ports."""
    words = dict(word.lstrip("-").partition("=")[::2] for word in command)
    ports = {part: words.get(f"{part}.port.grpc") for part in _PARTS}
    return [Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock") for part, port in ports.items() if port]  # noqa: S108 - weed's


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
