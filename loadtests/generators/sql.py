"""`sql`: transactions in PostgreSQL: TPC-B and look-ups as pgbench does them, or statements of a file."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from loadtests import postgres
from loadtests.generators.base import GeneratorKind
from loadtests.mix import Mix
from loadtests.outcome import Outcome, SetupError
from loadtests.plan import Target
from loadtests.postgres import Pool
from loadtests.sql import statements
from loadtests.sql.statements import Statement
from loadtests.sql.tpcb import Bank
from runs.paths import UserPath
from runs.recipe import Load, Strict

if TYPE_CHECKING:
    import psycopg

Transaction = Literal["tpcb", "select"]


class Options(Strict):
    """Keys of an `sql` load."""

    mix: dict[Transaction, int] = Field(
        default_factory=dict, description="weights: {tpcb: 1, select: 4}; default: tpcb only, or statements only"
    )
    statements: UserPath | None = Field(None, description="a file of statements, each with its weight")
    scale: int = Field(1, ge=1, le=20_000, description="tpcb, select: size of the bank, 100,000 accounts each")
    isolation: Literal["read committed", "repeatable read", "serializable"] = Field(
        "read committed", description="how far transactions are kept apart; conflicts are failures: sql_40001"
    )
    connections: int = Field(16, ge=1, le=2000, description="connections; a request waits for a free one")
    table_prefix: str = Field(
        "dashcam_", pattern=r"^[a-z_][a-z0-9_]{0,40}$", description="of the bank's tables, which each load makes anew"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.mix and (min(self.mix.values()) < 0 or not 0 < sum(self.mix.values()) <= 10_000):
            raise ValueError("weights of the mix are whole numbers of 0 or more, together 1 to 10000")
        return self


class Sql:
    """Runs each request on a connection of its own for as long as it takes."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._target = target
        self._options = options
        self._seed = load.seed
        settings = {"default_transaction_isolation": options.isolation}
        self._pool = Pool(target, options.connections, load.timeout, settings)
        self._bank = Bank(options.table_prefix, options.scale, load.seed)
        self._statements: dict[str, Statement] = {}
        self._weights: dict[str, int] = {}
        self._mix: Mix | None = None

    async def _read(self) -> None:
        """Read what the options name, before the database is touched. Raises SetupError."""
        postgres.require()
        options = self._options
        mix: dict[str, int] = {str(name): weight for name, weight in options.mix.items() if weight}
        if options.statements is not None:
            self._statements = await asyncio.to_thread(statements.read, options.statements)
        if reserved := {"tpcb", "select"} & self._statements.keys():
            raise SetupError(f"statements: {', '.join(sorted(reserved))}: the name is taken: give it another")
        mix |= {name: statement.weight for name, statement in self._statements.items() if statement.weight}
        if not mix and options.statements is not None:
            raise SetupError(f"statements: {options.statements}: every weight is 0")
        self._weights = mix or {"tpcb": 1}
        self._mix = Mix(self._weights, self._seed)

    def _has_bank(self) -> bool:
        return not self._weights.keys().isdisjoint(("tpcb", "select"))

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        return await self._open(make=True)

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self._open(make=False)

    async def _open(self, *, make: bool) -> dict[str, Any]:
        await self._read()
        import psycopg  # noqa: PLC0415 - an extra

        notes: dict[str, Any] = {"weights": self._weights}
        try:
            async with await postgres.connect(self._target, {}) as connection:
                notes["server"] = connection.info.parameter_status("server_version")
                if self._has_bank() and make:
                    notes |= await self._bank.make(connection)
                elif self._has_bank():
                    await self._bank.check(connection)
            await self._pool.fill()
        except psycopg.Error as error:
            raise SetupError(f"PostgreSQL at {self._target.url}: {str(error).strip()}") from error
        return notes

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._mix is not None  # noqa: S101 - set up before the first request
        name, _ = self._mix.of(number)
        outcome.operation = name

        async def use(connection: "psycopg.AsyncConnection[Any]") -> None:
            if name == "tpcb":
                await self._bank.transfer(connection, number, outcome)
            elif name == "select":
                await self._bank.look(connection, number, outcome)
            else:
                source = random.Random(f"{self._seed}/{number}")  # noqa: S311 - no secret
                await self._statements[name].run(connection, source, outcome)

        await self._pool.run(outcome, use)

    def tell(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Verifies`."""
        return {"committed": self._bank.committed}

    async def verify(self, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """See `loadtests.generators.base.Verifies`."""
        if "tpcb" not in self._weights:
            return {}
        async with await postgres.connect(self._target, {}) as connection:
            return await self._bank.verify(connection, sum(each["committed"] for each in told))

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`. The tables stay."""
        await self._pool.close()


GENERATOR = GeneratorKind(name="sql", targets=("postgres",), Options=Options, create=Sql)
