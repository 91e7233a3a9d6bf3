"""What the catalogue's programs become in images: golden command lines, and whole runs through a strict stand-in."""

import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from apptainer.cache import Cache
from apptainer.image import find, images
from grafana import archive
from jobs.containers import Containers
from jobs.plan import Planner
from jobs.program import Program
from jobs.services import catalogue
from jobs.services.base import Context, Peer, PlanError
from jobs.sidecars import Sidecars
from prometheus.web import Credentials
from runs.directory import RunDirectory
from runs.manifest import Node
from runs.recipe import Recipe
from runs.site import Paths, Site
from tests.apptainer import standin

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]
CASES = {
    "chroma": ("chroma", {}),
    "embeddings": ("embeddings", {"model": "MODEL"}),
    "faiss": ("faiss", {}),
    "llamacpp": ("llamacpp", {"model": "MODEL"}),
    "milvus": ("milvus", {}),
    "minio": ("minio", {"requests": 64}),
    "pgvector": ("pgvector", {}),
    "qdrant": ("qdrant", {}),
    "seaweedfs": ("seaweedfs", {}),
    "triton": ("triton", {"model": "MODELS", "load": ["a"]}),
    "vllm": ("vllm", {"model": "MODELS/a", "tensor_parallel": 4, "cpus": "0-3"}),
    "vllm-span": ("vllm", {"model": "MODELS/a", "tensor_parallel": 4, "pipeline_parallel": 2, "span": 2}),
    "weaviate": ("weaviate", {"memory_limit": "8GiB"}),
}


