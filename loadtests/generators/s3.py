"""`s3`: objects written, read, listed and deleted over the S3 API, every byte that comes back checked."""

import asyncio
import contextlib
import random
import re
import sys
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from loadtests.generators.base import GeneratorKind
from loadtests.mix import Mix
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.s3.client import S3Client
from loadtests.s3.content import Content, Contents, spans
from loadtests.s3.sizes import LARGEST, Sizes
from loadtests.s3.space import Space, in_parallel, key, listed
from runs.recipe import Load, Strict
from runs.units import Bytes

_BEHIND = 8
"""Blocks of the mix between a PUT and the DELETE of what it wrote: long enough for the PUT to have ended."""
_PARTS_AT_ONCE = 4
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_CLEAR_WITHIN = 10.0

Operation = Literal["get", "put", "head", "list", "delete"]
_MIX: dict[Operation, int] = {"get": 70, "put": 20, "list": 5, "delete": 5}


class Options(Strict):
    """Keys of an `s3` load."""

    mix: dict[Operation, int] = Field(
        default_factory=lambda: dict(_MIX),
        description="weights of the operations: {get: 70, put: 20, list: 5, delete: 5}; head is one too",
    )
    objects: int = Field(
        500, ge=1, le=10_000_000, description="objects written before the load, for GET, HEAD and LIST"
    )
    size: Bytes | Sizes = Field(
        64 * 2**10, description="of each object: 64KiB, or a distribution: {kind: lognormal, ...}"
    )
    multipart_above: Bytes = Field(
        8 * 2**20,
        ge=5 * 2**20,
        le=2**28,
        description="larger objects are written in parts of this size (S3: 5MiB or more)",
    )
    bucket: str = Field("dashcam-load", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="made if need be")
    prefix: str = Field(
        "load/",
        pattern=r"^[a-z0-9][a-z0-9/_-]{0,60}/$",
        description="the load's own part of the bucket; it must hold nothing else",
    )
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,40}$", description="region that requests are signed for")
    keep: bool = Field(False, description="leave the objects where they are after the load")
    etag: Literal["md5", "any"] = Field("md5", description="any: the store's ETag is no MD5 (encrypted by KMS)")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if min(self.mix.values(), default=0) < 0 or not 0 < sum(self.mix.values()) <= 10_000:
            raise ValueError("weights of the mix are whole numbers of 0 or more, together 1 to 10000")
        if self.mix.get("delete", 0) > self.mix.get("put", 0):
            raise ValueError("a load deletes only what it wrote: the weight of delete may not be more than that of put")
        if isinstance(self.size, int) and not 0 <= self.size <= LARGEST:
            raise ValueError(f"size is 0 to {LARGEST} bytes")
        return self


