"""What the parent knows of one shard."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtests.histogram import Histogram
from loadtests.progress import Progress
from loadtests.shards.wire import Link, Message


@dataclass
class Member:
    """One shard, from when it joined. `gone`: its connection is closed."""

    shard: int
    link: Link
    pid: int
    host: str
    gone: bool = False
    progress: Progress | None = None
    latencies: Sequence[tuple[int, int]] = ()
    errors: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    lags: list[Histogram] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """What its generator told of its answers."""
    answers: dict[str, Message] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, message: Message) -> None:
        """Take what it tells. The last of each other kind is kept as its answer."""
        kind = message["kind"]
        if kind == "state":
            self.progress = Progress.model_validate(message["progress"])
            self.latencies = message["latencies"]
        elif kind == "result":
            self.errors, self.retries, self.facts = message["errors"], message["retries"], message["told"]
            for each in message["lags"]:
                self.lags.append(Histogram())
                self.lags[-1].merge(each["counts"], each["longest"])
        self.answers[kind] = message
        self.told.add(kind)
        self.ring()

    def leave(self) -> None:
        """Note that it is gone."""
        self.gone = True
        self.ring()

    def ring(self) -> None:
        """Wake those who wait for its answer."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def answer(self, kind: str) -> Message | None:
        """Wait for an answer of that kind; None where it is gone without one. Each is given once."""
        while kind not in self.answers:
            if self.gone:
                return None
            await self.changed.wait()
        return self.answers.pop(kind)

    async def send(self, kind: str, **fields: Any) -> None:
        """Tell it something; one that is gone hears nothing."""
        if not self.gone:
            try:
                await self.link.send(kind, **fields)
            except ConnectionError:
                self.leave()
