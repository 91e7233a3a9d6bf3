"""The `triton` generator: tensors on the wire, and a name for each way in which an answer is wrong."""

import asyncio
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtests.generators.triton import Options, Triton
from loadtests.kserve import rest, rpc, tensors
from loadtests.kserve.base import Wanted
from loadtests.kserve.rest import JSON_LENGTH
from loadtests.kserve.tensors import Spec, Tensor
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from tests.loadtests.tools import a_load

PHASE = {"name": "steady", "for": 1, "rate": 1}
TYPES = [*(f"{kind}{bits}" for kind in ("UINT", "INT") for bits in (8, 16, 32, 64)), "BOOL", "BYTES"]
TYPES += ["FP16", "FP32", "FP64", "BF16"]


def generator(url, model="m", seed=0, **options):
    """Make a generator."""
    target = Target(protocol="triton", url=url, model=model)
    return Triton(target, Options.model_validate(options), a_load(PHASE, seed=seed))


async def ask(url, count=1, **options):
    """Send requests one after the other; returns the kinds of their failures."""
    client, kinds = generator(url, **options), []
    await client.setup()
    for number in range(count):
        try:
            await client.request(number, Outcome())
            kinds.append(None)
        except RequestFailed as failure:
            kinds.append(failure.kind)
    await client.close()
    return kinds


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("", None),
        (",name=1", "wrong_outputs"),
        (",more=1", "wrong_outputs"),
        (",datatype=1", "wrong_type"),
        (",rows=1", "wrong_shape"),
        (",rank=1", "wrong_shape"),
        (",short=1", "wrong_shape"),
        (",value=1", "wrong_answer"),
        (",model=1", "wrong_model"),
        (",error=1", "server_error"),
        (",code=429", "http_429"),
        (",code=404", "http_404"),
        (",page=1", "malformed"),
    ],
)
@pytest.mark.parametrize("encoding", ["binary", "json"])
async def test_failures_have_names(server, fault, kind, encoding):
    """Each way to be wrong has its kind, in both encodings."""
    if (fault, encoding) == (",short=1", "binary"):
        kind = "malformed"  # the tensor's bytes are not all there
    assert await ask(f"{server}kserve{fault}", batch=2, encoding=encoding, expect="identity") == [kind]


async def test_the_same_inputs_give_the_same_outputs(server):
    """Requests of the pool come again; what they give must not change, where that is asked for."""
    assert await ask(f"{server}kserve", count=6, inputs=2, expect="same") == [None] * 6
    kinds = await ask(f"{server}kserve,noise=1", count=6, inputs=2, expect="same")
    assert kinds == [None, None, *["not_repeatable"] * 4]
    assert await ask(f"{server}kserve,noise=1", count=6, inputs=2) == [None] * 6


async def test_a_server_without_triton_s_extensions(server):
    """Without a configuration, an open first dimension is the batch, as the protocol's metadata show it."""
    assert await ask(f"{server}kserve,config=0", batch=2, encoding="json", expect="identity") == [None]


async def test_no_model():
    """Without a model's name there is nothing to drive, and the set-up says so."""
    with pytest.raises(SetupError, match="which model"):
        await generator("http://h", model=None).setup()


@pytest.mark.parametrize("behaviour", ["page", "whole_error", "gone", "vectors"])
async def test_metadata_that_are_none(server, behaviour):
    """Whatever answers in place of a model's metadata ends the set-up with its address."""
    client = generator(server + behaviour)
    with pytest.raises(SetupError, match="v2/models/m"):
        await client.setup()
    await client.close()


def test_bounds_of_whole_numbers():
    """Bounds that hold no number are refused."""
    with pytest.raises(ValidationError, match="low must be below high"):
        Options.model_validate({"low": 100})


