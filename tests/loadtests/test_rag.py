"""Parts of a `rag` load without its services: texts, embeddings, options."""

import json

import pytest
from pydantic import ValidationError

from loadtests.generators import registry
from loadtests.generators.rag import Options
from loadtests.outcome import RequestFailed, SetupError
from loadtests.rag import corpus
from loadtests.rag.corpus import CorpusOptions
from loadtests.rag.embedder import parse


def test_made_texts():
    """The same seed gives the same texts and questions; no two texts are alike, and questions use the texts' words."""
    options = CorpusOptions(documents=100, words=30, questions=20, seed=4)
    one, two = corpus.make(options), corpus.make(options)
    assert (one.documents, one.questions) == (two.documents, two.questions)
    assert len(set(one.documents)) == 100
    words = {word for text in one.documents for word in text.split()}
    assert all(word.rstrip("?") in words for question in one.questions for word in question.split()[2:])
    assert corpus.make(options.model_copy(update={"seed": 5})).documents != one.documents


def test_texts_of_files(tmp_path):
    """Texts and questions may be read from files; a bad line is named."""
    texts, questions = tmp_path / "texts.jsonl", tmp_path / "questions.jsonl"
    texts.write_text('{"text": "a"}\n\n{"text": "b", "id": 7}\n')
    questions.write_text('{"text": "c"}\n{"text": "d"}\n')
    options = CorpusOptions(documents_path=texts, questions_path=questions, questions=1)
    assert corpus.make(options) == corpus.Corpus(["a", "b"], ["c"])
    for bad, words in (('{"text": "a"}\n[1]', ":2: is not"), ("", "holds no texts"), ('{"text": 5}', ":1: is not")):
        texts.write_text(bad)
        with pytest.raises(SetupError, match=words):
            corpus.make(options)


def answer(*rows, start=0):
    """Return an answer of the endpoint."""
    data = [{"index": index, "embedding": row} for index, row in enumerate(rows, start)]
    return json.dumps({"data": data[::-1]}).encode()


def test_embeddings_are_put_in_order():
    """The server may give embeddings in any order."""
    assert parse(answer([1, 2], [3, 4]), 2).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"no", "malformed"),
        (b"[]", "malformed"),
        (b'{"data": [{"index": 0}]}', "malformed"),
        (answer([1, 2], [3]), "malformed"),
        (answer(["a"]), "malformed"),
        (answer([1, 2], [3, 4], [5, 6]), "wrong_answer"),
        (answer([1, 2], [3, 4], start=1), "wrong_answer"),
        (answer([], []), "wrong_answer"),
        (answer([0, 0], [1, 1]), "wrong_answer"),
        (b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1e999]}]}', "malformed"),
    ],
)
def test_embeddings_that_are_none(body, kind):
    """What is no answer, or not the one asked for, has its kind."""
    with pytest.raises(RequestFailed) as caught:
        parse(body, 2)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 50}, "cannot find k = 50"),
        ({"prompt": "{texts}"}, "needs {texts} and {question}"),
        ({"corpus": {"documents_path": "x"}}, "go together"),
    ],
)
def test_options_that_cannot_be(options, words):
    """What cannot be meant is refused."""
    with pytest.raises(ValidationError, match=words):
        Options.model_validate(options)


def test_the_roles():
    """It drives a language model and a vector database, and embeddings of their own or the model's."""
    kind = registry()["rag"]
    both = {"llm": "openai", "vectors": "postgres"}
    assert kind.mismatch(both) is None
    assert kind.mismatch({**both, "embeddings": "openai"}) is None
    assert kind.mismatch({"llm": "openai"}) == "rag needs a service as vectors"
    assert kind.mismatch({**both, "llm": "postgres"}) == "rag drives openai as llm, not postgres"
    assert kind.mismatch({**both, "cache": "redis"}) == "rag knows no role 'cache': llm, vectors, embeddings"
    assert kind.mismatch({"": "openai"}) == "rag drives several services: llm, vectors, embeddings"
    assert registry()["sql"].mismatch({"db": "postgres"}) == "sql knows no role 'db': it drives one service"
