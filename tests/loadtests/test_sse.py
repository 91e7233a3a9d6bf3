"""Server-sent events, and what of an OpenAI stream is read from them."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.answer import Answer
from loadtests.outcome import Outcome, RequestFailed
from loadtests.sse import SseParser

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
WORDS = st.text(st.characters(blacklist_characters="\r\n\ufeff", codec="utf-8"), max_size=12)


def parse(stream: bytes, *cuts: int) -> list[bytes]:
    """Parse a stream that comes in pieces."""
    parser, marks = SseParser(), [0, *sorted(cuts), len(stream)]
    return [event for a, b in itertools.pairwise(marks) for event in parser.feed(stream[a:b])]


STREAM = (
    b"\xef\xbb\xbf: a comment\r\nevent: message\r\ndata: one\r\n\r\n"
    b"data: two\ndata: lines\nid: 7\n\n: ping\n\ndata:no space\r\rdata\n\n"
    b"retry: 5\ndatax: no\n\ndata: [DONE]\n\ndata: unfinished\n"
)
EVENTS = [b"one", b"two\nlines", b"no space", b"", b"[DONE]"]


def test_every_cut():
    """However a stream is cut in two, at any byte, the events are the same: LF, CR, CRLF, comments, many lines."""
    for cut in range(len(STREAM) + 1):
        assert parse(STREAM, cut) == EVENTS, cut


def test_byte_by_byte():
    """A stream that comes byte by byte gives the same events."""
    assert parse(STREAM, *range(len(STREAM))) == EVENTS


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), max_size=6), ENDS, st.data())
def test_what_is_written_is_read(events, end, data):
    """Any text in any number of data lines comes back whole, with each kind of line end and any cuts."""
    lines = [line for event in events for line in [*(b"data: " + word.encode() for word in event), b""]]
    stream = b"".join(line + end for line in lines)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert parse(stream, *cuts) == ["\n".join(words).encode() for words in events]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
@settings(max_examples=300)
def test_no_bytes_make_it_fail(stream, cuts):
    """Any bytes whatever are parsed, and cuts change nothing."""
    assert parse(stream, *cuts) == parse(stream)


def test_an_event_comes_as_soon_as_it_is_whole():
    """An event is given with the byte that ends it, also after a lone CR."""
    parser = SseParser()
    assert list(parser.feed(b"data: a\r\n\r")) == [b"a"]
    assert list(parser.feed(b"\ndata: b\n")) == []
    assert list(parser.feed(b"\n")) == [b"b"]


def take(*events: object, raw: bytes = b"") -> Outcome:
    """Read a stream whose pieces come one second after another."""
    outcome = Outcome()
    answer = Answer(outcome)
    for second, event in enumerate(events):
        answer.take(b"data: " + json.dumps(event).encode() + b"\n\n", float(second))
    answer.take(raw + b"data: [DONE]\n\n", 99.0)
    answer.check()
    return outcome


def test_first_token_and_gaps():
    """The first token is the first content that is not empty; gaps lie between contents; usage is the server's."""
    role, usage = (
        {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"prompt_tokens": 3, "completion_tokens": 9},
    )
    words = [{"choices": [{"delta": {"content": word}}]} for word in "abc"]
    outcome = take(role, *words, {"choices": [], "usage": usage})
    assert (outcome.first_token, outcome.gaps) == (1.0, [1.0, 1.0])
    assert (outcome.tokens_in, outcome.tokens_out) == (3, 9)


def test_tokens_are_never_counted_by_us():
    """Where a server reports no usage, or nonsense, the number of tokens is unknown."""
    text = {"choices": [{"text": "a"}]}
    assert take(text).tokens_out is None
    assert take(text, {"usage": {"completion_tokens": "many", "prompt_tokens": 2**40}}).tokens_in is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "usage", "delta", "text", "content", "error", "prompt_tokens"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4), st.binary(max_size=30))
@settings(max_examples=300)
def test_no_server_breaks_the_client(events, raw):
    """Whatever JSON or bytes a server streams, it is an answer or a failure with a name."""
    kind, tokens = None, None
    try:
        tokens = take(*events, raw=raw).tokens_in
    except RequestFailed as failure:
        kind = failure.kind
    assert kind in {None, "malformed", "server_error", "empty", "truncated"}
    assert tokens is None or 0 <= tokens < 2**31


def test_an_error_in_the_stream_is_one():
    """An error object in the stream fails the request, with the server's words."""
    with pytest.raises(RequestFailed, match="out of memory"):
        take({"error": {"message": "out of memory"}})
