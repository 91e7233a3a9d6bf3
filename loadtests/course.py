"""The steps that every load process takes, whether it carries a whole load or a share of one."""

import asyncio
import contextlib
import gc
import resource
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import prometheus_client

from loadtests.generators.base import Verifies
from loadtests.outcome import RequestFailed, SetupError
from loadtests.records import Recorder

T = TypeVar("T")

_REFRESH = 0.5
_VERIFY_WITHIN = 60.0


class Runs(Protocol):
    """What carries the phases out."""

    async def run(self) -> None:
        """Run all phases."""
        ...


def ready_process() -> None:
    """Make this process fit to send at the right time."""
    # Threads write records and metrics beside the event loop; it must not wait 5 ms for its turn each time.
    sys.setswitchinterval(0.0001)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it untyped
    # An open loop has as many requests open as the service is slow.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def or_end(work: Coroutine[None, None, T], end: asyncio.Event) -> T | None:
    """Await `work`, or give it up when we are asked to end."""
    task, ended = asyncio.create_task(work), asyncio.create_task(end.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


async def set_up(step: Callable[[], Awaitable[T]]) -> T:
    """Take a step of the set-up; whatever goes wrong with it is a SetupError."""
    try:
        done = await step()
    except SetupError:
        raise
    except Exception as error:
        traceback.print_exception(error)
        raise SetupError(f"the set-up failed: {type(error).__name__}: {error}") from error
    # What is there now stays: looking through all of it for garbage would hold requests up by some 50 ms.
    gc.collect()
    gc.freeze()
    return done


async def advance(engine: Runs, recorder: Recorder, tell: Callable[[], Awaitable[None]]) -> None:
    """Run the phases, with records and progress (by `tell`) written beside them. Raises OSError (the disk is full)."""
    over = asyncio.Event()

    async def refresh() -> None:
        while not over.is_set():
            await tell()
            await asyncio.to_thread(recorder.flush)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _REFRESH)

    ticker = asyncio.create_task(refresh())
    work = asyncio.create_task(engine.run())
    await asyncio.wait({ticker, work}, return_when=asyncio.FIRST_COMPLETED)
    over.set()  # not cancelled: a thread that still writes would put an older state over the last one
    work.cancel()
    for ended in await asyncio.gather(ticker, work, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    recorder.close()


async def verify(
    generator: object, end: asyncio.Event, told: Sequence[Mapping[str, Any]] | None = None
) -> tuple[dict[str, Any], str | None]:
    """Let a generator that can check its target's state (see `Verifies`) do so; returns notes and what is wrong.

    `told`: what the generators of all processes told; None where there is one.
    """
    if isinstance(generator, Verifies) and not end.is_set():
        try:
            async with asyncio.timeout(_VERIFY_WITHIN):
                return {"verified": await or_end(_verified(generator, told), end)}, None
        except RequestFailed as failure:
            say(f"the target's state is wrong: {failure}")
            return {}, str(failure)
        except TimeoutError:
            return {"verified": f"not within {_VERIFY_WITHIN:g} s"}, None
    return {}, None


async def _verified(generator: Verifies, told: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    return await generator.verify([generator.tell()] if told is None else told)


def say(text: str) -> None:
    """Tell the load's log."""
    print(f"load: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the load's log
