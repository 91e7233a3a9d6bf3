"""One clock for a load: monotonic inside, UTC outside, tied together once."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Turns times of the event loop (monotonic seconds) into UTC nanoseconds by one anchor.

    The anchor is now, or one that another process gave: then all have one clock, whatever their nodes' say.
    """

    def __init__(self, anchor: tuple[float, int] | None = None) -> None:
        self._monotonic, self._utc = anchor or (time.monotonic(), time.time_ns())

    def utc_ns(self, monotonic: float) -> int:
        """Return the UTC time in ns of a monotonic time in seconds."""
        return self._utc + round((monotonic - self._monotonic) * 1e9)

    def utc(self, monotonic: float) -> datetime:
        """Return the same cut to microseconds, so that what began with a phase did not begin before it."""
        return _EPOCH + timedelta(microseconds=self.utc_ns(monotonic) // 1000)

    def step(self) -> float:
        """Return by how many seconds the system's UTC clock has moved against ours since the anchor."""
        return (time.time_ns() - self.utc_ns(time.monotonic())) / 1e9

    def monotonic(self, utc_ns: int) -> float:
        """Return the monotonic time in seconds of a UTC time in ns."""
        return self._monotonic + (utc_ns - self._utc) / 1e9
