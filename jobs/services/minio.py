"""`minio`: MinIO, an S3 store of one node and one drive, the program `minio` on PATH or in its image.

Variables: https://min.io/docs/minio/linux/reference/minio-server/settings.html. Root's credentials are the run's own
and come by files. Its metrics (https://github.com/minio/minio/blob/master/docs/metrics/v3.md) ask for a JSON Web Token
that root has signed, which we sign ourselves as `mc admin prometheus generate` does.
"""

import base64
import hashlib
import hmac
import importlib.util
import json
import re
import secrets
import time
from dataclasses import replace

from pydantic import BaseModel, Field

from jobs.services.about import NEVER, About
from jobs.services.base import Context, PlanError, ServicePlan, said
from jobs.services.s3_load import OBJECTS
from jobs.services.s3_probe import S3Probe
from loadtests.plan import Target
from prometheus import keep
from prometheus.config import Bearer
from runs.recipe import Strict

_TOKEN_FOR = 30 * 86400
"""Seconds that the token of the metrics is good for; the server's own end comes long before."""


class Options(Strict):
    """Keys of a `minio` service."""

    port: int | None = Field(None, ge=1, le=65535, description="of S3; default: a free one")
    requests: int = Field(0, ge=0, description="requests worked on at once; 0: MinIO's own choice, by memory")


class Minio:
    """See the module."""

    kind = "minio"
    image = "minio"
    Options: type[BaseModel] = Options
    about = About(
        title="MinIO, an S3 store, one node and one drive",
        load=OBJECTS,
        ports="S3; no console",
        guard="random credentials of root in 0600 files; the metrics ask for a token that they sign",
        metrics="/minio/metrics/v3/api/requests behind the token; requests and errors by call, in work, bytes",
        program="`minio` on PATH (a release of its project); no wheel or Debian package has it",
        seen=NEVER,
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        binary = context.program("minio", "put a release there, or run it in its image: runtime: apptainer")
        if importlib.util.find_spec("botocore") is None:
            raise PlanError(f"service {context.name}: botocore is missing: pip install 'dashcam[s3]'")
        access, secret = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
        key = context.secret(f"{context.name}.key", f"{access}:{secret}")
        user = context.secret(f"{context.name}.user", access)
        password = context.secret(f"{context.name}.password", secret)
        token = context.secret(f"{context.name}.token", metrics_token(access, secret, int(time.time()) + _TOKEN_FOR))
        port, home = context.port(options.port), context.scratch
        url = f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=(
                *(binary, "server", "--address", f"{context.address}:{port}"),
                *("--certs-dir", str(home / "certs"), str(home / "data")),  # else those of the user's home are taken
            ),
            env={
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "MINIO_CALLHOME_ENABLE": "off",
                **({"MINIO_API_REQUESTS_MAX": str(options.requests)} if options.requests else {}),
                **context.env,
                "MINIO_PROMETHEUS_AUTH_TYPE": "jwt",
                "MINIO_ROOT_USER_FILE": str(user),
                "MINIO_ROOT_PASSWORD_FILE": str(password),
            },
            prepare=(("mkdir", "-p", "-m", "700", str(home), str(home / "certs"), str(home / "data")),),
            probe=S3Probe(url, key),
            port=port,
            pwd=str(home) if image else "",
        )
        scrape = replace(
            context.page(port),
            metrics_path="/minio/metrics/v3/api/requests",
            auth=Bearer(token),
            keep=keep.MINIO,
        )
        return ServicePlan(
            programs=(program,),
            target=Target(protocol="s3", url=url, secret_file=key),
            scrapes=(scrape,),
            versions=((f"{context.name} (MinIO)", image.version if image else _version(binary)),),
        )


def metrics_token(access: str, secret: str, until: int) -> str:
    """Return a JSON Web Token (RFC 7519, HS512) for MinIO's metrics, good until then (UTC seconds)."""
    head = {"alg": "HS512", "typ": "JWT"}
    claims = {"exp": until, "iss": "prometheus", "sub": access}
    signed = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    return f"{signed}.{_base64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha512))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _version(binary: str) -> str:
    """Return what `minio --version` says: `minio version RELEASE.2025-09-07T16-13-09Z (...)`."""
    match = re.search(r"version (\S+)", said(binary, "--version"))
    return match[1] if match else "unknown"


SERVICE = Minio()
