"""Being told by the kernel that the process which started us is gone."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
"""prctl(2)"""


def follow(parent: int) -> None:
    """Get SIGTERM when `parent`, the process that started this one, is gone."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked
        os.kill(os.getpid(), signal.SIGTERM)
