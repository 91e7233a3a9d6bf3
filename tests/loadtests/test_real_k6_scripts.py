"""k6's scripts on real services: Triton, SeaweedFS, and any URL. (openai: see test_real_k6; Chroma: tests/heavy.)"""

import asyncio
from pathlib import Path

import pytest

from loadtests.outcome import Outcome
from loadtests.s3.client import S3Client
from tests.loadtests import programs
from tests.loadtests.test_real_k6 import load

pytestmark = [pytest.mark.real, pytest.mark.timing]

EVEN = {"name": "steady", "for": 1, "rate": 30, "arrival": "constant"}


def test_triton(tmp_path):
    """Inference as JSON: each answer carries the request's own id and whole outputs."""
    with programs.triton() as service:
        inputs = [{"name": f"INPUT{index}", "shape": [2, 16], "datatype": "FP32"} for index in range(2)]
        _, frame, done = load(
            tmp_path, EVEN, target=service.target, options={"triton": {"model": "add_sub", "inputs": inputs}}
        )
        (tmp_path / "b").mkdir()
        _, wrong, _ = load(
            tmp_path / "b", EVEN, target=service.target, options={"triton": {"model": "none", "inputs": inputs}}
        )
    assert done.returncode == 0, done.stderr
    assert frame.ok.all()
    assert len(frame) == pytest.approx(30, abs=2)
    assert (frame.received > 100).all()
    assert set(wrong.error) == {"http_404"}


def test_s3(tmp_path):
    """Objects come by URLs that are signed with the service's key, and are held against their ETag; no key is sent."""
    body = bytes(range(256)) * 40

    async def fill(target):
        client = S3Client(target, "k6-bucket", "us-east-1")
        await client.ask("PUT", "", Outcome(), accept=(200, 409))
        for name in ("one", "t%20wo"):
            await client.ask("PUT", name, Outcome(), data=body)
        await client.close()

    with programs.seaweedfs() as target:
        asyncio.run(fill(target))
        objects = ["k6-bucket/one", "k6-bucket/t wo"]
        _, frame, done = load(tmp_path, EVEN, target=target, options={"s3": {"objects": objects}})
        (tmp_path / "b").mkdir()
        _, missing, _ = load(tmp_path / "b", EVEN, target=target, options={"s3": {"objects": ["k6-bucket/none"]}})
    assert done.returncode == 0, done.stderr
    assert frame.ok.all()
    assert set(frame.received) == {len(body)}
    assert set(frame.operation) == {"GET object"}
    assert set(missing.error) == {"http_404"}
    kept = "".join(path.read_text(errors="ignore") for path in (tmp_path / "load").rglob("*") if path.is_file())
    assert "X-Amz-Signature" not in kept
    assert target.secret_file is not None
    assert Path(target.secret_file).name not in {path.name for path in (tmp_path / "load").rglob("*")}


def test_a_url(server, tmp_path):
    """Any URL: another status than wanted is a failure by its name, a body without the wanted words a wrong answer."""
    good = {"request": {"contains": "word0"}, "script": "url"}
    _, frame, done = load(tmp_path, EVEN, url=f"{server}steady", options=good)
    assert done.returncode == 0, done.stderr
    assert frame.ok.all()
    for name, options, url, error in (
        ("a", {"request": {"contains": "nothing of it"}}, f"{server}steady", {"wrong_answer"}),
        ("b", {}, f"{server}status,code=503", {"http_503"}),
        ("c", {"request": {"status": 404}}, f"{server}status,code=404", set()),
    ):
        (tmp_path / name).mkdir()
        _, frame, _ = load(tmp_path / name, EVEN, url=url, options={"script": "url", **options})
        assert len(frame) > 20
        assert set(frame.error.dropna()) == error, name
