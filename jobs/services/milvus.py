"""`milvus`: Milvus standalone: one process with its own etcd, its log in RocksDB and its data in the node's scratch.

As https://github.com/milvus-io/milvus/blob/master/scripts/standalone_embed.sh starts it. Keys of milvus.yaml come by
the environment, in capitals with `_` for `.`, and go before the file. The proxy asks for root's password, which is the
run's own. Nothing makes Milvus listen on one address only; its inner gRPC and its page of metrics ask nobody.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, Field

from jobs.services.about import NEVER, About
from jobs.services.base import Context, ServicePlan
from jobs.services.rest_probe import NAME, Asker, NotReadyError, RestProbe, found
from jobs.services.vector_load import NEAREST
from loadtests.plan import Target
from prometheus import keep
from runs.recipe import Strict

_LOOPBACK = "127.0.0.1"
_PARTS = ("ROOTCOORD", "DATACOORD", "QUERYCOORD", "QUERYNODE", "DATANODE", "STREAMINGNODE", "INDEXNODE")
"""Parts that listen for each other; which of them there are depends on the release."""


class Options(Strict):
    """Keys of a `milvus` service."""

    common: ClassVar[Mapping[str, Any]] = {"ready_within": "5m"}  # its parts find each other one after another

    port: int | None = Field(None, ge=1, le=65535, description="of REST and gRPC; default: a free one")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="default: a free one")


@dataclass(frozen=True)
class MilvusProbe(RestProbe):
    """Ready when a vector that was put in is found again, and the page of metrics answers."""

    health: str

    def trial(self, ask: Asker) -> None:
        """See `RestProbe`. Milvus may be some seconds behind itself: what was put in stays until it is found."""
        answer = ask.session.get(self.health, timeout=ask.timeout)
        if answer.status_code != 200:
            raise NotReadyError(f"{self.health} answers {answer.status_code}: {answer.text[:200]}")
        ask.stranger("POST", "/v2/vectordb/collections/list", {})
        here = {"collectionName": NAME}
        if NAME not in _data(ask, "/collections/list"):
            _data(ask, "/collections/create", **here, dimension=2, metricType="L2")
        vectors = [{"id": 7, "vector": [1.0, 0.0]}, {"id": 8, "vector": [0.0, 1.0]}]
        _data(ask, "/entities/upsert", **here, data=vectors)
        hits = _data(ask, "/entities/search", **here, data=[[0.9, 0.1]], annsField="vector", limit=1)
        if not hits:
            raise NotReadyError(f"{self.url} has not found yet what was put in")
        found(self.url, 7, hits[0]["id"])
        _data(ask, "/collections/drop", **here)


def _data(ask: Asker, path: str, **body: Any) -> Any:
    answer = ask("POST", f"/v2/vectordb{path}", body)
    if answer["code"] != 0:
        raise NotReadyError(f"{ask.url}: {path}: {str(answer)[:300]}")
    return answer.get("data")


class Milvus:
    """See the module."""

    kind = "milvus"
    image = "milvus"
    Options: type[BaseModel] = Options
    about = About(
        title="Milvus standalone, a vector database, with embedded etcd and local storage",
        load=NEAREST,
        ports="REST and gRPC, metrics, and its parts' gRPC: on all addresses of the node; etcd on loopback",
        guard="a random password of root in 0600 files, for REST and gRPC; its parts and metrics ask nobody",
        metrics="/metrics on a port of its own, open; requests, latencies, queues, segments",
        program="`milvus` on PATH (built from source); no wheel or Debian package has the server",
        seen=NEVER,
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        binary = context.program("milvus", "run it in its image: runtime: apptainer")
        port, metrics = context.port(options.port), context.port(options.metrics_port)
        password = secrets.token_urlsafe(24)
        key = context.secret(f"{context.name}.key", f"root:{password}")
        etcd = context.secret(f"{context.name}.etcd.yaml", _etcd(context.port(None), context.port(None)))
        home, url = context.scratch, f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=(binary, "run", "standalone"),
            env={
                **({} if image else _libraries(binary)),
                **_packaged(Path(binary), there=image is not None),
                **_settings(context, home, etcd, port, metrics),
                **context.env,
                "COMMON_SECURITY_AUTHORIZATIONENABLED": "true",
                "COMMON_SECURITY_DEFAULTROOTPASSWORD": password,
            },
            prepare=(("mkdir", "-p", "-m", "700", str(home), *(str(home / part) for part in ("etcd", "data", "mq"))),),
            probe=MilvusProbe(url, key, f"http://{context.address}:{metrics}/healthz"),
            port=port,
            stop_within=30.0,
            pwd=str(home) if image else "",
        )
        scrape = replace(
            context.page(metrics),
            keep=keep.MILVUS,
        )
        note = (
            f"{context.name}: Milvus listens on all addresses of the node; its parts' own gRPC and its metrics ask for "
            "no password: while it runs, whoever reaches the node may use them"
        )
        return ServicePlan(
            programs=(program,),
            target=Target(protocol="milvus", url=url, secret_file=key),
            scrapes=(scrape,),
            versions=((f"{context.name} (Milvus)", image.version if image else "unknown"),),
            notes=(note,),
        )


def _settings(context: Context, home: Path, etcd: Path, port: int, metrics: int) -> dict[str, str]:
    return {
        "DEPLOY_MODE": "STANDALONE",
        "ETCD_USE_EMBED": "true",
        "ETCD_DATA_DIR": str(home / "etcd"),
        "ETCD_CONFIG_PATH": str(etcd),
        "COMMON_STORAGETYPE": "local",
        "LOCALSTORAGE_PATH": str(home / "data"),
        "ROCKSMQ_PATH": str(home / "mq"),
        "MQ_TYPE": "rocksmq",
        "METRICS_PORT": str(metrics),
        "PROXY_IP": context.address,
        "PROXY_PORT": str(port),
        "PROXY_INTERNALPORT": str(context.port(None)),
        **{f"{part}_{word}": value for part in _PARTS for word, value in _place(context)},
    }


def _place(context: Context) -> tuple[tuple[str, str], ...]:
    return (("IP", context.address), ("PORT", str(context.port(None))))


def _etcd(client: int, peer: int) -> str:
    """Return a configuration file of etcd with one member, on loopback."""
    clients, peers = f"http://{_LOOPBACK}:{client}", f"http://{_LOOPBACK}:{peer}"
    return yaml.safe_dump(
        {
            "name": "default",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "quota-backend-bytes": 4 << 30,
            "auto-compaction-mode": "revision",
            "auto-compaction-retention": "1000",
        },
        sort_keys=False,
    )


def _packaged(binary: Path, *, there: bool) -> dict[str, str]:
    """Return where milvus.yaml is: bin/ and configs/ lie side by side. `there`: it need not be looked for."""
    place = binary.parent.parent / "configs"
    return {"MILVUSCONF": str(place)} if there or place.is_dir() else {}


def _libraries(binary: str) -> dict[str, str]:
    """Return where a build of Milvus has its shared objects: bin/ and lib/ lie side by side."""
    place = Path(binary).resolve().parent.parent / "lib"
    if not place.is_dir():
        return {}
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(place), os.environ.get("LD_LIBRARY_PATH", ""))))}


SERVICE = Milvus()
