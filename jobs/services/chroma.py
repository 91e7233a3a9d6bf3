"""`chroma`: Chroma's own server, the program `chroma` on PATH (Chroma 1.x; the wheel chromadb brings it)."""

from dataclasses import replace

import yaml
from pydantic import BaseModel, Field

from jobs.probes import HttpProbe
from jobs.services.about import About
from jobs.services.base import Context, ServicePlan, said
from jobs.services.vector_load import NEAREST
from loadtests.plan import Target
from runs.recipe import Strict


class Options(Strict):
    """Keys of a `chroma` service."""

    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    traces: bool = Field(True, description="send spans to the sidecar `otlp`, where the recipe has it")


class Chroma:
    """See the module."""

    kind = "chroma"
    image = "chroma"
    Options: type[BaseModel] = Options
    about = About(
        title="Chroma's own server, a vector database",
        load=NEAREST,
        ports="HTTP",
        guard="nobody is asked: Chroma 1.x has no authentication",
        metrics="none; its process, its OTLP traces and metrics, and the load",
        program="`chroma` on PATH, in a venv of its own: pip install chromadb",
        starts="1 s, two cores",
        exporters=("node", "cgroup", "process", "otlp"),
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        binary = context.program("chroma", "pip install chromadb, in a venv of its own")
        port = context.port(options.port)
        config = {
            "port": port,
            "listen_address": context.address,
            "persist_path": str(context.scratch / "data"),
            "allow_reset": False,
        }
        env = {"ANONYMIZED_TELEMETRY": "False", **context.env}
        if options.traces and (receiver := context.otlp_grpc()) is not None:
            # It speaks OTLP/gRPC only. The environment, where the receiver's secret is, would win over the file with
            # an endpoint for HTTP.
            env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{receiver}"
            env["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"
            config["open_telemetry"] = {
                "endpoint": f"http://{receiver}",
                "service_name": context.name,
                "filters": [{"crate_name": "chroma_frontend", "filter_level": "trace"}],
            }
        path = context.secret(f"{context.name}.yaml", yaml.safe_dump(config))
        url = f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=(binary, "run", str(path)),
            env=env,
            prepare=(("mkdir", "-p", "-m", "700", str(context.scratch)),),
            probe=HttpProbe(f"{url}/api/v2/heartbeat"),
            port=port,
        )
        notes = [
            f"{context.name}: Chroma 1.x has no authentication: while it runs, whoever reaches the node may use it",
            f"{context.name}: Chroma has no /metrics: it is watched by its process, its OTLP, and the load",
        ]
        if "open_telemetry" in config:  # RUST_LOG would silence the log, and the spans with it
            notes.append(f"{context.name}: with traces Chroma logs each request too: `traces: false` spares it that")
        target = Target(protocol="chroma", url=url)
        return ServicePlan(
            (program,),
            target,
            versions=((context.name, image.version if image else _version(binary)),),
            notes=tuple(notes),
        )


def _version(binary: str) -> str:
    return said(binary, "--version").strip() or "unknown"


SERVICE = Chroma()
