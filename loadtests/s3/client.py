"""Signed requests to one bucket of an S3 endpoint, with failures named by S3's own codes.

Requests are signed by botocore's S3SigV4Auth (about 30 us), with UNSIGNED-PAYLOAD in place of the body's SHA-256 (which
would take 0.5 ms a MB): that bodies arrive whole is seen from the ETag of each answer. Documentation:
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from loadtests.http import HttpClient
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target

if TYPE_CHECKING:
    import aiohttp

_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_CODES = frozenset(
    {
        *("AccessDenied", "BadDigest", "BucketAlreadyExists", "EntityTooLarge", "EntityTooSmall", "InternalError"),
        *("InvalidAccessKeyId", "InvalidPart", "InvalidRequest", "MethodNotAllowed", "NoSuchBucket", "NoSuchKey"),
        *("NoSuchUpload", "NotImplemented", "OperationAborted", "QuotaExceeded", "RequestTimeTooSkewed"),
        *("RequestTimeout", "ServiceUnavailable", "SignatureDoesNotMatch", "SlowDown"),
    }
)
"""Codes that become part of a failure's kind. A server that makes words up does not make kinds up."""


def credentials(target: Target) -> tuple[str, str]:
    """Return access key and secret key; the target's file holds them as `ACCESS:SECRET`. Raises SetupError."""
    access, colon, secret = (target.secret() or "").partition(":")
    if not (access and colon and secret):
        raise SetupError(f"{target.secret_file}: holds no S3 credentials: write ACCESS_KEY:SECRET_KEY in one line")
    return access, secret


class S3Client:
    """One bucket, by path-style addresses. Made inside a running loop. Raises SetupError."""

    def __init__(self, target: Target, bucket: str, region: str) -> None:
        try:
            from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - an extra, needed for this protocol only
            from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - an extra
            from botocore.credentials import Credentials  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SetupError("botocore is missing: pip install 'dashcam[s3]'") from error

        class Unsigned(S3SigV4Auth):  # type: ignore[misc] # botocore ships no types
            def payload(self, _request: Any) -> str:
                return "UNSIGNED-PAYLOAD"

        self._signer = Unsigned(Credentials(*credentials(target)), "s3", region)
        self._request = AWSRequest
        self._bucket = f"{target.url.rstrip('/')}/{bucket}"
        self._http = HttpClient()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def _signed(
        self, method: str, key: str, query: str, headers: Mapping[str, str] | None
    ) -> tuple[str, dict[str, str]]:
        url = f"{self._bucket}/{key}" if key else self._bucket
        if query:
            url = f"{url}?{query}"
        request = self._request(method, url, headers=dict(headers or {}))
        self._signer.add_auth(request)
        return url, dict(request.headers.items())

    @asynccontextmanager
    async def stream(
        self, method: str, key: str, outcome: Outcome, *, query: str = "", data: bytes | None = None,
        headers: Mapping[str, str] | None = None, accept: tuple[int, ...] = (200,),
    ) -> AsyncIterator["aiohttp.ClientResponse"]:  # fmt: skip
        """Send a request; see `HttpClient.stream`. `key` and `query` as they stand in a URL; no key: the bucket.

        Raises RequestFailed: http_503_SlowDown, http_404, ...
        """
        url, signed = self._signed(method, key, query, headers)
        try:
            async with self._http.stream(method, url, outcome, data=data, headers=signed, accept=accept) as response:
                yield response
        except RequestFailed as failure:
            raise named(failure) from failure

    async def ask(
        self, method: str, key: str, outcome: Outcome, *, query: str = "", data: bytes | None = None,
        headers: Mapping[str, str] | None = None, accept: tuple[int, ...] = (200,),
    ) -> tuple[int, Mapping[str, str], bytes]:  # fmt: skip
        """Send a request and read its whole answer: status, headers, body. Raises RequestFailed."""
        url, signed = self._signed(method, key, query, headers)
        try:
            return await self._http.ask(method, url, outcome, data=data, headers=signed, accept=accept)
        except RequestFailed as failure:
            raise named(failure) from failure


def named(failure: RequestFailed) -> RequestFailed:
    """Add S3's code, where the answer has a known one, to the kind of a failure."""
    found = _CODE.search(failure.detail)
    if found is None or found[1] not in _CODES:
        return failure
    return RequestFailed(f"{failure.kind}_{found[1]}", failure.detail)
