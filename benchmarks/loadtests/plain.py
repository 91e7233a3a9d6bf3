"""Our load process with one generator more: `python -m benchmarks.loadtests.plain PLAN.json`, generator `plain`.

It sends the same GET as k6 and wrk are told to, so that what differs is not what is asked for.
"""

import sys
from typing import Any

from loadtests import generators
from loadtests.generators.base import GeneratorKind
from loadtests.http import HttpClient
from loadtests.main import run
from loadtests.outcome import Outcome
from loadtests.plan import Target
from runs.recipe import Load, Strict


class Options(Strict):
    """There are none."""


class Plain:
    """See `loadtests.generators.base.Generator`."""

    def __init__(self, target: Target, _options: Options, _load: Load) -> None:
        self._url = target.url
        self._client: HttpClient | None = None

    async def setup(self) -> dict[str, Any]:
        """Make the client."""
        self._client = HttpClient()
        return {}

    async def attach(self) -> None:
        """Make the client."""
        await self.setup()

    async def request(self, _number: int, outcome: Outcome) -> None:
        """Send a GET and read the answer."""
        assert self._client is not None
        await self._client.ask("GET", self._url, outcome)

    async def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            await self._client.close()


if __name__ == "__main__":
    generators.registry()["plain"] = GeneratorKind("plain", ("openai",), Options, Plain)
    sys.exit(run(sys.argv[1:]))
