"""The `s3` generator against a real SeaweedFS."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from loadtests.generators import registry
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.s3.client import S3Client
from loadtests.s3.space import MARKER, key
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, free_port, seconds

pytestmark = pytest.mark.real

LOAD = a_load({"name": "steady", "for": 2, "rate": 60}, generator="s3", seed=5)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.seaweedfs() as target:
        yield target


def s3(target, load=LOAD, **options):
    """Make the generator."""
    kind = registry()["s3"]
    return kind.create(target, kind.Options.model_validate({"objects": 20, **options}), load)


async def keys(target, prefix="load/", bucket="dashcam-load"):
    """Return all keys below a prefix."""
    client = S3Client(target, bucket, "us-east-1")
    _, _, body = await client.ask("GET", "", Outcome(), query=f"list-type=2&prefix={quote(prefix, safe='')}")
    await client.close()
    return [part.split(b"<")[0].decode() for part in body.split(b"<Key>")[1:]]


async def test_a_mix_is_sent_checked_and_cleared_away(target, tmp_path):
    """Every operation of the mix happens, in its share, with its bytes; nothing is left after it."""
    options = {"objects": 150, "size": {"kind": "lognormal", "median": "8KiB", "sigma": 1.5, "max": "1MiB"}}
    mix = {"get": 50, "put": 30, "head": 5, "list": 5, "delete": 10}
    table, engine = await asyncio.to_thread(drive, LOAD, s3(target, mix=mix, **options), tmp_path)
    assert engine.errors == {}
    rows = table.to_pylist()
    counts = Counter(row["operation"] for row in rows)
    assert counts.keys() == {"GET", "PUT", "HEAD", "LIST", "DELETE"}
    assert counts["GET"] > counts["PUT"] > counts["DELETE"]
    assert all((row["sent_bytes"] > 0) == (row["operation"] == "PUT") for row in rows)
    assert all(row["received"] > 0 for row in rows if row["operation"] in {"GET", "LIST"})
    assert len({row["received"] for row in rows if row["operation"] == "GET"}) > 10
    assert (seconds(table, "done", "sent") > 0).all()
    assert await keys(target) == []


async def test_large_objects_go_in_parts(target):
    """An object above the bound is written in parts and read back whole; its ETag is that of its parts."""
    generator = s3(target, objects=2, size="11MiB", multipart_above="5MiB", mix={"get": 1, "put": 1, "head": 1})
    notes = await generator.setup()
    assert notes["bytes"] == 2 * 11 * 2**20
    for number in range(6):
        await generator.request(number, outcome := Outcome())
        if outcome.operation != "HEAD":
            assert max(outcome.sent_bytes, outcome.received) >= 11 * 2**20
    await generator.close()
    assert await keys(target) == []


async def test_objects_of_others_are_left_alone(target):
    """A prefix that holds what no load wrote is refused; what a load left is cleared by the next, and only that."""
    client = S3Client(target, "shared-by-all", "us-east-1")
    await client.ask("PUT", "", Outcome())
    await client.ask("PUT", "load/precious", Outcome(), data=b"x")
    with pytest.raises(SetupError, match="load/precious, which no load wrote"):
        await (generator := s3(target, bucket="shared-by-all")).setup()
    await generator.close()
    first = s3(target, bucket="shared-by-all", prefix="mine/", keep=True)
    await first.setup()
    await first.close()
    await client.ask("PUT", "mine-too/o/000000/0000000000", Outcome(), data=b"x")
    second = s3(target, bucket="shared-by-all", prefix="mine/", objects=3)
    assert (await second.setup())["cleared"] == 20 + 40
    other = s3(target, bucket="shared-by-all", prefix="mine/", objects=3)
    await other.attach()
    await other.request(0, Outcome())
    await other.close()
    assert len(await keys(target, "mine/", "shared-by-all")) == 3 + 40 + 1
    await client.ask("PUT", "mine/later", Outcome(), data=b"x")
    await second.close()
    left = sorted(await keys(target, "", "shared-by-all"))
    assert left == ["load/precious", "mine-too/o/000000/0000000000", "mine/later"]
    with pytest.raises(SetupError, match=r"mine/later"):
        await (generator := s3(target, bucket="shared-by-all", prefix="mine/")).setup()
    with pytest.raises(SetupError, match="not set up"):
        await generator.attach()
    await generator.close()
    await client.close()


async def test_what_comes_back_wrong_is_named(target, tmp_path):
    """Changed, shortened, missing and hidden objects, a wrong key and a port where nobody is: each has its kind."""
    names = {"get": {"get": 1}, "head": {"head": 1}, "list": {"list": 1}}
    generators = {name: s3(target, mix=mix, objects=1) for name, mix in names.items()}
    await generators["get"].setup()
    for name in ("head", "list"):
        await generators[name].attach()
    client = S3Client(target, "dashcam-load", "us-east-1")
    path = f"load/{key('o', 0)}"
    _, _, body = await client.ask("GET", path, Outcome())

    async def kinds():
        found = []
        for generator in generators.values():
            try:
                await generator.request(0, Outcome())
                found.append(None)
            except RequestFailed as failure:
                found.append(failure.kind)
        return found

    assert await kinds() == [None, None, None]
    await client.ask("PUT", path, Outcome(), data=body[:-1] + bytes([body[-1] ^ 1]))
    assert await kinds() == ["checksum", "checksum", None]
    await client.ask("PUT", path, Outcome(), data=body[:-1])
    assert await kinds() == ["truncated", "wrong_answer", None]
    await client.ask("DELETE", path, Outcome(), accept=(204,))
    assert await kinds() == ["http_404_NoSuchKey", "http_404", "wrong_answer"]
    for generator in generators.values():
        await generator.close()
    await client.close()
    wrong = tmp_path / "wrong"
    wrong.write_text(f"{target.secret()}x")
    bad = {"secret_file": wrong}, {"secret_file": tmp_path / "wrong2"}, {"url": f"http://127.0.0.1:{free_port()}"}
    (tmp_path / "wrong2").write_text("no-colon")
    for update, words in zip(bad, ("http_403", "ACCESS_KEY:SECRET_KEY", "refused"), strict=True):
        generator = s3(target.model_copy(update=update))
        with pytest.raises(SetupError, match=words) as caught:
            await generator.setup()
        assert wrong.read_text().partition(":")[2] not in str(caught.value)
        await generator.close()


async def test_a_put_that_is_cut_off_leaves_no_parts(target):
    """A multipart upload that is cancelled is taken back at the store."""
    generator = s3(target, objects=1, size="40MiB", multipart_above="5MiB", mix={"put": 1}, keep=True)
    await generator.setup()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await generator.request(0, Outcome())
    client = S3Client(target, "dashcam-load", "us-east-1")
    deadline = time.monotonic() + 10
    while b"<Upload>" in (await client.ask("GET", "", Outcome(), query="prefix=load%2F&uploads="))[2]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert f"load/{MARKER}" in await keys(target)
    await client.close()
    await generator.close()
