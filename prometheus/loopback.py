"""Programs that a command starts beside itself, on loopback: a port for them, and their end."""

import socket
import subprocess

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: "subprocess.Popen[bytes]", within: float) -> None:
    """Ask a program to end, make it end after `within` seconds, wait until it is gone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
