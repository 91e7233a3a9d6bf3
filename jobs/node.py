"""What a node is: asked on the node itself, by `python -m jobs.node PORTS ADDRESS` where that is not the head."""

import argparse
import json
import os
import platform
import random
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs import scratch

PORTS = range(20_000, 32_000)
"""Below Linux's ephemeral ports (32768 and up), so that an outgoing connection does not take one."""


class PortError(Exception):
    """A port cannot be had; the text says which and the mend."""


def free_ports(count: int, address: str) -> list[int]:
    """Return `count` different ports that nothing listens on at `address`, chosen at random. Raises PortError."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        if available(port, address):
            found.append(port)
    if len(found) < count:
        raise PortError(f"{address} has no {count} free ports in {PORTS.start}-{PORTS.stop}")
    return found


def available(port: int, address: str) -> bool:
    """Tell whether `port` can be bound at `address` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # servers set it too: TIME_WAIT is no obstacle
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def facts() -> dict[str, Any]:
    """Return what a reader of the recording must know of this node. Sizes in bytes, `time` in UTC seconds."""
    return {
        "host": platform.node(),
        "kernel": platform.release(),
        "os": _os_name(),
        "cpu": next(_cpu_models(), platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": len(list(Path("/proc/driver/nvidia/gpus").glob("*"))),  # NVIDIA's driver, where there is one
        "time": time.time(),
    }


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpu_models() -> Iterator[str]:
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith("model name"):
            yield line.partition(":")[2].strip()


def main(argv: list[str]) -> int:
    """Answer on standard output; what dead runs left in the places of --clear goes, before a run counts on them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("ports", type=int)
    parser.add_argument("address")
    parser.add_argument("--clear", type=json.loads, default=[])
    parser.add_argument("--scratch", type=Path)
    options = parser.parse_args(argv)
    answer = {**facts(), "ports": free_ports(options.ports, options.address)}
    if cleared := scratch.clear(scratch.places(options.clear)):
        answer["cleared"] = cleared
    if options.scratch is not None and not os.access(options.scratch, os.W_OK | os.X_OK):
        answer["no_scratch"] = str(options.scratch)
    print(json.dumps(answer))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
