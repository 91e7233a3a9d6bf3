"""What a language model is asked: prompts made by their lengths, or read from a file."""

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import orjson

from loadtests.lengths import Length
from loadtests.outcome import SetupError

Api = Literal["completions", "chat"]

_WORDS = (
    *("node", "fabric", "rank", "queue", "kernel", "tensor", "buffer", "stripe", "shard", "token", "batch", "cache"),
    *("clock", "phase", "probe", "trace", "vector", "index", "block", "layer", "scale", "slope", "noise", "pulse"),
    *("orbit", "river", "stone", "cloud", "amber", "delta"),
)
_TEXT = 1 << 16
"""Words of the text that prompts are cut from."""
_TOLD = 20
"""Bad lines of a file that are told one by one."""


@dataclass(frozen=True)
class Prompt:
    """`content` holds the key `prompt` or `messages` of a request, of so many `words`.

    `max_tokens` None: as the recipe says.
    """

    content: dict[str, Any]
    words: int
    max_tokens: int | None = None


class Prompts(Protocol):
    """Where prompts come from. What request `number` asks depends on the seed and the number only."""

    notes: dict[str, Any]

    def of(self, number: int) -> Prompt:
        """Return what request `number` asks."""
        ...


class Words:
    """English-like text cut to a number of words, about a token each for the usual tokenizers.

    A long text is made once and pieces are cut from it: a prompt of 30,000 words takes microseconds, not the
    milliseconds of client time that drawing each word would.
    """

    def __init__(self, seed: int | str) -> None:
        words = random.Random(f"words/{seed}").choices(_WORDS, k=_TEXT)  # noqa: S311 - text, not secrets
        self._text = " ".join(words) + " "
        self._starts = [0, *itertools.accumulate(len(word) + 1 for word in words)]

    def cut(self, start: int, count: int) -> str:
        """Return `count` words from word `start` on, each but the last followed by a space."""
        start %= _TEXT
        laps, rest = divmod(start + count, _TEXT)
        end = laps * len(self._text) + self._starts[rest]
        text = self._text if not laps else self._text * (laps + 1)
        return text[self._starts[start] : max(self._starts[start], end - 1)]


class Synthetic:
    """Prompts of a distribution of lengths. They differ from their first word on, so that no prefix cache helps.

    With `prefix_tokens`, that many words more stand before each prompt: one of `groups` texts, drawn by the seed.
    Requests of a group share them, as those to one assistant share its instructions.
    """

    def __init__(
        self, seed: int, length: Length, wrap: Callable[[str], dict[str, Any]], *, prefix: int, groups: int
    ) -> None:
        self._seed, self._length, self._wrap, self._prefix = seed, length, wrap, prefix
        self._words = Words(seed)
        starts = random.Random(f"{seed}/prefixes").sample(range(_TEXT), groups if prefix else 0)  # noqa: S311
        texts = (self._words.cut(start, prefix - 1) for start in starts)
        self._prefixes = [
            f"{_WORDS[group % len(_WORDS)]}{group} {text}".rstrip() + " " for group, text in enumerate(texts)
        ]
        self.notes: dict[str, Any] = {}
        if prefix:
            self.notes = {"shared_prefix_tokens": prefix, "prefix_groups": groups}

    def of(self, number: int) -> Prompt:
        """See `Prompts`."""
        numbers = random.Random(f"{self._seed}/{number}")  # noqa: S311
        length, start = self._length.draw(numbers), numbers.randrange(_TEXT)
        head, rest = self._words.cut(start, 1), self._words.cut(start + 1, length - 1)
        text = f"{head}{number} {rest}" if rest else f"{head}{number}"
        if self._prefixes:
            text = numbers.choice(self._prefixes) + text
        return Prompt(self._wrap(text), self._prefix + length)


class Listed:
    """Prompts of a file, each once before any comes again; the order of each round is by the seed."""

    def __init__(self, prompts: list[Prompt], seed: int, digest: str) -> None:
        self._prompts, self._seed = prompts, seed
        self._order = lru_cache(maxsize=8)(self._shuffle)
        self.notes: dict[str, Any] = {"prompts": len(prompts), "distinct": len(prompts), "prompts_sha256": digest}

    def of(self, number: int) -> Prompt:
        """See `Prompts`."""
        lap, place = divmod(number, len(self._prompts))
        return self._prompts[self._order(lap)[place]]

    def _shuffle(self, lap: int) -> list[int]:
        order: list[int] = np.random.default_rng([self._seed, lap]).permutation(len(self._prompts)).tolist()
        return order


def synthetic(api: Api, seed: int, length: Length, *, prefix: int = 0, groups: int = 1) -> Prompts:
    """Return prompts of `length` words after a prefix of `prefix` words that is one of `groups`."""
    return Synthetic(seed, length, _as_prompt if api == "completions" else _as_message, prefix=prefix, groups=groups)


def read(path: Path, api: Api, seed: int) -> Prompts:
    """Read a JSONL file: a line holds `prompt` or, for chat, `messages`; and `max_tokens`, where it has its own.

    Raises SetupError, which names every bad line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(f"prompts: {path} cannot be read: {error.strerror}") from error
    prompts: list[Prompt] = []
    faults: list[str] = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            found = _prompt(line, api)
            if isinstance(found, Prompt):
                prompts.append(found)
            else:
                faults.append(f"line {number}: {found}")
    if faults:
        more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        raise SetupError(f"prompts: {path}: {len(faults)} bad lines: {'; '.join(faults[:_TOLD])}{more}")
    if not prompts:
        raise SetupError(f"prompts: {path} holds none: write a line of JSON for each, with `prompt` or `messages`")
    return Listed(prompts, seed, hashlib.sha256(data).hexdigest())


def _prompt(line: bytes, api: Api) -> Prompt | str:
    """Read one line; returns what is wrong with it, as text, where it is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"no JSON ({error})"
    if not isinstance(row, dict):
        return "no JSON object"
    if wrong := next(_faults(row, api), None):
        return wrong
    if "messages" in row:
        content = {"messages": row["messages"]}
        texts = [each["content"] for each in row["messages"] if isinstance(each["content"], str)]
    else:
        content = (_as_prompt if api == "completions" else _as_message)(row["prompt"])
        texts = [row["prompt"]]
    return Prompt(content, sum(len(text.split()) for text in texts), row.get("max_tokens"))


def _faults(row: dict[str, Any], api: Api) -> Iterator[str]:
    if unknown := sorted(row.keys() - {"prompt", "messages", "max_tokens"}):
        yield f"unknown {', '.join(map(repr, unknown))}: there are prompt, messages and max_tokens"
    if ("prompt" in row) == ("messages" in row):
        yield "either prompt or messages is needed"
    if "messages" in row and api == "completions":
        yield "messages need `api: chat`"
    if "prompt" in row and not (isinstance(row["prompt"], str) and row["prompt"]):
        yield "prompt is no text, or empty"
    if "messages" in row and not _is_chat(row["messages"]):
        yield "messages is no list of objects with `role` and `content`"
    most = row.get("max_tokens")
    if "max_tokens" in row and not (type(most) is int and most >= 1):
        yield "max_tokens is no whole number from 1 on"


def _is_chat(messages: Any) -> bool:
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(isinstance(each, dict) and isinstance(each.get("role"), str) and "content" in each for each in messages)
    )


def _as_prompt(text: str) -> dict[str, Any]:
    return {"prompt": text}


def _as_message(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}
