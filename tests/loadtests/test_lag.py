"""What the client waits for by itself: its event loop, and a CPU."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from loadtests.lag import LagProbe, cpu_waited

_BURN = "import time\nuntil = time.monotonic() + 0.6\nwhile time.monotonic() < until: pass\n"
_TELL = (
    "import os\nos.sched_setaffinity(0, {CORE})\n"
    + _BURN
    + ("from loadtests.lag import cpu_waited\nprint(cpu_waited(), time.process_time())\n")
)


@pytest.mark.real
@pytest.mark.timing
def test_waiting_for_a_cpu_is_seen():
    """Two that share a core wait for it in turn: what one did not use of the time it waited for."""
    if cpu_waited() is None:
        pytest.skip("this kernel tells no run-queue delay (/proc/self/schedstat)")
    script = _TELL.replace("CORE", str(min(os.sched_getaffinity(0))))
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for child in both:
        out, _ = child.communicate(timeout=30)
        waited, used = map(float, out.split())
        assert waited > 0.1
        assert waited + used > 0.55


def test_a_kernel_that_does_not_tell(monkeypatch, tmp_path):
    """Without the file nobody knows."""
    monkeypatch.setattr("loadtests.lag._SCHEDULED", tmp_path / "schedstat")
    assert cpu_waited() is None
    (tmp_path / "schedstat").write_text("12 3000000000 4\n")
    assert cpu_waited() == 3.0


async def test_the_worst_since_it_was_asked():
    """The probe tells the longest delay, once."""
    probe = LagProbe()
    task = asyncio.create_task(probe.run())
    await asyncio.sleep(0.06)
    time.sleep(0.15)  # noqa: ASYNC251 - what is measured
    await asyncio.sleep(0.06)
    assert probe.take() > 0.09
    assert probe.take() < 0.09
    task.cancel()