async def test_content_is_a_function_of_seed_and_number(server):
    """The pool is the same for the same seed and another for another."""
    pools = []
    for seed in (1, 1, 2):
        client = generator(f"{server}kserve", seed=seed, length={"distribution": "uniform", "min": 1, "max": 50})
        await client.setup()
        pools.append([each.request.body for each in client._pool])
        await client.close()
    assert pools[0] == pools[1]
    assert not set(pools[0]) & set(pools[2])
    assert len({len(body) for body in pools[0]}) > 10


def tensor(datatype, *shape, seed=0, low=None, high=None):
    """Make a random tensor."""
    return tensors.random_tensor(Spec("X", datatype, shape), shape, np.random.default_rng(seed), low, high)


def answered(*given, binary):
    """Write an answer as a server does."""
    outputs = []
    for each in given:
        one = {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)}
        one |= {"parameters": {"binary_data_size": len(each.data)}} if binary else {"data": tensors.values(each)}
        outputs.append(one)
    head = json.dumps({"outputs": outputs}).encode()
    return (head + b"".join(each.data for each in given), str(len(head))) if binary else (head, None)


@pytest.mark.parametrize("datatype", TYPES)
@pytest.mark.parametrize("shape", [(3, 4), (1,), (0, 5), ()])
def test_tensors_come_back_whole(datatype, shape):
    """What is written is read, in both encodings where JSON has the type."""
    one = tensor(datatype, *shape)
    for binary in (True, False):
        if binary or datatype not in tensors.BINARY_ONLY:
            assert rest.decode(*answered(one, one, binary=binary))[1] == [one, one]


@pytest.mark.parametrize("datatype", TYPES)
def test_random_tensors(datatype):
    """They hold as many elements as their shape, whole numbers within their bounds, floats that are finite."""
    one = tensor(datatype, 50, 40, low=3, high=7)
    if datatype == "BYTES":
        assert {len(word) for word in tensors.values(one)} == set(range(1, 9))
    elif datatype.startswith(("INT", "UINT")):
        assert set(tensors.values(one)) == {3, 4, 5, 6}
    elif datatype == "BF16":
        wide = np.frombuffer(b"".join(b"\0\0" + one.data[i : i + 2] for i in range(0, len(one.data), 2)), "<f4")
        assert abs(wide.std() - 1) < 0.1
    elif datatype != "BOOL":
        assert abs(np.std(tensors.values(one)) - 1) < 0.1
    assert math.prod(one.shape) == 2000


def test_what_a_request_looks_like():
    """The binary extension: JSON first, its length in a header, then the bytes of each tensor."""
    one = Tensor("A", "FP32", (1, 2), struct.pack("<2f", 1, 2))
    body, headers = rest.encode([one], ["B"], {"priority": 1}, binary=True)
    head = json.loads(body[: int(headers[JSON_LENGTH])])
    described = {"name": "A", "datatype": "FP32", "shape": [1, 2]}
    assert head["inputs"] == [{**described, "parameters": {"binary_data_size": 8}}]
    assert head["outputs"] == [{"name": "B", "parameters": {"binary_data": True}}]
    assert head["parameters"] == {"priority": 1}
    assert body[int(headers[JSON_LENGTH]) :] == one.data
    plain, headers = rest.encode([one], [], {}, binary=False)
    assert json.loads(plain) == {"inputs": [{**described, "data": [1.0, 2.0]}]}
    assert JSON_LENGTH not in headers


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        *(("FP32", [None]), ("FP32", ["1"]), ("FP32", [True]), ("INT32", [1.5]), ("UINT8", [300]), ("INT8", [-200])),
        *(("BOOL", [1]), ("BYTES", [1]), ("FP32", [[1], [2, 3]]), ("INT64", [2**70]), ("FP32", None)),
    ],
)
def test_data_that_are_none(datatype, data):
    """Neither null, words, wrong kinds nor numbers that do not fit are taken for values."""
    body = json.dumps({"outputs": [{"name": "X", "datatype": datatype, "shape": [1], "data": data}]}).encode()
    with pytest.raises(RequestFailed, match="malformed"):
        rest.decode(body, None)