def fill(cache, program):
    """Fill a cache with every image, as the stand-in makes them."""
    for image in images().values():
        if image.definition is None:
            cache.pull(image, program)
        else:
            cache.build(image, program, ROOT / "apptainer" / "definitions" / image.definition, {})


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A place with a stand-in and a cache that has every image."""
    place = tmp_path_factory.mktemp("images")
    fill(Cache(place / "images"), str(standin.install(place / "bin", {})))
    return place


@pytest.fixture
def cache(tmp_path, filled):
    """A copy of it, for one test."""
    for name in ("bin", "images"):
        shutil.copytree(filled / name, tmp_path / name)
    return Cache(tmp_path / "images")


@pytest.fixture
def containers(tmp_path, cache):
    """A run that starts its programs in images."""
    run = RunDirectory.create(tmp_path / "recordings", "20260101-000000-test-abcd")
    (tmp_path / "tier2").mkdir()
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "models" / "a" / "config.json").write_text("{}")
    (tmp_path / "model.gguf").touch()
    return Containers(
        run=run,
        scratch=tmp_path / "scratch",
        cache=cache,
        binds=(str(tmp_path / "tier2"), "/not/there"),
        environment={
            "PATH": str(tmp_path / "bin"),
            "CUDA_VISIBLE_DEVICES": "0,1,2,3",
            "APPTAINER_BIND": "/etc",
            "APPTAINERENV_X": "1",
            "http_proxy": "http://proxy",
        },
    )


@pytest.fixture
def shown(tmp_path, golden, monkeypatch):
    """Compare programs with a golden file: what differs between machines and runs has a name there."""
    monkeypatch.setattr("secrets.token_urlsafe", lambda _count=None: "S")
    monkeypatch.setattr("secrets.token_hex", lambda _count=None: "s")
    monkeypatch.setattr("jobs.sidecars.mount_point", lambda _path: "/local")
    names = {str(tmp_path): "$BASE", sys.executable: "$PYTHON", str(ROOT): "$REPOSITORY"}

    def mount_point(word):
        """Tell what depends on whether this test runs below /tmp; tests/apptainer/test_runtime.py has them."""
        boxes = f"{tmp_path}/scratch/box/"
        box, _, rest = word.removeprefix(boxes).partition("/tmp/")  # noqa: S108 - of a box
        return bool(rest) and word.startswith(boxes) and "/" not in box

    def check(name, programs, files=()):
        told = [
            {
                "argv": program.argv,
                "prepare": [
                    [word for word in words if not mount_point(word)]
                    for words in program.prepare
                    if words[0] != "touch"
                ],
                "env": dict(program.env),
                "without": program.without,
                "variables": (tmp_path / "recordings").joinpath(*file.parts).read_text().splitlines(),
            }
            for program, file in zip(programs, files, strict=True)
        ]
        text = json.dumps(told, indent=2) + "\n"
        for value, word in names.items():
            text = text.replace(value, word)
        golden(GOLDEN / f"apptainer-{name}.json", text)

    return check


def enclosed(containers, programs, gpus):
    """Put programs into their images; returns them and where their variables are, below the recordings."""
    made = [containers.enclose(program, gpus) for program in programs if program.image]
    return made, [Path(containers.run.id, "live", f"{program.name}.env") for program in made]


@pytest.mark.parametrize("case", CASES)
def test_service_in_its_image(case, tmp_path, containers, shown, monkeypatch):
    """The exact command line of each kind, with what is made before and what it is told."""
    kind, options = CASES[case]
    words = {"MODEL": tmp_path / "model.gguf", "MODELS": tmp_path / "models", "MODELS/a": tmp_path / "models" / "a"}
    options = {
        name: str(words.get(str(value), value)) if isinstance(value, str) else value for name, value in options.items()
    }
    if kind == "vllm":
        options["cpus"] = "0-3"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ports = iter(range(20_001, 20_100))
    found = catalogue()[kind]
    context = Context(
        run_id=containers.run.id,
        name="it",
        node=0,
        node_name="n1",
        address="10.0.0.1",
        scratch=containers.scratch / "it",
        live=containers.run.live,
        ready_within=30.0,
        env={},
        port=lambda asked: asked or next(ports),
        secret=containers.run.secret,
        otlp_grpc=lambda: None,
        gpus=4,
        image=containers.service("it", found.image, None),
        beside=containers.there,
        peers=lambda count: [
            Peer(1 + n, f"n{2 + n}", f"10.0.0.{2 + n}", lambda asked: asked or next(ports), 4) for n in range(count)
        ],
    )
    planned = found.plan(context, found.Options.model_validate(options))
    assert all(program.image for program in planned.programs)
    programs, files = enclosed(containers, planned.programs, 4)
    shown(case, programs, files)
    secrets = [file.read_text() for file in containers.run.live.iterdir() if file.suffix in {".key", ".password"}]
    assert not any(secret in " ".join(program.argv) for secret in secrets if len(secret) > 5 for program in programs)


def test_recorder_in_its_images(containers, shown):
    """Prometheus's exporters: the node's own /proc, --nv for GPUs only."""
    node = Node(index=0, name="n1", address="10.0.0.1", facts={"gpus": 4})
    ports = iter(range(20_001, 20_100))
    sidecars = Sidecars(
        containers.run, ("node", "gpu"), 1.0, lambda _node: next(ports), {}, {}, [], image=containers.there
    )
    programs, files = enclosed(containers, [program for program, _ in sidecars.of(node)], 4)
    assert [program.name for program in programs] == ["node-exporter-0", "dcgm-exporter-0"]
    shown("sidecars", programs, files)
    assert ["--nv" in program.argv for program in programs] == [False, True]


def planned(containers, nodes=1, **more):
    """Plan a whole run; returns the plan."""
    recipe = Recipe.model_validate(
        {
            "name": "test",
            "watch": {"exporters": ["node"]},
            "services": {"own": {"kind": "command", "image": "/images/own.sif", "options": {"command": ["serve"]}}},
            "load": {"generator": "openai", "phases": [{"name": "steady", "for": "5s", "rate": 1}]},
            "runtime": "apptainer",
            "images": str(containers.cache.root),
            **more,
        }
    )
    facts = {"gpus": 0, "cores": 2}
    there = [Node(index=i, name=f"n{i + 1}", address=f"10.0.0.{i + 1}", facts=facts) for i in range(nodes)]
    archive.write(containers.run.dashboards, containers.run.id, recipe)
    site = Site(name="x", paths=Paths(binds=(str(containers.scratch.parent / "tier2"), "$NOT_SET/x")))
    ports = [list(range(20_100, 20_000, -1)) for _ in there]
    return Planner(containers.run, recipe, there, ports, containers.scratch, site).plan()


def test_whole_plan_in_images(tmp_path, containers, shown, monkeypatch):
    """Prometheus, Grafana, an exporter and a service of a SIF of one's own; the load and our exporter run natively."""
    for name in os.environ.keys() - {"HOME"}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(Credentials, "generate", lambda: Credentials("dashcam", "S"))
    own = tmp_path / "own.sif"
    own.touch()
    services = {"own": {"kind": "command", "image": str(own), "options": {"command": ["serve"]}}}
    plan = planned(containers, services=services)
    programs = [program for program in plan.first if program.contained]
    assert [program.name for program in programs] == ["own", "node-exporter-0", "prometheus", "grafana"]
    assert [program.image for program in plan.load] == [None]
    assert plan.versions["prometheus"] == "3.5.0"
    assert plan.versions["grafana"] == "12.1.1"
    assert set(plan.images) == {"own", "node-exporter-0", "prometheus", "grafana"}
    shown("plan", programs, [Path(containers.run.id, "live", f"{program.name}.env") for program in programs])


