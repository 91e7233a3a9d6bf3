"""`python -m loadtests.shards PLAN ADDRESS SHARDS FIRST [COUNT]`: shards of a load whose parent is at ADDRESS.

Without COUNT this process is shard FIRST. With it, it starts COUNT of them (on a node where the parent is not), and
stays until SIGTERM comes, or one of them fails. Exit codes: 0 done; 1 a shard failed or died; 2 no usable plan.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop
from pydantic import ValidationError

from loadtests.course import ready_process, say
from loadtests.plan import LoadPlan
from loadtests.shards import child
from loadtests.shards.start import Local
from loadtests.share import Share


def main(argv: Sequence[str]) -> int:
    """Be a shard, or start some."""
    try:
        path, address = Path(argv[0]), argv[1]
        shards, first, *count = map(int, argv[2:])
        plan = LoadPlan.model_validate_json(path.read_bytes())
    except (IndexError, OSError, ValueError, ValidationError) as error:
        say(f"no usable plan: {error}")
        return 2
    if count:
        return uvloop.run(_stay(Local(path, range(first, first + count[0]), shards), address, plan))
    ready_process()
    return uvloop.run(child.main(plan, Share(first, shards), address))


async def _stay(local: Local, address: str, plan: LoadPlan) -> int:
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await local.start(address)
    waiting, code = asyncio.create_task(asked.wait()), 0
    watching = asyncio.create_task(local.first_end())
    await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
    if asked.is_set():
        local.signal()
    elif (ended := watching.result())[1] != 0:
        say(f"process {ended[0]} ended with code {ended[1]}")
        code = 1
    await local.stop(plan.hurry + plan.load.drain + 1.0)
    if code == 0 and plan.linger:
        await waiting
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
