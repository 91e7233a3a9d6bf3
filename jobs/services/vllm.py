"""`vllm`: the OpenAI server of vLLM, as `vllm` on PATH (`vllm serve`, 0.9 and newer), on one node or over several."""

import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from jobs.services import tiny_model, vllm_guard, vllm_model, vllm_ray
from jobs.services.about import About
from jobs.services.base import Context, Peer, PlanError, ServicePlan, said
from jobs.services.vllm_args import Args
from jobs.services.vllm_probe import VllmProbe
from loadtests.plan import Target
from prometheus import keep
from prometheus.config import Bearer
from runs.paths import PathOrTiny, UserPath
from runs.recipe import Strict

_SOCKET = 107 - len("/01234567-89ab-cdef-0123-456789abcdef")
"""Longest directory in which vLLM can make its sockets: Linux's sun_path less a UUID."""


class Options(Strict):
    """Keys of a `vllm` service."""

    common: ClassVar[Mapping[str, Any]] = {"ready_within": "15m"}  # weights from a file system, compiling, graphs

    model: PathOrTiny = Field("tiny", description="folder of a model, or `tiny`: a small one with random weights")
    served_name: str | None = Field(None, min_length=1, description="name in requests; default: that of the folder")
    binary: UserPath | None = Field(None, description="path of the program vllm; default: the one on PATH")
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share each layer")
    pipeline_parallel: int = Field(1, ge=1, description="groups of GPUs that take the layers in turn")
    span: int = Field(1, ge=1, description="nodes that it runs over, from its own on, by Ray; all their GPUs count")
    max_model_len: int | None = Field(None, ge=1, description="tokens of prompt and answer; default: the model's")
    max_num_seqs: int | None = Field(None, ge=1, description="requests worked on at once; default: vLLM's")
    gpu_memory_utilization: float | None = Field(None, gt=0, le=1, description="default: vLLM's")
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] = Field("auto", description="of weights")
    embeddings: bool = Field(False, description="serve /v1/embeddings, for that generator, in place of text")
    cpus: str | None = Field(
        None,
        pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$",
        description="cores it may use, as taskset takes them: 0-3; its processes wait for each other by spinning",
    )
    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    args: Args = Field((), description="further options of `vllm serve`, long ones only: [--enforce-eager]")


class Vllm:
    """See the module."""

    kind = "vllm"
    image = "vllm"
    Options: type[BaseModel] = Options
    about = About(
        title="vLLM's OpenAI server, on GPUs of one node or of several",
        load="""\
load:
  generator: openai
  prompt_tokens: 64
  max_tokens: 32
  ignore_eos: true                  # as many tokens as asked, whatever the model would say
  seed: 7
  phases:
    - {name: warmup, for: 5s, rate: 3}
    - {name: steady, for: 30s, rate: 6, arrival: poisson}
objectives: {ttft_p95: 500ms, itl_p95: 100ms, error_rate: 1%}
""",
        ports="HTTP; over several nodes Ray's",
        guard="a random key in 0600 files, for every page; Ray's ports are open to whoever reaches the nodes",
        metrics="/metrics behind the key; queues, KV cache, tokens, latencies",
        program="`vllm` on PATH or `binary`, in a venv of its own: pip install vllm",
        starts="22 to 33 s with a small model on two cores",
        seen="run here natively on CPUs; never on a GPU, never over several nodes",
        service="""\
model: tiny                       # random weights: its speed says nothing about a trained model
max_num_seqs: 16
args: [--enforce-eager]           # starts sooner, without compiling; leave it out on GPUs
""",
        exporters=("node", "cgroup", "process", "gpu"),
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        binary = Path(image.program) if image else _binary(context.name, options.binary)
        peers = context.peers(options.span - 1)
        _fits(context, options, peers)
        model, notes = _model(context.name, options.model)
        name = options.served_name or (vllm_model.NAME if options.model == "tiny" else model.name)
        port = context.port(options.port)
        key = context.secret(f"{context.name}.key", secrets.token_urlsafe(24))
        argv = (
            *(_pinned(context, options.cpus) if options.cpus else ()),
            *(str(binary), "serve", str(model), "--served-model-name", name),
            *("--host", context.address, "--port", str(port), "--middleware", "vllm_guard.Guard"),
            *("--tensor-parallel-size", str(options.tensor_parallel)),
            *("--pipeline-parallel-size", str(options.pipeline_parallel), "--dtype", options.dtype),
            *(("--runner", "pooling") if options.embeddings else ()),
            *(("--max-model-len", str(options.max_model_len)) if options.max_model_len else ()),
            *(("--max-num-seqs", str(options.max_num_seqs)) if options.max_num_seqs else ()),
            *(
                ("--gpu-memory-utilization", f"{options.gpu_memory_utilization:g}")
                if options.gpu_memory_utilization
                else ()
            ),
            *options.args,
        )
        guard = context.scratch / "guard"
        environment = _environment(context, binary)
        cluster = vllm_ray.plan(context, peers, binary, environment, model) if options.span > 1 else None
        url = f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=(*argv, "--distributed-executor-backend", "ray") if cluster else argv,
            env={
                **environment,
                **(cluster.variables if cluster else {}),
                "PYTHONPATH": _joined(str(guard), environment["PYTHONPATH"]),
                "VLLM_API_KEY": key.read_text(),
            },
            prepare=(
                ("mkdir", "-p", "-m", "700", str(context.scratch), str(guard)),
                ("cp", vllm_guard.__file__, str(guard / "vllm_guard.py")),
            ),
            probe=VllmProbe(url, key, name, options.embeddings),
            port=port,
            stop_within=15.0,
            after=cluster.programs[0].name if cluster else None,
            reads=(str(model),),
        )
        scrape = replace(
            context.page(port),
            auth=Bearer(key),
            keep=keep.VLLM,
        )
        return ServicePlan(
            programs=(program, *(cluster.programs if cluster else ())),
            target=Target(protocol="openai", url=url, secret_file=key, model=name),
            scrapes=(scrape,),
            versions=((f"{context.name} (vLLM)", image.version if image else _version(binary)),),
            notes=(*notes, *(cluster.notes if cluster else ())),
        )