def test_nested_data_are_in_row_major_order():
    """The protocol allows data nested as the shape is."""
    body = json.dumps({"outputs": [{"name": "X", "datatype": "INT32", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]})
    [one] = rest.decode(body.encode(), None)[1]
    assert tensors.values(one) == [1, 2, 3, 4]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["FP32", "BYTES", "X"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["outputs", "name", "datatype", "shape", "data", "parameters", "binary_data_size", "error"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)
OUTPUT = st.fixed_dictionaries(
    {"name": st.just("X"), "datatype": st.sampled_from(TYPES), "shape": st.lists(st.integers(0, 3), max_size=2)},
    optional={"data": json_values, "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 20)})},
)


@given(json_values | st.builds(lambda rows: {"outputs": rows}, st.lists(OUTPUT, max_size=2)), st.binary(max_size=20))
def test_no_server_breaks_the_client(answer, more):
    """Whatever a server gives, it is tensors or a failure with a name."""
    head = json.dumps(answer).encode()
    for length in (None, str(len(head)), "x", "-1", str(10**9)):
        kind = None
        try:
            rest.decode(head + more, length)
        except RequestFailed as failure:
            kind = failure.kind
        assert kind in {None, "malformed", "server_error", "wrong_shape"}


def test_the_pool_is_made_beside_the_loop(server):
    """A load of several processes prepares the same in each: setup and attach give the same pool."""

    async def both() -> None:
        first, second = generator(f"{server}kserve"), generator(f"{server}kserve")
        await first.setup()
        await second.attach()
        assert [each.request.body for each in first._pool] == [each.request.body for each in second._pool]
        await first.close()
        await second.close()

    asyncio.run(both())


def grpc_answer(*given, model="m", raw=None):
    """Write an answer as a server of gRPC does."""
    message = rpc._messages()["InferResponse"](model=model)
    for each in given:
        message.outputs.add(name=each.name, datatype=each.datatype, shape=each.shape)
    message.raw.extend([each.data for each in given] if raw is None else raw)
    return message.SerializeToString()


@pytest.mark.parametrize("datatype", TYPES)
def test_tensors_come_back_whole_by_grpc(datatype):
    """What is written is read, as raw contents."""
    one, two = tensor(datatype, 3, 4), tensor(datatype, 0)
    answer = rpc.decode(grpc_answer(one, two))
    assert (answer.model, answer.tensors) == ("m", [one, two])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xff", "malformed"),
        (grpc_answer(tensor("FP32", 2), raw=[]), "malformed"),
        (grpc_answer(tensor("FP32", 2), raw=[b"1234"]), "wrong_shape"),
        (grpc_answer(Tensor("X", "FP99", (1,), b"")), "malformed"),
        (grpc_answer(Tensor("X", "FP32", (-1,), b"")), "malformed"),
    ],
)
def test_answers_of_grpc_that_are_none(body, kind):
    """Broken messages, missing data and unknown types have their names."""
    with pytest.raises(RequestFailed, match=kind):
        rpc.decode(body)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_client_of_grpc(body):
    """Whatever comes is an answer or a failure with a name."""
    kind = None
    try:
        rpc.decode(body)
    except RequestFailed as failure:
        kind = failure.kind
    assert kind in {None, "malformed", "wrong_shape"}


async def test_parameters_of_grpc_have_their_kinds():
    """Numbers, words and truths go out as such, also those that are 0, empty or false."""
    client = rpc.RpcClient("grpc://127.0.0.1:1", "m", None, {})
    parameters = {"a": 0, "b": "", "c": False, "d": 0.0}
    request = client.encode([], Wanted(parameters=parameters))
    await client.close()
    read = rpc._messages()["InferRequest"].FromString(request.body)
    found = {each.key: (each.value.WhichOneof("choice"), getattr(each.value, each.value.WhichOneof("choice")))
             for each in read.parameters}  # fmt: skip
    assert found == {"a": ("int", 0), "b": ("str", ""), "c": ("bool", False), "d": ("float", 0.0)}
