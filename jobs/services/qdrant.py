"""`qdrant`: Qdrant on one node, the program `qdrant` on PATH or in its image.

Settings: https://github.com/qdrant/qdrant/blob/master/config/config.yaml. REST and gRPC listen on the node's address
and ask for the run's key, the metrics among them; only /, /healthz, /livez and /readyz are open.
"""

import secrets
from dataclasses import replace

import yaml
from pydantic import BaseModel, Field

from jobs.services.about import NEVER, About
from jobs.services.base import Context, ServicePlan, said
from jobs.services.rest_probe import NAME, Asker, RestProbe, found
from jobs.services.vector_load import NEAREST
from loadtests.plan import Target
from prometheus import keep
from prometheus.config import Bearer
from runs.recipe import Strict


class Options(Strict):
    """Keys of a `qdrant` service."""

    port: int | None = Field(None, ge=1, le=65535, description="of REST; default: a free one")
    grpc_port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    search_threads: int = Field(0, ge=0, description="threads of searches; 0: Qdrant's own choice")
    optimizer_cpus: int = Field(0, description="CPUs for building indices; 0: Qdrant's own choice, -1: all but one")
    on_disk_payload: bool = Field(True, description="attributes are read from the disk, as Qdrant does by default")


class QdrantProbe(RestProbe):
    """Ready when a vector that was put in is found again."""

    def trial(self, ask: Asker) -> None:
        """See `RestProbe`."""
        ask("GET", "/readyz")
        path = f"/collections/{NAME}"
        ask.stranger("GET", "/collections")
        ask("DELETE", path, accept=(200, 404))
        ask("PUT", path, {"vectors": {"size": 2, "distance": "Dot"}})
        points = [{"id": 7, "vector": [1.0, 0.0]}, {"id": 8, "vector": [0.0, 1.0]}]
        ask("PUT", f"{path}/points?wait=true", {"points": points})
        answer = ask("POST", f"{path}/points/query", {"query": [0.9, 0.1], "limit": 1})
        found(path, 7, answer["result"]["points"][0]["id"])
        ask("DELETE", path)
        ask("GET", "/metrics")


class Qdrant:
    """See the module."""

    kind = "qdrant"
    image = "qdrant"
    Options: type[BaseModel] = Options
    about = About(
        title="Qdrant, a vector database, on one node",
        load=NEAREST,
        ports="REST and gRPC",
        guard="a random key in 0600 files, for every page but /, /healthz, /livez and /readyz",
        metrics="/metrics behind the key; answers by page and status, their durations, collections, memory",
        program="`qdrant` on PATH (a release of its project); no wheel or Debian package has it",
        seen=NEVER,
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        binary = context.program(
            "qdrant", "put a release of github.com/qdrant/qdrant there, or run it in its image: runtime: apptainer"
        )
        port, grpc = context.port(options.port), context.port(options.grpc_port)
        key = context.secret(f"{context.name}.key", secrets.token_urlsafe(24))
        home, url = context.scratch, f"http://{context.address}:{port}"
        config = {
            "log_level": "INFO",
            "telemetry_disabled": True,
            "storage": {
                "storage_path": str(home / "storage"),
                "snapshots_path": str(home / "snapshots"),
                "temp_path": str(home / "tmp"),
                "on_disk_payload": options.on_disk_payload,
                "performance": {
                    "max_search_threads": options.search_threads,
                    "optimizer_cpu_budget": options.optimizer_cpus,
                },
            },
            "service": {
                "host": context.address,
                "http_port": port,
                "grpc_port": grpc,
                "api_key": key.read_text(),
                "enable_cors": False,
                "enable_static_content": False,
            },
            "cluster": {"enabled": False},
        }
        path = context.secret(f"{context.name}.yaml", yaml.safe_dump(config, sort_keys=False))
        program = replace(
            context.own,
            argv=(binary, "--config-path", str(path), "--disable-telemetry"),
            env={
                # Else it is written to where the server is started, which an image does not let it.
                "QDRANT_INIT_FILE_PATH": str(home / ".qdrant-initialized"),
                **context.env,
            },
            prepare=(("mkdir", "-p", "-m", "700", str(home), str(home / "tmp")),),
            probe=QdrantProbe(url, key),
            port=port,
            pwd=str(home) if image else "",
        )
        scrape = replace(
            context.page(port),
            auth=Bearer(key),
            keep=keep.QDRANT,
        )
        return ServicePlan(
            programs=(program,),
            target=Target(protocol="qdrant", url=url, secret_file=key),
            scrapes=(scrape,),
            versions=((f"{context.name} (Qdrant)", image.version if image else _version(binary)),),
        )


def _version(binary: str) -> str:
    """Return what `qdrant --version` says: `qdrant 1.15.4`."""
    return said(binary, "--version").strip().removeprefix("qdrant ") or "unknown"


SERVICE = Qdrant()
