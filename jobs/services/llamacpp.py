"""`llamacpp`: llama.cpp's OpenAI server, as `llama-server` on PATH or inside the xllamacpp wheel."""

import importlib.metadata
import importlib.util
import secrets
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from jobs.probes import HttpProbe
from jobs.services import tiny_model
from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan
from loadtests.plan import Target
from prometheus.config import Bearer
from runs.paths import PathOrTiny
from runs.recipe import Strict

_TOGETHER = (
    "llama.cpp may pool texts that it works on together into wrong vectors (its issue 26282; with this version seen as "
    "cosine 0.93 to the right one): the load's `repeat` finds it, `parallel: 1` avoids it"
)


class Options(Strict):
    """Keys of a `llamacpp` service."""

    model: PathOrTiny = Field("tiny", description="path of a GGUF file, or `tiny`: a small model with random weights")
    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    threads: int | None = Field(None, ge=1, description="default: llama.cpp's")
    parallel: int = Field(4, ge=1, description="slots: requests worked on at once")
    context: int = Field(4096, ge=64, description="tokens of context, shared by the slots")
    embeddings: bool = Field(False, description="serve /v1/embeddings, for the generator `embeddings`, too")
    pooling: Literal["mean", "cls", "last"] = Field(
        "mean", description="embeddings: how one vector is made of those of the tokens"
    )


class LlamaCpp:
    """See the module."""

    kind = "llamacpp"
    image = "llamacpp"
    Options: type[BaseModel] = Options
    about = About(
        title="llama.cpp's OpenAI server",
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
        ports="HTTP",
        guard="a random key in 0600 files, for every page but /health and /v1/models",
        metrics="/metrics behind the key; tokens, slots, waiting requests; no histograms",
        program="`llama-server` on PATH, or the wheel xllamacpp: pip install 'dashcam[llamacpp]'",
        starts="0.2 s with a small model, two cores",
        service="model: tiny                       # random weights: its speed says nothing about a trained model\n",
        exporters=("node", "cgroup", "process", "gpu"),
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        model, notes = _model(context.name, options.model)
        if options.embeddings and options.parallel > 1 and options.pooling != "last":
            notes = (*notes, f"{context.name}: {_TOGETHER}")
        port = context.port(options.port)
        # The server reads its key from a file, so that no process listing shows it.
        key = context.secret(f"{context.name}.key", secrets.token_urlsafe(24))
        image = context.image
        server, version = ((image.program,), image.version) if image else _server(context.name)
        argv = (
            *server,
            *("--model", str(model), "--alias", model.stem, "--host", context.address, "--port", str(port)),
            *("--api-key-file", str(key), "--metrics", "--parallel", str(options.parallel)),
            *("--ctx-size", str(options.context)),
            *(("--threads", str(options.threads)) if options.threads else ()),
            *(_embedding(options) if options.embeddings else ()),
        )
        url = f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=argv,
            probe=HttpProbe(f"{url}/metrics", token_file=key, refuses_strangers=True),
            port=port,
            stop_within=5.0,
            reads=(str(model),),
        )
        scrape = replace(
            context.page(port),
            auth=Bearer(key),
        )
        return ServicePlan(
            programs=(program,),
            target=Target(protocol="openai", url=url, secret_file=key, model=model.stem),
            scrapes=(scrape,),
            versions=((f"{context.name} (llama.cpp)", version),),
            notes=notes,
        )


def _embedding(options: Options) -> tuple[str, ...]:
    # A pooled vector is made in one step: an input longer than a step would be refused.
    step = str(max(1, options.context // options.parallel))
    return ("--embeddings", "--pooling", options.pooling, "--batch-size", step, "--ubatch-size", step)


def _server(name: str) -> tuple[tuple[str, ...], str]:
    if binary := shutil.which("llama-server"):
        return (binary,), "llama-server on PATH"
    if importlib.util.find_spec("xllamacpp") is not None:
        version = importlib.metadata.version("xllamacpp")
        return (sys.executable, "-P", "-m", "jobs.services.llamacpp_server"), f"xllamacpp {version}"
    raise PlanError(
        f"service {name}: neither llama-server on PATH nor the xllamacpp wheel is here: "
        "pip install 'dashcam[llamacpp]', or put llama-server on PATH"
    )


def _model(name: str, word: str) -> tuple[Path, tuple[str, ...]]:
    if word == "tiny":
        return tiny_model.planned(name, tiny_model.ensure)
    path = Path(word)
    if not path.is_file():
        raise PlanError(f"service {name}: no model file {word!r}: give the path of a GGUF file, or model: tiny")
    return path.resolve(), ()


SERVICE = LlamaCpp()
