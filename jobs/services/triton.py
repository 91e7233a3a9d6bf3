"""`triton`: NVIDIA's Triton Inference Server, as `tritonserver` on PATH or out of the wheel nvidia-pytriton."""

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

import requests
from pydantic import BaseModel, Field

from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan
from jobs.services.triton_prepare import TINY, stub_of
from loadtests.plan import Target
from runs.paths import PathOrTiny
from runs.recipe import Strict

_STOP = 5
"""Seconds that the server gives requests in progress when it is stopped."""
_LOCKED = "shared-memory,model-repository,trace,logging"
"""Parts of its APIs that a load has no use for, and through which others could read or change the server."""
_NUMPY = (
    "models of the Python backend see wrong values in NumPy 2 arrays with this Triton (nvidia-pytriton 0.7): give "
    "them NumPy 1 by `env: {PYTHONPATH: ...}`; the load's `expect` finds wrong answers"
)


class Options(Strict):
    """Keys of a `triton` service."""

    model: PathOrTiny = Field(
        "tiny", description=f"path of a model repository, or `tiny`: {' and '.join(TINY)} of our own"
    )
    load: tuple[str, ...] = Field((), description="models of the repository to load; default: all")
    port: int | None = Field(None, ge=1, le=65535, description="of HTTP; default: a free one")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    grpc: bool = Field(False, description="the load goes by gRPC, which is off otherwise")
    grpc_port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    http_threads: int | None = Field(None, ge=1, le=1024, description="default: Triton's")
    summary_latencies: bool = Field(False, description="record Triton's own quantiles of latency, too")
    backend_config: tuple[str, ...] = Field((), description="as Triton takes it: backend,setting=value")


@dataclass(frozen=True)
class TritonProbe:
    """Ready when the server that we started, by its id, is ready, and `models` are."""

    url: str
    server: str
    models: tuple[str, ...] = ()

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        try:
            with requests.Session() as session:
                session.trust_env = False  # a site's proxy must not stand between us and our own node
                told = session.get(f"{self.url}/v2", timeout=2)
                if told.status_code != requests.codes.ok or told.json().get("name") != self.server:
                    return f"{self.url} is answered by another program than the one that was started"
                for path in ("health/ready", *(f"models/{model}/ready" for model in self.models)):
                    status = session.get(f"{self.url}/v2/{path}", timeout=2).status_code
                    if status != requests.codes.ok:
                        return f"{self.url}/v2/{path} answers {status}"
        except (requests.RequestException, AttributeError) as error:
            return f"{self.url} does not answer yet ({type(error).__name__})"
        return None


class Triton:
    """See the module."""

    kind = "triton"
    image = "triton"
    Options: type[BaseModel] = Options
    about = About(
        title="NVIDIA's Triton Inference Server over a model repository",
        load="""\
load:
  generator: triton
  model: add_sub                    # one of `model: tiny`; rows of numbers, whose sum and difference come back
  batch: 4
  expect: add_sub                   # wrong answers are found
  seed: 7
  phases:
    - {name: warmup, for: 5s, rate: 20}
    - {name: steady, for: 30s, rate: 60, arrival: poisson}
objectives: {latency_p99: 500ms, error_rate: 1%}
""",
        ports="HTTP and metrics; gRPC where asked for",
        guard="nobody is asked; parts of its API that change the server are locked by a random key",
        metrics="/metrics on a port of its own, open; requests, failures, queue and compute times by model",
        program="`tritonserver` on PATH, or the wheel nvidia-pytriton: pip install nvidia-pytriton",
        starts="1.7 s with a small model, two cores",
        service="model: tiny                       # models of our own that add\nsummary_latencies: true\n",
        exporters=("node", "cgroup", "process", "gpu"),
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        server = _Server(image.program, image.version, None, {}) if image else _server(context)
        tiny = options.model == "tiny"
        repository = context.scratch / "models" if tiny else _repository(context.name, options)
        models = options.load or (tuple(TINY) if tiny else ())
        if tiny and (unknown := set(models) - set(TINY)):
            raise PlanError(
                f"service {context.name}: tiny has no model {', '.join(sorted(unknown))}: {', '.join(TINY)}"
            )
        port, metrics = context.port(options.port), context.port(options.metrics_port)
        grpc = context.port(options.grpc_port) if options.grpc else None
        # Nobody ever presents this value: it locks, and is no secret. Triton takes one on its command line only.
        lock = f"{_LOCKED}:x-locked={secrets.token_urlsafe(16)}"
        identity = f"{context.run_id}/{context.name}"
        wheel = ("--wheel", str(server.wheel)) if server.wheel else ()
        prepare = (
            *(sys.executable, "-P", "-m", "jobs.services.triton_prepare", "--scratch", str(context.scratch)),
            *wheel,
            *(("--tiny",) if tiny else ()),
        )
        argv = (
            *(server.binary, "--id", identity, f"--model-repository={repository}"),
            *(f"--http-address={context.address}", f"--http-port={port}"),
            *(f"--metrics-address={context.address}", f"--metrics-port={metrics}", "--metrics-interval-ms=1000"),
            *(f"--exit-timeout-secs={_STOP}",),
            f"--http-restricted-api={lock}",
            *_grpc(context.address, grpc, lock),
            *((f"--backend-directory={context.scratch / 'backends'}",) if server.wheel else ()),
            *((f"--http-thread-count={options.http_threads}",) if options.http_threads else ()),
            *(("--metrics-config=summary_latencies=true",) if options.summary_latencies else ()),
            *(f"--backend-config={each}" for each in options.backend_config),
            *(
                ("--model-control-mode=explicit", *(f"--load-model={model}" for model in models))
                if options.load
                else ()
            ),
        )
        url = f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=argv,
            env={**server.env, **context.env},
            prepare=(prepare,),
            probe=TritonProbe(url, identity, models),
            port=port,
            stop_within=2.0 * _STOP,
            reads=() if tiny else (str(repository),),
        )
        scrape = context.page(metrics)
        notes = [
            f"{context.name}: Triton has no authentication: while it runs, whoever reaches the node may use its models"
        ]
        if tiny:
            notes.append(
                f"{context.name}: the models copy or add their inputs; their speed says nothing about a real one"
            )
        elif server.wheel and _numpy_major() > 1:
            notes.append(f"{context.name}: {_NUMPY}")
        return ServicePlan(
            programs=(program,),
            target=Target(
                protocol="triton-grpc" if grpc else "triton",
                url=f"grpc://{context.address}:{grpc}" if grpc else url,
                model=_only(repository, models),
            ),
            scrapes=(scrape,),
            versions=((f"{context.name} (Triton)", server.version),),
            notes=tuple(notes),
        )


