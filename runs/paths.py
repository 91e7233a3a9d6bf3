"""Paths in a recipe: relative to its file; what --set gives is relative to where the command runs.

They become absolute as the recipe is read, since a run's programs are started elsewhere.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

BASE = "base"
"""Key of a validation context: the directory that paths are relative to. Without one: the working directory."""


class Given(str):
    """Text that --set gave."""

    __slots__ = ()


def given(value: Any) -> Any:
    """Mark all text in the value of a --set."""
    if isinstance(value, str):
        return Given(value)
    if isinstance(value, list):
        return [given(each) for each in value]
    if isinstance(value, dict):
        return {key: given(each) for key, each in value.items()}
    return value


def resolve(text: str | Path, base: Path) -> str:
    """Return an absolute path; `~` is the user's home."""
    place = Path() if isinstance(text, Given) else base
    return str((place / Path(text).expanduser()).absolute())


def program(words: Any, info: ValidationInfo) -> Any:
    """Return the words of a command line, its program resolved where it is a path: where a slash is in it."""
    split = shlex.split(words) if isinstance(words, str) else words
    if not isinstance(split, (list, tuple)) or not split or not isinstance(split[0], str):
        return split
    first = Given(split[0]) if isinstance(words, Given) else split[0]
    is_path = "/" in first and not first.startswith("{")
    return [resolve(first, _base(info)) if is_path else str(first), *split[1:]]


@dataclass(frozen=True)
class InRecipe:
    """Makes a field of text or Path such a path. `words` mean something else there and stay as they are."""

    words: frozenset[str] = frozenset()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """See https://docs.pydantic.dev/latest/concepts/types/#customizing-validation-with-__get_pydantic_core_schema__."""
        return core_schema.with_info_before_validator_function(self._absolute, handler(source))

    def _absolute(self, value: Any, info: ValidationInfo) -> Any:
        path = isinstance(value, (str, Path)) and value and value not in self.words
        return resolve(value, _base(info)) if path else value


def _base(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get(BASE, ""))


UserPath = Annotated[Path, InRecipe()]
PathOrTiny = Annotated[str, InRecipe(frozenset({"tiny"}))]
"""A model's path, or `tiny`: one of our own."""
