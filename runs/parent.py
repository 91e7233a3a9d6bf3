"""Being told by the kernel that the process which started us is gone."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
"""prctl(2)"""


def follow(parent: int, number: int = signal.SIGTERM) -> None:
    """Get a signal when `parent`, the process that started this one, is gone; also what this one becomes by exec."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked
        os.kill(os.getpid(), number)
