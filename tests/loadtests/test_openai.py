"""The `openai` generator: what it sends, and a name for each way in which a server fails."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtests.generators.openai import OpenAI, Options
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from tests.loadtests.tools import a_load, free_port

pytestmark = pytest.mark.timing

PHASE = {"name": "steady", "for": 1, "rate": 1}


def generator(url, seed=0, secret_file=None, model=None, **options):
    """Make a generator."""
    target = Target(protocol="openai", url=url, secret_file=secret_file, model=model)
    return OpenAI(target, Options.model_validate(options), a_load(PHASE, seed=seed))


def body(client, number):
    """Return what a request holds."""
    return json.loads(client.payload(number)[0])


async def ask(url, count=1, **options):
    """Send requests one after the other; returns their outcomes, the failure's kind in `error`."""
    client, outcomes = generator(url, **options), []
    await client.setup()
    for number in range(count):
        outcome = Outcome()
        try:
            await client.request(number, outcome)
        except RequestFailed as failure:
            outcome.error = failure.kind
        outcomes.append(outcome)
    await client.close()
    return outcomes


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("status,code=500", "http_500"),
        ("status,code=429", "http_429"),
        ("status,code=307", "http_307"),
        ("truncated", "truncated"),
        ("cut", "truncated"),
        ("malformed", "malformed"),
        ("failing", "server_error"),
        ("empty", "empty"),
        ("gone", "reset"),
        ("page", "malformed"),
        ("busy", "http_429"),
        ("aborted", "finish_abort"),
        ("aborted,known=0", "finish_unknown"),
        ("steady,n=33", "wrong_length"),
        ("steady", None),
        ("thinking", None),
    ],
)
async def test_failures_have_names(server, behaviour, kind):
    """Each way to fail has its kind; what came before is kept."""
    [outcome] = await ask(server + behaviour)
    assert outcome.error == kind
    assert outcome.sent is not None
    if behaviour in {"truncated", "cut", "failing"}:
        assert outcome.first_token is not None


@pytest.mark.parametrize("api", ["completions", "chat"])
@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("whole_answer", None),
        ("whole_answer,tokens=33", "wrong_length"),
        ("whole_answer,finish=0", "malformed"),
        ("whole_error", "server_error"),
        ("page", "malformed"),
        ("busy", "http_429"),
        ("steady", "malformed"),
    ],
)
async def test_an_answer_without_a_stream(server, behaviour, kind, api):
    """With `stream: false` the whole answer is checked; there is no first token that could be seen."""
    [outcome] = await ask(server + behaviour, stream=False, api=api)
    assert outcome.error == kind
    assert outcome.first_token is None
    if kind is None:
        assert (outcome.tokens_in, outcome.tokens_out) == (7, 3)


async def test_who_is_too_fast_is_told_when_to_come_again(server):
    """The failure http_429 carries the Retry-After of the server."""
    client = generator(f"{server}busy")
    await client.setup()
    with pytest.raises(RequestFailed, match=r"Retry-After: 7; .*too many"):
        await client.request(0, Outcome())
    await client.close()


async def test_a_short_answer_is_wrong_where_the_end_is_ignored(server):
    """With ignore_eos the server owes max_tokens; without it an answer may end early."""
    assert [o.error for o in await ask(f"{server}steady", max_tokens=4)] == [None]
    assert [o.error for o in await ask(f"{server}steady", max_tokens=4, ignore_eos=True)] == ["wrong_length"]
    assert [o.error for o in await ask(f"{server}steady", max_tokens=3, ignore_eos=True)] == [None]


@pytest.mark.parametrize(("behaviour", "counted"), [("whole_answer", 2), ("whole_answer,usage=0", 0)])
async def test_unknown_tokens_are_told(server, behaviour, counted):
    """Tokens are the server's; where it reports none they are unknown, and the load's notes say so."""
    client = generator(server + behaviour, stream=False)
    await client.setup()
    for number in range(2):
        outcome = Outcome()
        await client.request(number, outcome)
        assert (outcome.tokens_out is not None) == bool(counted)
    notes = await client.verify([client.tell()])
    assert f"usage in {counted} of 2 good answers" in notes["usage"]
    assert ("unknown" in notes["usage"]) == (not counted)
    await client.close()


async def test_models_are_told(server):
    """Which model was asked for, and how many answers came of which, of all processes of the load."""
    client = generator(server + "modelled", stream=False, model="asked")
    await client.setup()
    for number in range(4):
        await client.request(number, Outcome())
    other = {"answers": 5, "counted": 3, "prompt_words": 0, "prompt_tokens": 0, "models": {"model-1": 4, "model-2": 1}}
    notes = await client.verify([client.tell(), other])
    assert notes["models"] == {"model-0": 2, "model-1": 6, "model-2": 1}
    assert "of 9 good answers" in notes["usage"]
    assert notes["model_asked"] == "asked"
    await client.close()


async def test_refused():
    """Where nobody listens the request is refused, and it never left."""
    [outcome] = await ask(f"http://127.0.0.1:{free_port()}")
    assert outcome.error == "refused"
    assert outcome.sent is None


