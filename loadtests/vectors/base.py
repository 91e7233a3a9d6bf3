"""What a load asks of a vector database."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from loadtests.dataset import Dataset, Metric, Vectors
from loadtests.outcome import Outcome, SetupError
from loadtests.plan import Target
from runs.recipe import Strict
from runs.units import Duration

MADE_BY = "made by a dashcam load"
"""The mark of a collection that a load may delete. Nobody else's is touched."""

Index = Literal["hnsw", "ivfflat", "none"]


class IndexOptions(Strict):
    """The collection and its index. What a database does not know is refused when the load is set up."""

    metric: Metric | None = Field(
        None, description="l2: Euclidean distance; cosine: 1 - cosine similarity; default: l2, or the file's own"
    )
    index: Index = Field("hnsw", description="none: exact search")
    m: int = Field(16, ge=2, le=100, description="hnsw: links a node")
    ef_construction: int = Field(64, ge=4, le=1000, description="hnsw: candidates while building, at least 2 m")
    ef_search: int = Field(40, ge=1, le=1000, description="hnsw: candidates a search")
    lists: int = Field(100, ge=1, le=32768, description="ivfflat: lists")
    probes: int = Field(10, ge=1, le=32768, description="ivfflat: lists a search looks into")
    connections: int = Field(16, ge=1, le=500, description="postgres: connections; a request waits for a free one")
    collection: str = Field(
        "dashcam_items", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="table, collection or class; made anew"
    )
    index_within: Duration = Field(600.0, gt=0, description="how long the database may take to index the vectors")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.index == "hnsw" and self.ef_construction < 2 * self.m:
            raise ValueError(f"ef_construction {self.ef_construction} is less than 2 m: pgvector refuses that")
        return self


@dataclass(frozen=True)
class Search:
    """How to search: neighbours, candidates (hnsw), lists (ivfflat), and a bound on the attribute (None: no filter)."""

    k: int
    ef_search: int
    probes: int
    below: int | None = None


class Backend(Protocol):
    """One collection in one database. What it may be asked is known when it is made: see `BackendKind.create`."""

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """Make the collection anew from `data`, vector i under id i; returns when all of it is indexed.

        The notes hold `copy_seconds` and `index_seconds`. Never deletes a collection that no load made.
        Raises SetupError.
        """
        ...

    async def attach(self, data: Dataset) -> None:
        """Be ready to search what was filled, here or by another process. Raises SetupError."""
        ...

    def encode(self, vector: Vectors) -> bytes:
        """Return a query as `search` takes it, so that it is written once and not with each request."""
        ...

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """Return the ids of the nearest, nearest first. Raises RequestFailed."""
        ...

    async def close(self) -> None:
        """Let go of connections. The collection stays."""
        ...


@dataclass(frozen=True)
class BackendKind:
    """One file of the folder offers one as `BACKEND`.

    `create` takes the target, the options (with a metric), every way in which will be searched, and the seconds that a
    search may take. It raises SetupError for what the database cannot do.
    """

    protocol: str
    create: Callable[[Target, IndexOptions, Sequence[Search], float], Backend]


async def until(ask: Callable[[], Awaitable[str | None]], what: str, within: float) -> None:
    """Ask again and again until the answer is None, else why not yet. Raises SetupError after `within` seconds."""
    deadline, pause = time.monotonic() + within, 0.05
    while (reason := await ask()) is not None:
        if time.monotonic() > deadline:
            raise SetupError(f"{what} within {within:.0f} s: {reason}; give it more by `index_within`")
        await asyncio.sleep(pause)
        pause = min(1.0, pause * 1.5)


def only(name: str, what: str, asked: Sequence[object]) -> None:
    """Refuse a sweep over something that a database fixes for a whole collection. Raises SetupError."""
    if len(set(asked)) > 1:
        raise SetupError(f"{name} fixes {what} for a whole collection: run the load once for each value, not a sweep")


def known(name: str, index: str, kinds: Sequence[str]) -> None:
    """Refuse an index that a database does not offer. Raises SetupError."""
    if index not in kinds:
        raise SetupError(f"{name} has no index {index!r} for this load: choose {' or '.join(kinds)}")
