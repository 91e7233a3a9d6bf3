"""Statements that a person wrote: a YAML file of named statements with weights, and parameters drawn by the seed."""

import random
import string
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from loadtests.outcome import Outcome, RequestFailed, SetupError
from runs.recipe import Strict

if TYPE_CHECKING:
    import psycopg

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class Parameter(Strict):
    """How one parameter is drawn, for each request anew: exactly one of the keys."""

    integer: tuple[int, int] | None = Field(None, description="whole number between two, both included")
    number: tuple[float, float] | None = Field(None, description="number between two")
    text: int | None = Field(None, ge=0, le=1_000_000, description="letters, that many")
    one_of: tuple[str | int | float | bool | None, ...] | None = Field(None, min_length=1, description="one of a list")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("give exactly one of integer, number, text, one_of")
        for bounds in (self.integer, self.number):
            if bounds is not None and bounds[0] > bounds[1]:
                raise ValueError(f"{bounds[0]} is more than {bounds[1]}")
        return self

    def draw(self, source: random.Random) -> Any:
        """Return a value."""
        if self.integer is not None:
            return source.randint(*self.integer)
        if self.number is not None:
            return source.uniform(*self.number)
        if self.text is not None:
            return "".join(source.choices(string.ascii_lowercase, k=self.text))
        return source.choice(self.one_of or (None,))


class Statement(Strict):
    """One statement, or several in one transaction, with `%(name)s` where a parameter stands."""

    sql: str | tuple[str, ...] = Field(description="one statement, or a list that makes a transaction")
    weight: int = Field(1, ge=0, le=10_000, description="how often, beside the others")
    parameters: dict[str, Parameter] = Field(default_factory=dict, description="how each parameter is drawn")
    rows: int | tuple[int, int] | None = Field(
        None, description="rows that the (last) statement must give or touch: a number, or least and most"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = dict.fromkeys(self.parameters)
        for text in self.texts:
            try:
                text % names
            except (KeyError, ValueError, TypeError) as error:
                raise ValueError(f"{text!r}: {error} is no parameter that is described (a % is written %%)") from error
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """The statements in their order."""
        return (self.sql,) if isinstance(self.sql, str) else self.sql

    async def run(self, connection: "psycopg.AsyncConnection[Any]", source: random.Random, outcome: Outcome) -> None:
        """Run it and count its rows. Raises RequestFailed, psycopg.Error."""
        values = {name: parameter.draw(source) for name, parameter in self.parameters.items()}
        if isinstance(self.sql, str):
            await self._run(connection, values, outcome)
        else:
            async with connection.transaction():
                await self._run(connection, values, outcome)
        outcome.done = time.monotonic()

    async def _run(self, connection: "psycopg.AsyncConnection[Any]", values: dict[str, Any], outcome: Outcome) -> None:
        count = 0
        for text in self.texts:
            cursor = await connection.execute(text.encode(), values)
            outcome.first_byte = outcome.first_byte or time.monotonic()
            count = cursor.rowcount
        least, most = self.rows if isinstance(self.rows, tuple) else (self.rows, self.rows)
        if least is not None and most is not None and not least <= count <= most:
            wanted = f"{least} to {most}" if least != most else f"{least}"
            raise RequestFailed("wrong_answer", f"{count} rows, not {wanted}: {self.texts[-1][:100]}")


class StatementFile(Strict):
    """The file."""

    statements: dict[Name, Statement] = Field(min_length=1, description="statements by name")


def read(path: Path) -> dict[str, Statement]:
    """Read a file of statements. Raises SetupError with all that is wrong with it."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        return dict(StatementFile.model_validate(values).statements)
    except OSError as error:
        raise SetupError(f"statements: {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SetupError(f"statements: {path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        details = ((".".join(map(str, detail["loc"])), detail["msg"]) for detail in error.errors())
        raise SetupError(f"statements: {path}: {'; '.join(f'{place}: {what}' for place, what in details)}") from error
