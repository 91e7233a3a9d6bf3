"""The part of a bucket that belongs to a load: marked as such, and nothing in it that the load did not write."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from urllib.parse import quote
from xml.sax.saxutils import escape, unescape

from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.s3.client import S3Client

MARKER = ".dashcam-load"
_MARK = b"The objects below this prefix were made by a dashcam load, and the next one with this prefix deletes them.\n"
_OURS = re.compile(r"[odw]/[0-9]{6,}/[0-9]{10,}")
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_NEXT = re.compile(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>")
_UPLOAD = re.compile(rb"<Upload>.*?<Key>([^<]*)</Key>.*?<UploadId>([^<]*)</UploadId>.*?</Upload>", re.DOTALL)
_AT_ONCE = 16
_A_CALL = 1000
"""Keys that one request may delete or list."""


def key(group: str, index: int) -> str:
    """Return the key below the prefix of object `index` of a group: o (read), w (written), d (written to be deleted).

    A hundred keys share a directory, so that one listing can be checked whole.
    """
    return f"{group}/{index // 100:06d}/{index:010d}"


def listed(body: bytes) -> list[str]:
    """Return the keys of a listing. Raises RequestFailed where it is none."""
    if not body.rstrip().endswith(b"</ListBucketResult>"):
        raise RequestFailed("truncated" if b"<ListBucketResult" in body else "malformed", body[-200:].decode("latin-1"))
    return [unescape(name.decode(errors="replace"), {"&quot;": '"', "&#34;": '"'}) for name in _KEY.findall(body)]


class Space:
    """A prefix of a bucket. Nothing that the load did not write is ever deleted: neither object nor bucket."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    async def take(self) -> int:
        """Make the bucket if need be, clear what an earlier load left; returns how many objects. Raises SetupError."""
        status, _, _ = await self._client.ask("HEAD", "", Outcome(), accept=(200, 404))
        if status != 200:
            await self._client.ask("PUT", "", Outcome())
        keys = []
        async for name in self._all():
            if name != MARKER and not _OURS.fullmatch(name):
                raise self._foreign(name)  # at the first: there may be millions
            keys.append(name)
        if keys and MARKER not in keys:
            raise self._foreign(keys[0])
        await self._client.ask("PUT", self._prefix + MARKER, Outcome(), data=_MARK)
        await self._abort_uploads()
        await self._delete(name for name in keys if name != MARKER)
        return max(0, len(keys) - 1)

    def _foreign(self, name: str) -> SetupError:
        return SetupError(
            f"bucket {self._bucket} holds {self._prefix}{name}, which no load wrote: give the load another `prefix`"
        )

    async def check(self) -> None:
        """Make sure that a load has taken this prefix. Raises SetupError."""
        try:
            _, _, body = await self._client.ask("GET", self._prefix + MARKER, Outcome())
        except RequestFailed as failure:
            raise SetupError(f"bucket {self._bucket}, prefix {self._prefix}: not set up: {failure}") from failure
        if body != _MARK:
            raise self._foreign(MARKER)

    async def clear(self) -> None:
        """Delete what the load wrote, the marker last. Raises RequestFailed."""
        await self._abort_uploads()
        keys = [name async for name in self._all() if _OURS.fullmatch(name)]
        await self._delete(keys)
        await self._client.ask("DELETE", self._prefix + MARKER, Outcome(), accept=(200, 204))

    async def _all(self) -> AsyncIterator[str]:
        """Yield each key below the prefix, without the prefix."""
        token = ""
        while True:
            query = f"continuation-token={quote(token, safe='')}&" if token else ""
            query += f"list-type=2&max-keys={_A_CALL}&prefix={quote(self._prefix, safe='')}"
            _, _, body = await self._client.ask("GET", "", Outcome(), query=query)
            for name in listed(body):
                yield name.removeprefix(self._prefix)
            if (found := _NEXT.search(body)) is None:
                return
            token = unescape(found[1].decode())

    async def _delete(self, names: Iterable[str]) -> None:
        """Delete keys, a thousand a request."""
        left = list(names)
        for start in range(0, len(left), _A_CALL):
            keys = "".join(
                f"<Object><Key>{escape(self._prefix + name)}</Key></Object>" for name in left[start : start + _A_CALL]
            )
            body = f"<Delete><Quiet>true</Quiet>{keys}</Delete>".encode()
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            headers = {"Content-MD5": digest, "Content-Type": "application/xml"}
            _, _, answer = await self._client.ask("POST", "", Outcome(), query="delete=", data=body, headers=headers)
            if b"<Error>" in answer:
                raise RequestFailed("not_deleted", answer[:400].decode(errors="replace"))

    async def _abort_uploads(self) -> None:
        query = f"prefix={quote(self._prefix, safe='')}&uploads="
        _, _, body = await self._client.ask("GET", "", Outcome(), query=query)
        for name, upload in _UPLOAD.findall(body):
            path, what = name.decode(), f"uploadId={quote(upload.decode(), safe='')}"
            if _OURS.fullmatch(path.removeprefix(self._prefix)):
                await self._client.ask("DELETE", path, Outcome(), query=what, accept=(200, 204, 404))


async def in_parallel(names: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do `work` for each name, 16 at once. Raises what the first that fails raises."""
    left = iter(names)

    async def worker() -> None:
        for name in left:
            await work(name)

    workers = [asyncio.ensure_future(worker()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
