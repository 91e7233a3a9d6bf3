"""A service that does nothing: `python -m benchmarks.exporters.tree PROCESSES THREADS`, threads of each process.

It says `ready` when all are there, and they end when its standard input does: with whoever started it, however.
"""

import os
import sys
import threading


def run(processes: int, threads: int) -> None:
    """Be the first of `processes`; the others are its children."""
    for _ in range(processes - 1):
        if os.fork() == 0:
            _wait(threads)
    if threads > 1:
        _start(threads - 1)
    os.write(1, b"ready\n")
    os.read(0, 1)
    for _ in range(processes - 1):
        os.wait()  # whoever waits for this one finds none of them left


def _wait(threads: int) -> None:
    os.close(1)
    if threads > 1:
        _start(threads - 1)
    os.read(0, 1)
    os._exit(0)


def _start(threads: int) -> None:
    end = threading.Event()
    for _ in range(threads):
        threading.Thread(target=end.wait, daemon=True).start()


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
