"""LoadGen's query samples, as requests of a generator: what a sample holds is what the request of its index holds."""

import array
import contextlib
from collections.abc import Callable
from typing import Any

from loadtests.generators.base import Generator
from loadtests.outcome import Outcome


class _Watched(Outcome):
    """An outcome that tells when the first token is there."""

    told: Callable[[], None] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "first_token" and value is not None and self.told is not None:
            told, self.told = self.told, None
            told()


class Samples:
    """Stands in front of a generator. Requests that belong to no sample (a warm-up) go through as they are.

    LoadGen knows no failure: a sample that failed is complete too, and the records tell what became of it.
    """

    def __init__(self, generator: Generator, module: Any, *, tokens: bool) -> None:
        self._generator, self._module, self._tokens = generator, module, tokens
        self._held: dict[int, tuple[int, int]] = {}

    def hold(self, number: int, sample: tuple[int, int]) -> None:
        """Say that request `number` is that of a sample: LoadGen's (id, index)."""
        self._held[number] = sample

    async def setup(self) -> dict[str, Any]:
        """See `Generator`."""
        return await self._generator.setup()

    async def attach(self) -> None:
        """See `Generator`."""
        await self._generator.attach()

    async def close(self) -> None:
        """See `Generator`."""
        await self._generator.close()

    async def request(self, number: int, outcome: Outcome) -> None:
        """Send what the sample holds, and tell LoadGen of its first token and of its end."""
        sample = self._held.pop(number, None)
        if sample is None:
            await self._generator.request(number, outcome)
            return
        identity, index = sample
        watched = _Watched(on_sent=outcome.on_sent)
        if self._tokens:
            watched.told = lambda: self._first(identity)
        try:
            await self._generator.request(index, watched)
        finally:
            told, watched.told = watched.told, None
            if told is not None:
                told()  # no token came: LoadGen wants to hear of one all the same
            vars(outcome).update({name: value for name, value in vars(watched).items() if name != "told"})
            self._complete(identity, watched.tokens_out or 0)

    def _first(self, identity: int) -> None:
        data = array.array("B", b"t")
        self._module.FirstTokenComplete([self._module.QuerySampleResponse(identity, data.buffer_info()[0], 1)])

    def _complete(self, identity: int, tokens: int) -> None:
        more = (tokens,) if self._tokens else ()
        with contextlib.suppress(RuntimeError):
            self._module.QuerySamplesComplete([self._module.QuerySampleResponse(identity, 0, 0, *more)])
