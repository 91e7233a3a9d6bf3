"""Texts to retrieve and questions about them: made from a seed, or read from files."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import Field, model_validator

from loadtests.outcome import SetupError
from runs.paths import UserPath
from runs.recipe import Strict

_SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "ke",
    "li",
    "mo",
    "nu",
    "pa",
    "re",
    "si",
    "to",
    "vu",
    "wa",
    "ze",
    "xi",
)
_TOPIC_WORDS = 24
_TEXTS_A_TOPIC = 10
_QUESTION_WORDS = 8


class CorpusOptions(Strict):
    """Keys of `corpus`."""

    documents: int = Field(500, ge=1, le=1_000_000, description="texts, where they are made from the seed")
    words: int = Field(40, ge=1, le=10_000, description="words a text, where they are made from the seed")
    questions: int = Field(100, ge=1, le=100_000, description="different questions; of a file: at most so many")
    documents_path: UserPath | None = Field(None, description='a file of texts, a line each: {"text": "..."}')
    questions_path: UserPath | None = Field(None, description='a file of questions, a line each: {"text": "..."}')
    seed: int = Field(0, ge=0, description="the same seed gives the same texts and questions")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.documents_path is None) != (self.questions_path is None):
            raise ValueError("documents_path and questions_path go together: questions are about the texts")
        return self


@dataclass(frozen=True)
class Corpus:
    """`documents[i]` is the text with id i."""

    documents: list[str]
    questions: list[str]


def make(options: CorpusOptions) -> Corpus:
    """Make or read texts and questions. Raises SetupError."""
    if options.documents_path is not None and options.questions_path is not None:
        return Corpus(_read(options.documents_path), _read(options.questions_path)[: options.questions])
    source = random.Random(f"corpus/{options.seed}")  # noqa: S311 - no secret
    topics = [
        ["".join(source.choices(_SYLLABLES, k=source.randint(2, 3))) for _ in range(_TOPIC_WORDS)]
        for _ in range(max(1, options.documents // _TEXTS_A_TOPIC))
    ]
    # A number in each text: two are never alike, so that the nearest are told apart.
    documents = [
        f"{index} {' '.join(source.choices(topics[index % len(topics)], k=options.words))}"
        for index in range(options.documents)
    ]
    questions = [
        f"What of {' '.join(source.choices(source.choice(topics), k=_QUESTION_WORDS))}?"
        for _ in range(options.questions)
    ]
    return Corpus(documents, questions)


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SetupError(f"corpus: {path} cannot be read: {error.strerror}") from error
    texts = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            text = _text(line)
            if text is None:
                raise SetupError(f'corpus: {path}:{number}: is not {{"text": "..."}}')
            texts.append(text)
    if not texts:
        raise SetupError(f"corpus: {path} holds no texts")
    return texts


def _text(line: bytes) -> str | None:
    try:
        value: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) and text.strip() else None
