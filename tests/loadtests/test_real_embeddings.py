"""The `embeddings` generator against llama.cpp's real server, with a model of random weights."""

from collections.abc import Iterator

import pyarrow.compute as pc
import pytest

from loadtests.generators import registry
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, seconds

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file.

    It works on one text at a time: several together give wrong vectors (llama.cpp's issue 26282), which the check of
    repeated texts finds.
    """
    options = ("--embeddings", "--parallel", "1", "--batch-size", "1024", "--ubatch-size", "1024")
    with programs.llamacpp(*options) as target:
        yield target


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_every_vector_is_right(target, tmp_path, encoding):
    """Batches of texts come back as vectors of the model's width, and one text as one vector, in each encoding."""
    kind = registry()["embeddings"]
    options = {"batch": 3, "input_tokens": {"mean": 30, "max": 100}, "dimensions": 256, "repeat": 2}
    load = a_load({"name": "steady", "for": 2, "rate": 15, "arrival": "constant"}, seed=3)
    generator = kind.create(target, kind.Options.model_validate({**options, "encoding": encoding}), load)
    table, engine = drive(load, generator, tmp_path)
    assert engine.errors == {}
    assert table.num_rows == 30
    assert pc.min(table["tokens_in"]).as_py() > 3
    assert (seconds(table, "done", "intended") > 0).all()
    assert generator._compared == 15 - 8
    assert generator._lowest > 0.9999


def test_a_wrong_dimension_is_told(target, tmp_path):
    """Vectors of another length than asked for are failures, each of them."""
    kind = registry()["embeddings"]
    load = a_load({"name": "steady", "for": 0.5, "rate": 10, "arrival": "constant"})
    generator = kind.create(target, kind.Options.model_validate({"dimensions": 384}), load)
    _, engine = drive(load, generator, tmp_path)
    assert engine.errors == {"wrong_dimension": 5}


def test_too_long_a_text_is_told(target, tmp_path):
    """What the server refuses as too long is its failure, with its status."""
    kind = registry()["embeddings"]
    load = a_load({"name": "steady", "for": 0.3, "rate": 10, "arrival": "constant"})
    generator = kind.create(target, kind.Options.model_validate({"input_tokens": 3000}), load)
    _, engine = drive(load, generator, tmp_path)
    assert set(engine.errors) == {"http_500"}
