"""Waits until something listens: `python -m jobs.services.await_port HOST PORT SECONDS`; exit code 1: nothing did."""

import socket
import sys
import time

_PAUSE = 0.5


def listens(host: str, port: int, timeout: float = 2.0) -> bool:
    """Tell whether a TCP port takes connections."""
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def main(argv: list[str]) -> int:
    """See the module."""
    host, port, within = argv[0], int(argv[1]), float(argv[2])
    deadline = time.monotonic() + within
    while not listens(host, port):
        if time.monotonic() > deadline:
            print(f"nothing listens at {host}:{port} after {within:.0f} s", file=sys.stderr)  # noqa: T201 - for the log
            return 1
        time.sleep(_PAUSE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
