"""The timer that a schedule is kept with."""

import asyncio
import time

import numpy as np
import pytest
import uvloop

from loadtests.lag import LagProbe
from loadtests.timer import Timer

pytestmark = pytest.mark.timing


def test_it_wakes_when_it_is_due():
    """It wakes within a fraction of a millisecond, never before its time, where asyncio counts whole milliseconds."""

    async def work():
        timer, late = Timer(), []
        for step in range(1, 101):
            due = begin + step * 0.0037
            await timer.until(due)
            late.append(time.monotonic() - due)
        timer.close()
        return late

    begin = time.monotonic()
    late = uvloop.run(work())
    assert min(late) >= 0
    assert np.median(late) < 0.001


@pytest.mark.parametrize("fraction", [0.0, 0.4999999999, 0.9999999996, 0.99999999999])
def test_every_fraction_of_a_second_is_a_time(fraction):
    """A due time a hair below a full second is not lost in rounding: the timer would sleep for ever."""

    async def work():
        timer = Timer()
        await asyncio.wait_for(timer.until(int(time.monotonic()) + 1 + fraction), 5)
        timer.close()

    uvloop.run(work())


def test_cancelled_it_waits_no_more():
    """Cancelled, it wakes who waits, and lets nobody wait again."""

    async def work():
        timer = Timer()
        waiter = asyncio.create_task(timer.until(time.monotonic() + 60))
        await asyncio.sleep(0)
        timer.cancel()
        await asyncio.wait_for(waiter, 1)
        await asyncio.wait_for(timer.until(time.monotonic() + 60), 1)
        timer.close()

    uvloop.run(work())


def test_a_held_up_loop_is_noticed():
    """The probe sees a loop that was held up, for a second; what it saw since it was asked is asked once."""

    async def work():
        probe = LagProbe()
        task = asyncio.create_task(probe.run())
        await asyncio.sleep(0.06)
        time.sleep(0.2)  # noqa: ASYNC251 - the fault that this test is about
        await asyncio.sleep(0.06)
        seen = probe.recent(), probe.take(), probe.take()
        task.cancel()
        return seen

    recent, taken, again = uvloop.run(work())
    assert 0.1 < recent == taken < 1
    assert again < 0.1
