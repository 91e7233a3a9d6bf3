"""One request from its intended time to its record, whatever becomes of it."""

import asyncio
import sys
import time
import traceback
from collections.abc import Callable

from loadtests.account import Account
from loadtests.generators.base import Generator
from loadtests.metrics import Metrics
from loadtests.outcome import Outcome, RequestFailed
from loadtests.records import Recorder, row
from loadtests.share import Share
from loadtests.tally import Tally

OnEnd = Callable[[Tally, float, Outcome], None]
"""Takes the phase of a request that ended, its intended time, and its outcome, in which `done` is set."""


class Sender:
    """Gives numbers, sends by a generator, counts and records. `timeout`: seconds that a request may take."""

    on_end: OnEnd | None = None

    def __init__(
        self,
        generator: Generator,
        recorder: Recorder,
        metrics: Metrics,
        account: Account,
        *,
        share: Share,
        timeout: float,
    ) -> None:
        self._generator, self._recorder, self._metrics, self._account = generator, recorder, metrics, account
        self._timeout = timeout
        self._step = share.shards
        self._told = False
        self.next = share.shard
        """The number of the request that is sent next."""

    async def send(self, tally: Tally, intended: float, user: int | None) -> None:
        """Send one request of a phase. Raises CancelledError, and nothing else."""
        number, self.next = self.next, self.next + self._step
        series = self._metrics.phases[tally.phase.name]
        self._account.begin(tally, intended)
        series.intend()

        def left(moment: float) -> None:
            lag = max(0.0, moment - intended)
            tally.sent += 1
            tally.lags.add(lag)
            series.leave(lag)

        outcome = Outcome(on_sent=left)
        cancelled = False
        try:
            async with asyncio.timeout(self._timeout):
                await self._generator.request(number, outcome)
            outcome.ok = True
        except RequestFailed as failure:
            outcome.error = failure.kind
            self._tell(failure)
        except TimeoutError:
            outcome.error = "timeout"
        except asyncio.CancelledError:
            outcome.error, cancelled = "drained", True
        except Exception as error:  # noqa: BLE001 - a fault of a generator is a failed request, not the end of the run
            outcome.error = "client_error"
            self._tell(error)
        if outcome.done is None:
            outcome.done = time.monotonic()
        self._account.end(tally, intended, outcome.done, outcome)
        series.end(intended, outcome)
        utc_ns, name = self._account.clock.utc_ns, tally.phase.name
        self._recorder.add(row(utc_ns, number=number, phase=name, user=user, intended=intended, outcome=outcome))
        if self.on_end is not None:
            self.on_end(tally, intended, outcome)
        if cancelled:  # a user who was cancelled does not begin another request
            raise asyncio.CancelledError

    def _tell(self, error: Exception) -> None:
        """Print the first failure in full: one is enough to know what it is about."""
        if not self._told:
            self._told = True
            if isinstance(error, RequestFailed):
                print(f"first failed request: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the load's log
            else:
                traceback.print_exception(error)
