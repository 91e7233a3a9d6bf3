"""URLs of objects that carry their own signature, so that k6 needs no key.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from collections.abc import Iterable
from urllib.parse import quote

from loadtests.outcome import SetupError
from loadtests.plan import Target
from loadtests.s3.client import credentials

_LONGEST = 7 * 86400
_WAITING = 3600.0
"""Seconds that a load may wait for its first phase."""


def presigned(target: Target, objects: Iterable[str], region: str, seconds: float) -> list[str]:
    """Return a URL to GET each of `objects` (bucket/key) for the next `seconds`, and an hour. Raises SetupError."""
    try:
        from botocore.auth import S3SigV4QueryAuth  # noqa: PLC0415 - an extra, needed for this protocol only
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - an extra
        from botocore.credentials import Credentials  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SetupError("botocore is missing: pip install 'dashcam[s3]'") from error
    signer = S3SigV4QueryAuth(
        Credentials(*credentials(target)), "s3", region, expires=min(_LONGEST, round(seconds + _WAITING))
    )
    found = []
    for path in objects:
        request = AWSRequest("GET", f"{target.url.rstrip('/')}/{quote(path.lstrip('/'))}")
        signer.add_auth(request)
        found.append(str(request.url))
    return found