def _grpc(address: str, port: int | None, lock: str) -> tuple[str, ...]:
    if port is None:
        return ("--allow-grpc=false",)
    return (f"--grpc-address={address}", f"--grpc-port={port}", f"--grpc-restricted-protocol={lock}")


@dataclass(frozen=True)
class _Server:
    """Where the server is. `wheel`: pytriton/tritonserver, where it comes out of the wheel."""

    binary: str
    version: str
    wheel: Path | None
    env: dict[str, str]


def _server(context: Context) -> _Server:
    if binary := shutil.which("tritonserver"):
        return _Server(binary, "tritonserver on PATH", None, {})
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise PlanError(
            f"service {context.name}: neither tritonserver on PATH nor the wheel nvidia-pytriton is here: put "
            "tritonserver on PATH, or pip install --require-hashes --no-deps -r requirements/triton.txt"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    wheel = package / "tritonserver"
    if not stub_of(wheel).is_file():
        have = ", ".join(sorted(each.name for each in (wheel / "python_backend_stubs").glob("*")))
        raise PlanError(
            f"service {context.name}: the wheel's Triton knows Python {have}, not this one: make another venv"
        )
    version = importlib.metadata.version("nvidia-pytriton")
    libraries = (str(package.with_name("nvidia_pytriton.libs")), _python_library(context.name))
    # The stub embeds Python and finds packages as the first python3 on PATH does.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    env = {"LD_LIBRARY_PATH": os.pathsep.join(libraries), "PATH": path}
    return _Server(str(wheel / "bin" / "tritonserver"), f"from nvidia-pytriton {version}", wheel, env)


def _python_library(name: str) -> str:
    """Return the directory of the libpython that the stub is linked to. Raises PlanError."""
    file = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    places = [sysconfig.get_config_var(word) for word in ("LIBDIR", "LIBPL")] + [f"{sys.base_prefix}/lib"]
    for place in filter(None, places):
        for directory in (Path(place), Path(place) / (sysconfig.get_config_var("MULTIARCH") or ".")):
            if (directory / file).is_file():
                return str(directory)
    raise PlanError(f"service {name}: Triton's Python backend needs {file}: install Python's shared library")


def _repository(name: str, options: Options) -> Path:
    path = Path(options.model)
    if not path.is_dir():
        raise PlanError(f"service {name}: no model repository {options.model!r}: give its directory, or model: tiny")
    if missing := [model for model in options.load if not (path / model).is_dir()]:
        raise PlanError(f"service {name}: the model repository {path} has no {', '.join(missing)}")
    return path.resolve()


def _only(repository: Path, models: tuple[str, ...]) -> str | None:
    """Return the model that a load drives by default: the only one, or the first of those named."""
    if models:
        return models[0]
    found = sorted(each.name for each in repository.iterdir() if each.is_dir() and not each.name.startswith("."))
    return found[0] if len(found) == 1 else None


def _numpy_major() -> int:
    return int(importlib.metadata.version("numpy").partition(".")[0])


SERVICE = Triton()