class S3:
    """Sends each request with what its number says, and checks the answer to the last byte."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._target = target
        self._options = options
        self._seed = load.seed
        self._mix = Mix({str(name): weight for name, weight in options.mix.items()}, load.seed)
        sizes = options.size.quantiles() if isinstance(options.size, Sizes) else [options.size]
        self._contents = Contents(load.seed, sizes)
        self._deletes = self._mix.counts.get("delete", 0)
        self._client: S3Client | None = None
        self._space: Space | None = None
        self._owner = False

    async def _open(self) -> tuple[S3Client, Space]:
        await asyncio.to_thread(self._contents.warm, self._options.multipart_above)
        self._client = S3Client(self._target, self._options.bucket, self._options.region)
        self._space = Space(self._client, self._options.bucket, self._options.prefix)
        return self._client, self._space

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        _, space = await self._open()
        names = [key("o", index) for index in range(self._options.objects)]
        names += [key("d", index) for index in range(_BEHIND * self._deletes)]
        begin = asyncio.get_running_loop().time()
        try:
            cleared = await space.take()
            self._owner = True
            await in_parallel(names, lambda name: self._put(name, Outcome()))
        except RequestFailed as failure:
            raise SetupError(f"S3 at {self._target.url}, bucket {self._options.bucket}: {failure}") from failure
        took = asyncio.get_running_loop().time() - begin
        written = sum(self._contents.of(name).size for name in names)
        where = f"{self._options.bucket}/{self._options.prefix}"
        notes = {"where": where, "objects": len(names), "bytes": written, "cleared": cleared}
        return {**notes, "setup_seconds": round(took, 3)}

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        _, space = await self._open()
        await space.check()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`. What takes too long to delete is left to the next load."""
        if self._space is not None and self._owner and not self._options.keep:
            try:
                async with asyncio.timeout(_CLEAR_WITHIN):
                    await self._space.clear()
            except (RequestFailed, TimeoutError) as error:
                where = f"{self._options.bucket}/{self._options.prefix}"
                print(f"objects are left in {where}: {error!r}", file=sys.stderr)  # noqa: T201 - the load's log
        if self._client is not None:
            await self._client.close()

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        operation, rank = self._mix.of(number)
        outcome.operation = operation.upper()
        outcome.sent_bytes = 0
        chosen = random.Random(f"{self._seed}/{number}").randrange(self._options.objects)  # noqa: S311 - no secret
        if operation == "put":
            await self._put(key("w", rank), outcome)
        elif operation == "delete":
            # What an earlier block wrote; in the first blocks, what the set-up wrote for that.
            late = rank - _BEHIND * self._deletes
            block, place = divmod(late, max(1, self._deletes))
            name = key("w", block * self._mix.counts["put"] + place) if late >= 0 else key("d", rank)
            await self._ask("DELETE", name, outcome, accept=(200, 204))
        elif operation == "list":
            await self._list(chosen // 100, outcome)
        elif operation == "head":
            await self._head(key("o", chosen), outcome)
        else:
            await self._get(key("o", chosen), outcome)

    async def _ask(
        self, method: str, name: str, outcome: Outcome, *, query: str = "", data: bytes | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> tuple[Any, bytes]:  # fmt: skip
        assert self._client is not None  # noqa: S101 - set up before the first request
        path = self._options.prefix + name
        _, headers, body = await self._client.ask(method, path, outcome, query=query, data=data, accept=accept)
        return headers, body

    async def _put(self, name: str, outcome: Outcome) -> None:
        content = self._contents.of(name)
        outcome.sent_bytes = content.size
        if content.size > self._options.multipart_above:
            etag = await self._put_parts(name, content, outcome)
        else:
            headers, _ = await self._ask("PUT", name, outcome, data=self._contents.read(content, 0, content.size))
            etag = headers.get("ETag", "")
        self._check_etag(etag, content)

    def _check_etag(self, etag: str, content: Content) -> None:
        if self._options.etag == "md5":
            wanted = self._contents.etag(content, self._options.multipart_above)
            if etag.strip('"') != wanted:
                raise RequestFailed("checksum", f"ETag {etag} of an object whose MD5 is {wanted}")

    async def _put_parts(self, name: str, content: Content, outcome: Outcome) -> str:
        """Write an object in parts, four at once; returns the ETag. What was begun and not ended is taken back."""
        _, body = await self._ask("POST", name, outcome, query="uploads=")
        if (found := _UPLOAD_ID.search(body)) is None:
            raise RequestFailed("malformed", body[:200].decode(errors="replace"))
        upload = quote(found[1].decode(), safe="")
        turns = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def send(index: int, span: tuple[int, int]) -> str:
            async with turns:
                part, data = Outcome(), self._contents.read(content, *span)
                query = f"partNumber={index}&uploadId={upload}"
                headers, _ = await self._ask("PUT", name, part, query=query, data=data)
                outcome.retries += part.retries
                return f"<Part><PartNumber>{index}</PartNumber><ETag>{headers.get('ETag', '')}</ETag></Part>"

        work = [
            asyncio.ensure_future(send(index, span))
            for index, span in enumerate(spans(content.size, self._options.multipart_above), 1)
        ]
        try:
            parts = await asyncio.gather(*work)
            text = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>"
            _, body = await self._ask("POST", name, outcome, query=f"uploadId={upload}", data=text.encode())
        except BaseException:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            with contextlib.suppress(RequestFailed):
                await self._ask("DELETE", name, Outcome(), query=f"uploadId={upload}", accept=(200, 204))
            raise
        # S3 begins its answer before it knows the end: an error may follow a 200.
        found = re.search(rb"<ETag>(?:&quot;|&#34;|\")?([0-9a-f-]+)", body)
        if found is None:
            raise RequestFailed("not_completed", body[:400].decode(errors="replace"))
        return found[1].decode()

    async def _get(self, name: str, outcome: Outcome) -> None:
        """Read an object and compare it, piece by piece as it comes, with what was written."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        content, at = self._contents.of(name), 0
        async with self._client.stream("GET", self._options.prefix + name, outcome) as response:
            async for chunk in response.content.iter_any():
                outcome.received += len(chunk)
                if chunk != self._contents.read(content, at, at + len(chunk)):
                    raise RequestFailed("checksum", f"{name} differs between bytes {at} and {at + len(chunk)}")
                at += len(chunk)
        if at != content.size:
            raise RequestFailed("truncated", f"{name} has {content.size} bytes, {at} came")

    async def _head(self, name: str, outcome: Outcome) -> None:
        headers, _ = await self._ask("HEAD", name, outcome)
        content = self._contents.of(name)
        if headers.get("Content-Length") != str(content.size):
            length = headers.get("Content-Length")
            raise RequestFailed("wrong_answer", f"{name} has {content.size} bytes, not {length}")
        self._check_etag(headers.get("ETag", ""), content)

    async def _list(self, directory: int, outcome: Outcome) -> None:
        """List a hundred keys that were there before the load, and nothing else."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        prefix = f"{self._options.prefix}o/{directory:06d}/"
        query = f"list-type=2&max-keys=1000&prefix={quote(prefix, safe='')}"
        _, _, body = await self._client.ask("GET", "", outcome, query=query)
        last = min(self._options.objects, 100 * directory + 100)
        wanted = [self._options.prefix + key("o", index) for index in range(100 * directory, last)]
        if listed(body) != wanted:
            raise RequestFailed("wrong_answer", f"{prefix} holds {len(wanted)} keys; the listing has others")


GENERATOR = GeneratorKind(name="s3", targets=("s3",), Options=Options, create=S3)
