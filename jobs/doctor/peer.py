"""The other end of the look between nodes: `python -m jobs.doctor.peer ADDRESS FOLDER`, on another node.

It writes the port that it listens on into FOLDER (which is shared) under its node's name, and tells the time to who
knows the secret that lies there. It ends by itself.
"""

import signal
import socket
import sys
import time
from pathlib import Path

from runs import atomic

SECRET = "secret"  # noqa: S105 - a file's name
LIFE = 30
"""Seconds."""


def main(argv: list[str]) -> int:
    """Answer one connection."""
    signal.alarm(LIFE)
    folder = Path(argv[1])
    secret = (folder / SECRET).read_bytes()
    with socket.create_server((argv[0], 0)) as server:
        atomic.write(folder / f"{socket.gethostname()}.port", str(server.getsockname()[1]))
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb", buffering=0) as stream:
                connection.settimeout(5.0)
                if stream.readline(200).rstrip(b"\n") != secret:
                    continue
                while stream.readline(10):
                    stream.write(f"{time.time():.6f}\n".encode())
                return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
