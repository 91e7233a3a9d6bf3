"""The `openai` generator: what it sends, and a name for each way in which a server fails."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generators.openai import OpenAI, Options
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from tests.loadtests.tools import a_load, free_port

pytestmark = pytest.mark.timing

PHASE = {"name": "steady", "for": 1, "rate": 1}


def generator(url, seed=0, secret_file=None, model=None, **options):
    """Make a generator."""
    target = Target(protocol="openai", url=url, secret_file=secret_file, model=model)
    return OpenAI(target, Options(**options), a_load(PHASE, seed=seed))


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
        ("steady", None),
    ],
)
async def test_failures_have_names(server, behaviour, kind):
    """Each way to fail has its kind; what came before is kept."""
    [outcome] = await ask(server + behaviour)
    assert outcome.error == kind
    assert outcome.sent is not None
    if behaviour in {"truncated", "cut", "failing"}:
        assert outcome.first_token is not None


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
        got.append(json.loads(client.payload(1)))
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
    prompts = [json.loads(first.payload(n))["prompt"].split() for n in (number, number + 1)]
    assert len(prompts[0]) == words
    assert prompts[0][0] != prompts[1][0]
