"""`command`: any program, by its command line, a readiness URL and a metrics URL."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from jobs.probes import HttpProbe
from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan
from loadtests.plan import Target
from prometheus import keep
from prometheus.config import Scrape
from runs import paths
from runs.recipe import Strict

PLACES = ("port", "address", "node", "scratch", "otlp_grpc")


class Options(Strict):
    """Keys of a `command` service. PLACES in braces are filled in; no shell is involved.

    {otlp_grpc} is host:port of the sidecar `otlp` for programs that speak OTLP/gRPC; the others find it by themselves.
    """

    command: tuple[str, ...] = Field(min_length=1, description="the command line, as a list or as one string")
    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    ready: str = Field("/", description="path or URL that answers 200 when the service is ready")
    metrics: str | None = Field(None, description="path of its Prometheus metrics, where it has any")
    metrics_keep: str | None = Field(
        None,
        description="regular expression: the names of its metrics to record, where it has more than are of use; "
        f"or {', '.join(keep.LISTS)}: what of such a server's is of use",
    )
    protocol: str = Field("openai", description="what it speaks, for the generator")
    url: str = Field("http://{address}:{port}", description="where the load goes")
    model: str | None = Field(None, description="model name that an OpenAI server expects")
    note: str = Field("", description="a line for the report")

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: Any, info: ValidationInfo) -> Any:
        return paths.program(value, info)

    @field_validator("metrics_keep")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from error
        return keep.LISTS.get(value or "", value)

    @field_validator("command", "ready", "metrics", "url")
    @classmethod
    def _places(cls, value: Any) -> Any:
        for text in (value,) if isinstance(value, str) else value or ():
            for _, place, _, _ in Formatter().parse(text):
                if place is not None and place not in PLACES:
                    names = ", ".join(f"{{{name}}}" for name in PLACES)
                    raise ValueError(f"{{{place}}} is unknown: {names} are filled in, and {{{{ }}}} gives braces")
        return value


class Command:
    """See the module."""

    kind = "command"
    Options: type[BaseModel] = Options
    about = About(
        title="any program by its command line: TGI, SGLang, a server of one's own",
        load="""\
load:
  generator: openai
  prompt_tokens: 64
  max_tokens: 32
  seed: 7
  phases:
    - {name: warmup, for: 5s, rate: 3}
    - {name: steady, for: 30s, rate: 6, arrival: poisson}
objectives: {ttft_p95: 500ms, error_rate: 1%}
""",
        ports="the program's own, one of them given as {port}",
        guard="the program's own affair",
        metrics="the path `metrics` on its port; `metrics_keep` says what of them is recorded",
        program="the first word of `command`, on PATH or by its path",
        starts="the program's own",
        service="""\
command: my-server --host {address} --port {port}           # {node}, {scratch} and {otlp_grpc} are filled in, too
ready: /health                    # answers 200 when it is ready
metrics: /metrics
protocol: openai                  # what it speaks, for the generator
model: my-model                   # name of the model in requests
""",
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        port = context.port(options.port)
        places = {"port": port, "address": context.address, "node": context.node_name, "scratch": context.scratch}
        places["otlp_grpc"] = ""
        env = dict(context.env)
        if any("{otlp_grpc}" in word for word in options.command):
            places["otlp_grpc"] = context.otlp_grpc() or ""
            if not places["otlp_grpc"]:
                raise PlanError(f"service {context.name}: {{otlp_grpc}} needs `otlp` among watch.exporters")
            # SDKs let the environment win over what the program itself was told: both must say the same.
            env |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{places['otlp_grpc']}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            }
        argv = tuple(word.format(**places) for word in options.command)
        if context.image is None and shutil.which(argv[0]) is None:
            raise PlanError(f"service {context.name}: no program {argv[0]!r} on PATH: install it or give its full path")
        url = options.url.format(**places)
        ready = options.ready.format(**places)
        program = replace(
            context.own,
            argv=argv,
            env=env,
            prepare=(("mkdir", "-p", "-m", "700", str(context.scratch)),),
            probe=HttpProbe(ready if "://" in ready else f"http://{context.address}:{port}{ready}"),
            port=port,
        )
        scrapes: tuple[Scrape, ...] = ()
        if options.metrics is not None:
            scrapes = (
                replace(
                    context.page(port),
                    metrics_path=options.metrics.format(**places),
                    keep=options.metrics_keep,
                ),
            )
        notes = (options.note,) if options.note else ()
        return ServicePlan(
            programs=(program,),
            target=Target(protocol=options.protocol, url=url, model=options.model),
            scrapes=scrapes,
            versions=((context.name, Path(argv[0]).name),),
            notes=notes,
        )


SERVICE = Command()