def _environment(context: Context, binary: Path) -> dict[str, str]:
    """Return what the server and its workers are told: nothing is sent anywhere, all they write is in the scratch."""
    scratch = context.scratch
    places = {
        "VLLM_CACHE_ROOT": "vllm",
        "VLLM_CONFIG_ROOT": "config",
        "XDG_CACHE_HOME": "cache",
        "OUTLINES_CACHE_DIR": "outlines",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
    }
    return {
        **{name: str(scratch / place) for name, place in places.items()},
        # Sockets and locks, which vLLM leaves behind.
        **({"TMPDIR": str(scratch)} if len(str(scratch)) <= _SOCKET else {}),
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "SPT_NOENV": "1",  # their titles would overwrite the tags by which a run finds its programs
        "VLLM_SERVER_DEV_MODE": "0",  # its pages could stop the server or change its model
        # What its processes say to each other has no secret; all of them are on this node.
        "VLLM_HOST_IP": "127.0.0.1",
        # An image has its own paths.
        **({} if context.image else {"PATH": _joined(str(binary.parent), os.environ.get("PATH", os.defpath))}),
        **context.env,
        "PYTHONPATH": context.env.get("PYTHONPATH", "" if context.image else os.environ.get("PYTHONPATH", "")),
    }


def _joined(*places: str) -> str:
    return os.pathsep.join(filter(None, places))


def _binary(name: str, asked: Path | None) -> Path:
    found = shutil.which(asked or "vllm")
    if found is None:
        where = f"{asked} is no program" if asked else "no program vllm on PATH"
        raise PlanError(
            f"service {name}: {where}: pip install vllm, in a venv of its own, and put its bin/ on PATH "
            "or name it by `binary`"
        )
    return Path(found)


def _pinned(context: Context, cpus: str) -> tuple[str, ...]:
    taskset = "taskset" if context.image else shutil.which("taskset")
    if taskset is None:
        raise PlanError(
            f"service {context.name}: no program taskset on PATH, for `cpus`: install util-linux, or leave it out"
        )
    return (taskset, "--cpu-list", cpus)


def _fits(context: Context, options: Options, peers: Sequence[Peer]) -> None:
    needed = options.tensor_parallel * options.pipeline_parallel
    if len(peers) < options.span - 1:
        raise PlanError(
            f"service {context.name}: `span` asks for {options.span} nodes from {context.node_name} on, and the run "
            f"has {len(peers) + 1} there: run it on an allocation of that many, or leave `span` out"
        )
    asks = f"service {context.name}: tensor_parallel x pipeline_parallel asks for {needed} GPUs"
    if needed < options.span:
        raise PlanError(
            f"{asks}, fewer than the {options.span} nodes of `span`: give tensor_parallel the GPUs of a node and "
            "pipeline_parallel the nodes"
        )
    names = (context.node_name, *(peer.node_name for peer in peers))
    there = [context.gpus, *(peer.gpus for peer in peers)]
    if any(there) and None not in there and needed > (total := sum(gpus or 0 for gpus in there)):
        where = f"node {names[0]} has" if len(names) == 1 else f"nodes {', '.join(names)} have"
        raise PlanError(
            f"{asks}, and {where} {total}: ask for {total} at most, for nodes with more, or for more nodes by `span`"
        )


def _model(name: str, word: str) -> tuple[Path, tuple[str, ...]]:
    if word == "tiny":
        return tiny_model.planned(name, vllm_model.ensure)
    path = Path(word)
    if not (path / "config.json").is_file():
        raise PlanError(
            f"service {name}: no model in {word!r}: give the folder of one (with config.json; nothing is downloaded), "
            "or model: tiny"
        )
    return path.resolve(), ()


def _version(binary: Path) -> str:
    """Return vLLM's version by its package, since `vllm --version` takes as long as loading all of torch."""
    found = sorted(binary.parent.parent.glob("lib/python*/site-packages/vllm-*.dist-info"))
    if len(found) == 1:
        return found[0].name.removeprefix("vllm-").removesuffix(".dist-info")
    told = said(str(binary), "--version", within=60)
    return next((line for line in reversed(told.splitlines()) if re.match(r"\d", line)), "unknown")


SERVICE = Vllm()