def test_certificates_are_seen_inside(tmp_path, containers, monkeypatch):
    """Between nodes a server in an image finds its own certificate and key, and Prometheus the CA and every secret."""
    own = tmp_path / "own.sif"
    own.touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    services = {"own": {"kind": "command", "image": str(own), "options": {"command": ["serve"]}}}
    planned(containers, nodes=2, services=services, allocation={"nodes": 2})
    live = containers.run.live
    shown = {
        folder.name: {file.relative_to(folder).name for file in folder.rglob("*") if file.is_file()}
        for folder in (live / "shown").iterdir()
    }
    assert shown["own"] == set()
    assert {"node-1.crt", "node-1.key"} <= shown["node-exporter-1"]
    assert not {"node-0.key", "prometheus.password"} & shown["node-exporter-1"]
    assert {"node-0.key", "prometheus.web.yml", "node-exporter.password", "load.token"} <= shown["prometheus"]
    assert "ca.pem" in shown["prometheus"]
    assert not any(name.startswith("node-1.key") for name in shown["prometheus"])


@pytest.mark.parametrize(
    ("more", "contained"),
    [
        ({"watch": {"exporters": [], "runtime": "native", "grafana": "off"}}, {"own"}),
        ({"runtime": "native", "watch": {"exporters": [], "runtime": "apptainer"}}, {"prometheus", "grafana"}),
    ],
)
def test_runtime_by_part(tmp_path, containers, monkeypatch, more, contained):
    """Services and the recorder choose for themselves."""
    own = tmp_path / "own.sif"
    own.touch()
    for name in ("prometheus", "serve"):
        native = tmp_path / "bin" / name
        native.write_text("#!/bin/sh\necho prometheus, version 2.42.0\n")
        native.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    services = {"own": {"kind": "command", "image": str(own), "options": {"command": ["serve"]}}}
    assert set(planned(containers, services=services, **more).images) == contained


def test_manifest_tells_the_images(containers):
    """Release, reference, digest and the file's own sum, by program."""
    containers.enclose(Program("prometheus", "prometheus", 0, ("prometheus",), image="prometheus"), 0)
    (name, used), *_ = containers.used.items()
    assert name == "prometheus"
    assert used.digest == find("prometheus").digest
    assert used.version == "3.5.0"
    assert len(used.sha256) == 64


def test_secrets_are_in_a_file_of_0600(containers):
    """Variables of a program are on no command line and in no environment of ours."""
    program = Program("p", "service", 0, ("vllm",), env={"VLLM_API_KEY": "geheim"}, image="vllm")
    made = containers.enclose(program, 0)
    file = containers.run.live / "p.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "VLLM_API_KEY=geheim\n" in file.read_text()
    assert "geheim" not in " ".join(made.argv)
    assert made.env == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: shutil.rmtree(c.cache.root), "images pull vllm"),
        (lambda c: c.environment.update(PATH="/nowhere"), "no program apptainer on PATH: load its module"),
        (lambda c: standin.old(Path(c.environment["PATH"])), "older than 1.1"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(containers, change, words):
    """No image, no Apptainer, too old a one: the program, the reason, the mend."""
    change(containers)
    with pytest.raises(PlanError, match=words):
        containers.enclose(Program("llm", "service", 0, ("vllm",), image="vllm"), 0)


def test_kind_without_an_image(containers, tmp_path):
    """A kind that has none is told so; with a file of one's own it runs."""
    with pytest.raises(PlanError, match="its kind has no image"):
        containers.service("x", None, None)
    with pytest.raises(PlanError, match="no image file"):
        containers.service("x", None, tmp_path / "x.sif")
    (tmp_path / "x.sif").touch()
    image = containers.service("x", None, tmp_path / "x.sif")
    made = containers.enclose(Program("x", "service", 0, ("serve",), image=image.name), 1)
    assert made.argv[-2:] == (str(tmp_path / "x.sif"), "serve")
    assert "--nv" in made.argv


def test_files_behind_links_are_bound(containers, tmp_path):
    """A model of a hub's cache is a directory of links: what they lead to is bound too, unless it is already."""
    blobs, model, shared = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "a", tmp_path / "tier2" / "m"
    for folder in (blobs, model, shared):
        folder.mkdir(parents=True)
    (blobs / "0123").touch()
    (model / "config.json").symlink_to("../../blobs/0123")
    program = Program("p", "service", 0, ("vllm",), image="vllm", reads=(str(model), str(shared)))
    words = containers.enclose(program, 0).argv
    binds = [word for option, word in itertools.pairwise(words) if option == "--bind" and word.endswith(":ro")]
    assert binds[1:] == [f"{model}:{model}:ro", f"{blobs}:{blobs}:ro"]


def test_native_programs_stay_as_they_are(containers):
    """Without an image nothing changes."""
    program = Program("p", "service", 0, ("x",))
    assert containers.enclose(program, 4) is program