async def test_unknown_name():
    """A host name that is none fails as `dns`."""
    [outcome] = await ask("http://no-such-host.invalid")
    assert outcome.error == "dns"


async def test_a_kept_connection_that_was_closed_is_tried_again_once(server):
    """A server that closes reused connections costs a retry and no failure; the time counts from the start."""
    outcomes = await ask(f"{server}closer", count=4)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert sum(outcome.retries for outcome in outcomes) >= 1
    assert all(outcome.retries <= 1 for outcome in outcomes)
    assert all(outcome.sent <= outcome.first_byte for outcome in outcomes)


async def test_many_closed_connections_at_once(server):
    """A retry takes a new connection: another kept one would be closed just the same."""
    client = generator(f"{server}closer")
    await client.setup()
    for _ in range(2):
        outcomes = [Outcome() for _ in range(40)]
        await asyncio.gather(*(client.request(number, outcome) for number, outcome in enumerate(outcomes)))
    await client.close()
    assert max(outcome.retries for outcome in outcomes) == 1


async def test_a_new_connection_that_is_closed_is_a_failure(server):
    """Without a reused connection there is no second try."""
    [outcome] = await ask(f"{server}gone")
    assert (outcome.error, outcome.retries) == ("reset", 0)


async def test_what_the_server_gets(server, tmp_path):
    """The model, the limits and the key arrive; the key comes from its file."""
    secret = tmp_path / "key"
    secret.write_text("made-up\n")
    got = []
    for api in ("completions", "chat"):
        client = generator(f"{server}echo", seed=3, secret_file=secret, model="tiny", api=api, prompt_tokens=5)
        await client.setup()
        outcome = Outcome()
        await client.request(1, outcome)
        assert outcome.tokens_out is None  # this server reports none
        got.append(body(client, 1))
        await client.close()
    completion, chat = got
    assert completion["model"] == "tiny"
    assert len(completion["prompt"].split()) == 5
    assert completion["prompt"] == chat["messages"][0]["content"]
    assert completion["stream_options"] == {"include_usage": True}
    assert "ignore_eos" not in completion


async def test_the_key_is_sent(server, tmp_path):
    """The Authorization header carries the file's key; a wrong one would be the server's to refuse."""
    secret = tmp_path / "key"
    secret.write_text("made-up\n")
    client = generator(f"{server}echo", secret_file=secret)
    assert client._headers["Authorization"] == "Bearer made-up"
    assert "made-up" not in repr(client.payload(0))


@given(st.integers(0, 2**31), st.integers(0, 10**9), st.integers(1, 200))
def test_content_is_a_function_of_seed_and_number(seed, number, words):
    """Two clients make the same request from the same seed and number; prompts differ from the first word on."""
    first, again = (generator("http://h", seed=seed, prompt_tokens=words) for _ in range(2))
    assert first.payload(number) == again.payload(number)
    prompts = [body(first, n)["prompt"].split() for n in (number, number + 1)]
    assert len(prompts[0]) == words
    assert prompts[0][0] != prompts[1][0]


def test_a_recipe_survives_its_resolution():
    """What is written resolved is read again as the same: plain numbers, distributions, files."""
    for options in (
        {},
        {"prompt_tokens": 7, "max_tokens": {"distribution": "uniform", "min": 2, "max": 9}},
        {"prompt_tokens": {"mean": 100, "sigma": 0.4, "max": 500}, "shared_prefix_tokens": 10, "prefix_groups": 2},
        {"prompts": "asked.jsonl", "extra_body": {"top_p": 0.5}},
    ):
        read = Options.model_validate(options)
        assert Options.model_validate(read.model_dump(mode="json")) == read


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"prompts": "a.jsonl", "prompt_tokens": 9}, "leave prompt_tokens out"),
        ({"prefix_groups": 2}, "needs shared_prefix_tokens"),
        ({"extra_body": {"stream": False}}, "extra_body cannot hold stream"),
        ({"prompt_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": {"distribution": "uniform"}}, "needs `max`"),
    ],
)
def test_what_a_recipe_cannot_ask(options, word):
    """What contradicts itself is refused, with the mend."""
    with pytest.raises(ValidationError, match=word):
        Options.model_validate(options)


def test_lengths_of_answers_do_not_change_the_prompts():
    """Prompts are drawn apart from max_tokens, so that two runs may differ in one of them only."""
    plain, drawn = generator("http://h"), generator("http://h", max_tokens={"mean": 50})
    assert body(plain, 5)["prompt"] == body(drawn, 5)["prompt"]
    assert {body(plain, number)["max_tokens"] for number in range(9)} == {32}
    assert len({body(drawn, number)["max_tokens"] for number in range(9)}) > 5


def test_prompts_of_a_file(tmp_path):
    """Requests hold the file's prompts, and its max_tokens where it has them."""
    path = tmp_path / "asked.jsonl"
    path.write_text('{"prompt": "one", "max_tokens": 5}\n\n{"prompt": "two"}\n')
    client = generator("http://h", prompts=str(path), max_tokens=9, api="chat")
    asked = {body(client, n)["messages"][0]["content"]: body(client, n)["max_tokens"] for n in range(2)}
    assert asked == {"one": 5, "two": 9}
