"""The `embeddings` generator: what it sends, and a name for each way in which a vector is wrong."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generators.embeddings import Embeddings, Options, read
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from tests.loadtests.tools import a_load

PHASE = {"name": "steady", "for": 1, "rate": 1}


def generator(url="http://h", seed=0, **options):
    """Make a generator."""
    target = Target(protocol="openai", url=url, model="m")
    return Embeddings(target, Options.model_validate(options), a_load(PHASE, seed=seed))


async def ask(url, count=1, **options):
    """Send requests one after the other; returns the kinds of their failures, and what is told after the load."""
    client, kinds = generator(url, **options), []
    await client.setup()
    for number in range(count):
        outcome = Outcome()
        try:
            await client.request(number, outcome)
            kinds.append(None)
            assert outcome.tokens_in == 5
        except RequestFailed as failure:
            kinds.append(failure.kind)
    told = await client.verify([client.tell()])
    await client.close()
    return kinds, told


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("vectors", None),
        ("vectors,less=1", "wrong_count"),
        ("vectors,swapped=1", "wrong_order"),
        ("vectors,nan=1", "malformed"),
        ("vectors,zero=1", "zero_vector"),
        ("vectors,ragged=1", "wrong_dimension"),
        ("whole_error", "server_error"),
        ("page", "malformed"),
        ("whole_answer", "malformed"),
        ("busy", "http_429"),
        ("cut", "truncated"),
    ],
)
@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_failures_have_names(server, behaviour, kind, encoding):
    """Each way to be wrong has its kind, in both encodings."""
    if encoding == "base64" and "nan" in behaviour:
        kind = "not_finite"  # JSON knows no NaN, base64 does
    assert (await ask(server + behaviour, batch=3, encoding=encoding))[0] == [kind]


async def test_all_vectors_have_one_dimension(server):
    """The length asked for, or else the first vector's, is that of all."""
    kinds, told = await ask(f"{server}vectors,dim=4", count=2, dimensions=4)
    assert (kinds, told["dimensions"]) == ([None, None], 4)
    assert (await ask(f"{server}vectors,dim=4", dimensions=5))[0] == ["wrong_dimension"]
    assert (await ask(f"{server}vectors,growing=1", count=3))[0] == [None, "wrong_dimension", "wrong_dimension"]


async def test_one_text_has_one_vector(server):
    """Texts that come again must give the vector they gave before."""
    kinds, told = await ask(f"{server}vectors", count=40, repeat=2, batch=2)
    assert kinds == [None] * 40
    assert told["repeats_compared"] == 20 - 8
    assert told["lowest_cosine"] == 1
    kinds, told = await ask(f"{server}vectors,noise=1", count=40, repeat=2, batch=2)
    assert kinds.count("not_repeatable") == 12
    assert told["lowest_cosine"] < 0.9999


@given(st.integers(0, 2**31), st.integers(0, 10**9), st.integers(1, 5))
def test_content_is_a_function_of_seed_and_number(seed, number, batch):
    """Two clients make the same request; texts differ from their first word on."""
    first, again = (generator(seed=seed, batch=batch, input_tokens=7, repeat=0) for _ in range(2))
    texts = first.texts(number)
    assert texts == again.texts(number)
    assert all(len(text.split()) == 7 for text in texts)
    assert len({text.split()[0] for text in texts + first.texts(number + 1)}) == 2 * batch


def test_what_comes_again():
    """Every n-th request holds one of eight texts as its first."""
    client = generator(repeat=3)
    firsts = [client.texts(number)[0] for number in range(0, 48, 3)]
    assert firsts[:8] == firsts[8:]
    assert len(set(firsts)) == 8
    assert client.canary(4) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "usage", "index", "embedding", "error", "prompt_tokens"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_values | st.builds(lambda rows: {"data": rows}, st.lists(json_values, max_size=2)))
def test_no_server_breaks_the_client(answer):
    """Whatever JSON a server gives, it is vectors or a failure with a name."""
    kind = None
    try:
        assert read(json.dumps(answer).encode(), 1, Outcome()).shape[0] == 1
    except RequestFailed as failure:
        kind = failure.kind
    assert kind in {None, "malformed", "server_error", "wrong_count", "wrong_order"}


@pytest.mark.parametrize("embedding", [[], ["1", "2"], [[1.0]], [None], [1, {}], "%%%", "", "AAA=", {}, 1])
def test_what_is_no_vector(embedding):
    """Words, nested lists, nothing, broken base64: none of them is a vector."""
    with pytest.raises(RequestFailed, match="malformed"):
        read(json.dumps({"data": [{"index": 0, "embedding": embedding}]}).encode(), 1, Outcome())


def test_base64_is_little_endian_float32():
    """The encoding is that of OpenAI's API."""
    text = base64.b64encode(struct.pack("<3f", 1, -2, 0.5)).decode()
    body = json.dumps({"data": [{"index": 0, "embedding": text}]}).encode()
    assert read(body, 1, Outcome()).tolist() == [[1, -2, 0.5]]
