"""The `openai` generator against llama.cpp's real server, with a model of random weights."""

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
import pytest

from loadtests.generators import registry
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, seconds

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.llamacpp() as target:
        yield target


def openai(target, load, **options):
    """Make the generator."""
    kind = registry()["openai"]
    return kind.create(target, kind.Options.model_validate({"max_tokens": 12, "ignore_eos": True, **options}), load)


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_every_answer_is_whole(target, tmp_path, api):
    """Both endpoints stream to the end: tokens as the server counts them, a first token, gaps, in their order."""
    load = a_load({"name": "steady", "for": 2, "rate": 10}, seed=3)
    table, engine = drive(load, openai(target, load, api=api), tmp_path)
    assert table.num_rows > 5
    assert engine.errors == {}
    assert set(table["tokens_out"].to_pylist()) == {12}
    assert pc.min(table["tokens_in"]).as_py() > 20
    for later, earlier in (("sent", "intended"), ("first_token", "sent"), ("done", "first_token")):
        assert (seconds(table, later, earlier) >= 0).all()
    assert np.median([len(gaps or []) for gaps in table["gaps"].to_pylist()]) > 6


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_whole_answers_of_drawn_lengths(target, tmp_path, api):
    """Without a stream there is no first token; lengths differ as drawn, and a shared prefix is part of the prompt."""
    load = a_load({"name": "steady", "for": 1.5, "rate": 10}, seed=3)
    drawn = {"distribution": "uniform", "min": 2, "max": 9}
    options = {"stream": False, "prompt_tokens": drawn, "max_tokens": drawn, "shared_prefix_tokens": 40}
    table, engine = drive(load, openai(target, load, api=api, **options), tmp_path)
    assert engine.errors == {}
    assert pc.min(table["tokens_in"]).as_py() > 42
    assert len(set(table["tokens_out"].to_pylist())) > 3
    assert table["first_token"].null_count == table.num_rows


def test_prompts_of_a_file(target, tmp_path):
    """A file's messages are answered, each within its own max_tokens."""
    path = tmp_path / "asked.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "go on"}], "max_tokens": 3}\n{"prompt": "and"}\n')
    load = a_load({"name": "steady", "for": 0.6, "rate": 10, "arrival": "constant"})
    table, engine = drive(load, openai(target, load, api="chat", prompts=str(path)), tmp_path)
    assert engine.errors == {}
    assert sorted(table["tokens_out"].to_pylist()) == [3, 3, 3, 12, 12, 12]


def test_users_reuse_connections(target, tmp_path):
    """llama.cpp closes kept connections as it likes; a closed loop of 8 users loses no request by that.

    A random model answers one prompt in some hundred with tokens that have no text: that alone may happen.
    """
    load = a_load({"name": "steady", "for": 2, "users": 8})
    table, engine = drive(load, openai(target, load), tmp_path)
    assert table.num_rows > 20
    assert engine.errors.keys() <= {"empty"}
    assert engine.errors["empty"] < 0.05 * table.num_rows


def test_a_wrong_key_is_told(target, tmp_path):
    """A server that refuses the key makes every request fail as http_401."""
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    load = a_load({"name": "steady", "for": 0.5, "rate": 10, "arrival": "constant"})
    _, engine = drive(load, openai(target.model_copy(update={"secret_file": wrong}), load), tmp_path)
    assert engine.errors == {"http_401": 5}
