"""Parts of a `rag` load without its services: texts, roles, options."""

import pytest
from pydantic import ValidationError

from loadtests.generators import registry
from loadtests.generators.rag import Options
from loadtests.outcome import SetupError
from loadtests.rag import corpus
from loadtests.rag.corpus import CorpusOptions


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
