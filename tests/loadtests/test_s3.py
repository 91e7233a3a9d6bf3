"""What the `s3` load writes and how it knows what it reads, without a store."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtests.generators.s3 import Options
from loadtests.outcome import RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.s3.client import credentials, named
from loadtests.s3.content import Contents, spans
from loadtests.s3.sizes import Sizes
from loadtests.s3.space import key, listed

PART = 1000


def md5(data):
    """MD5, which is what S3's ETags are."""
    return hashlib.md5(data, usedforsecurity=False)


@settings(max_examples=60)
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 99))
def test_any_piece_of_an_object_is_that_piece(size, begin, length, index):
    """What is read in pieces is the object cut in pieces, and its MD5 that of its bytes; both whatever the bounds."""
    contents = Contents(3, [size])
    content = contents.of(key("o", index))
    whole = contents.read(content, 0, size)
    assert len(whole) == size
    begin, end = min(begin, size), min(begin + length, size)
    assert contents.read(content, begin, end) == whole[begin:end]
    assert contents.read(content, begin, size + 99) == whole[begin:]
    assert contents.md5(content, begin, end) == md5(whole[begin:end]).digest()
    parts = [md5(whole[a:b]).digest() for a, b in spans(size, PART)]
    single = md5(whole).hexdigest()
    assert contents.etag(content, PART) == (
        single if size <= PART else f"{md5(b''.join(parts)).hexdigest()}-{len(parts)}"
    )


def test_an_object_larger_than_the_pool_comes_round():
    """Beyond 32 MiB the bytes repeat, and pieces still fit together."""
    size = 70 * 2**20
    contents = Contents(1, [size])
    content = contents.of("x")
    at = 32 * 2**20 - 5
    assert contents.read(content, at, at + 20) == contents.read(content, at, at + 10) + contents.read(
        content, at + 10, at + 20
    )
    assert len(contents.read(content, 10, size)) == size - 10


def test_objects_differ_and_return():
    """Two keys hold different bytes, two seeds too; the same seed and key the same."""
    contents = Contents(1, [100, 200])
    bodies = {name: contents.read(contents.of(name), 0, 200) for name in (key("o", index) for index in range(300))}
    assert len(set(bodies.values())) == 300
    assert {len(body) for body in bodies.values()} == {100, 200}
    again = Contents(1, [100, 200])
    assert all(again.read(again.of(name), 0, 200) == body for name, body in bodies.items())
    other = Contents(2, [100, 200])
    assert all(other.read(other.of(name), 0, 200) != body for name, body in bodies.items())


@pytest.mark.parametrize(
    ("options", "smallest", "middle", "largest"),
    [
        ({"kind": "uniform", "min": 1000, "max": "2kB"}, 1005, 1505, 1995),
        ({"kind": "lognormal", "median": "64KiB", "sigma": 0}, 65536, 65536, 65536),
        ({"kind": "lognormal", "median": 1000, "sigma": 1, "max": 5000}, 76, 1013, 5000),
        ({"kind": "choice", "of": {"1MiB": 20, "4KiB": 80}}, 4096, 4096, 2**20),
    ],
)
def test_sizes_follow_their_distribution(options, smallest, middle, largest):
    """A hundred quantiles stand for the distribution."""
    found = Sizes.model_validate(options).quantiles()
    assert len(found) == 100
    assert found == sorted(found)
    assert (found[0], found[50], found[-1]) == (smallest, middle, largest)
    if options["kind"] == "choice":
        assert found.count(2**20) == 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mix": {"delete": 2, "put": 1}}, "deletes only what it wrote"),
        ({"mix": {"get": 0}}, "together 1 to"),
        ({"mix": {"copy": 1}}, "'get', 'put', 'head', 'list' or 'delete'"),
        ({"size": {"kind": "choice"}}, "goes with kind: choice"),
        ({"size": {"kind": "choice", "of": {"4KiB": -1}}}, "weights in `of`"),
        ({"size": {"kind": "uniform", "min": 5, "max": 4}}, "more than max"),
        ({"size": "4 potatoes"}, "is not a size"),
        ({"size": -1}, "size is 0 to"),
        ({"multipart_above": "1MiB"}, "5242880"),
        ({"prefix": ""}, "pattern"),
        ({"prefix": "/"}, "pattern"),
    ],
)
def test_options_that_cannot_be(options, words):
    """What a load cannot do, or must not, is refused."""
    with pytest.raises(ValidationError, match=words):
        Options.model_validate(options)


def test_options_read_back():
    """Options as they stand in the plan give the same options."""
    options = Options.model_validate({"size": {"kind": "choice", "of": {"4KiB": 1}}, "mix": {"get": 1}})
    assert Options.model_validate(options.model_dump(mode="json")) == options


def test_listing():
    """Keys are read from a listing; what is cut short or no listing is named."""
    xml = b"<ListBucketResult><Contents><Key>a/b&amp;c</Key></Contents></ListBucketResult>\n"
    assert listed(xml) == ["a/b&c"]
    for body, kind in ((xml[:40], "truncated"), (b"hello", "malformed")):
        with pytest.raises(RequestFailed) as caught:
            listed(body)
        assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ("<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>", "http_503_SlowDown"),
        ("<Error><Code>Whatever123</Code></Error>", "http_503"),
        ("<Error><Code>MadeUp</Code></Error>", "http_503"),
        ("busy", "http_503"),
    ],
)
def test_failures_carry_the_stores_code(detail, kind):
    """S3's own codes become part of the kind; words that a server makes up do not."""
    assert named(RequestFailed("http_503", detail)).kind == kind


def test_credentials(tmp_path):
    """The file holds both keys in one line; what it holds instead is not told."""
    path = tmp_path / "key"
    target = Target(protocol="s3", url="http://x", secret_file=path)
    path.write_text("AK:se/c:ret\n")
    assert credentials(target) == ("AK", "se/c:ret")
    path.write_text("hush")
    with pytest.raises(SetupError, match="ACCESS_KEY:SECRET_KEY") as caught:
        credentials(target)
    assert "hush" not in str(caught.value)
