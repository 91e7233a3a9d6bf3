"""A timer finer than an event loop's: asyncio's and uvloop's count whole milliseconds, a timerfd nanoseconds."""

import asyncio
import contextlib
import ctypes
import os
import time

_TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = os.O_NONBLOCK, os.O_CLOEXEC, 1  # timerfd_create(2)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


_LIBC = ctypes.CDLL(None, use_errno=True)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


class Timer:
    """Wakes one waiter at a time of `time.monotonic`, before that when it is told to, or cancelled for good."""

    def __init__(self) -> None:
        self._descriptor: int = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._descriptor < 0:
            raise _error()
        self._waiter: asyncio.Future[None] | None = None
        self._cancelled = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._fire)

    async def until(self, due: float) -> None:
        """Return at `due` (seconds of `time.monotonic`), at once if it is past, or when woken or cancelled.

        Gives way to other tasks in any case, so that a caller that is late does not keep them from their work.
        """
        left = due - time.monotonic()
        if left <= 0 or self._cancelled:
            await asyncio.sleep(0)
            return
        value = _TimeSpec(*divmod(round(due * 1e9), 10**9))
        setting = ctypes.byref(_TimerSpec(_TimeSpec(), value))
        if _LIBC.timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, setting, None) < 0:
            raise _error()
        self._waiter = self._loop.create_future()
        await self._waiter

    def cancel(self) -> None:
        """Wake the waiter now, and let nobody wait any more."""
        self._cancelled = True
        self.wake()

    def close(self) -> None:
        """Give the descriptor back."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _fire(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)
            self.wake()

    def wake(self) -> None:
        """Wake the waiter now: what it waits for may have changed."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
