"""What the kind `vllm` plans, its guard and its probe; a real vLLM is run in tests/heavy."""

import http.server
import itertools
import json
import re
import socket
import stat
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.services import catalogue, tiny_model, vllm_model, vllm_ray
from jobs.services.base import Context, Peer, PlanError
from jobs.services.vllm import Options
from jobs.services.vllm_guard import Guard
from jobs.services.vllm_probe import VllmProbe
from prometheus import keep
from runs import reader
from runs.document import RecipeError, parse
from runs.recipe import Strict

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A home with a vLLM in a venv of its own on PATH, and a model."""
    home = tmp_path / "home"
    program = home / "venv" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    (home / "venv/lib/python3.11/site-packages/vllm-0.32.0+cpu.dist-info").mkdir(parents=True)
    (home / "models" / "llama-8b").mkdir(parents=True)
    (home / "models" / "llama-8b" / "config.json").write_text("{}")
    monkeypatch.setenv("PATH", f"/usr/bin:{program.parent}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("PYTHONPATH", "/modules/python")
    return home


@pytest.fixture
def context(tmp_path):
    """A node with four GPUs."""

    def secret(name, value):
        path = tmp_path / name
        path.touch(mode=0o600)
        path.write_text(value)
        return path

    return Context(
        run_id="20260101-000000-test-abcd",
        name="llm",
        node=1,
        node_name="n1",
        address="10.0.0.1",
        scratch=Path("/scratch/run/llm"),
        live=tmp_path,
        ready_within=900.0,
        env={"HF_HUB_OFFLINE": "0"},
        port=lambda asked: asked or 1234,
        secret=secret,
        otlp_grpc=lambda: None,
        gpus=4,
    )


def plan(context, **options):
    """Plan one instance."""
    return catalogue()["vllm"].plan(context, Options.model_validate(options))


def started(program):
    """Write down one more program."""
    told = {name: getattr(program, name) for name in ("name", "node", "after", "prepare", "argv")}
    return {**told, "env": dict(sorted(program.env.items())), "probe": repr(program.probe)}


def rendered(made, place, key):
    """Write down everything that is started, with what differs from machine to machine named."""
    program, *others = made.programs
    told = {
        "prepare": program.prepare,
        "argv": program.argv,
        "env": dict(sorted(program.env.items())),
        **({"others": [started(each) for each in others]} if others else {}),
        "target": made.target.model_dump(mode="json"),
        "versions": made.versions,
        "notes": made.notes,
    }
    text = json.dumps(told, indent=2, default=str)
    text = text.replace(str(place), "HOME").replace(str(key.parent), "LIVE").replace(key.read_text(), "KEY")
    text = text.replace(sys.executable, "PYTHON")
    return re.sub(r'"/[^"]*/jobs/services/', '"CODE/jobs/services/', text) + "\n"


def test_a_tiny_model(place, context, golden):
    """Command line, environment and notes of a vLLM with our tiny model, which is there."""
    made_at = place / "cache" / "dashcam" / "models" / "tiny-random-vllm"
    made_at.mkdir(parents=True)
    (made_at / "config.json").write_text("{}")
    made = plan(context, args=["--enforce-eager"])
    golden(GOLDEN / "vllm-tiny.json", rendered(made, place, context.live / "llm.key"))


def test_a_large_model(place, context, golden):
    """All keys at once, for a model of the user's on four GPUs."""
    made = plan(
        context,
        model=str(place / "models" / "llama-8b"),
        served_name="meta/llama-8b",
        tensor_parallel=2,
        pipeline_parallel=2,
        max_model_len=8192,
        max_num_seqs=64,
        gpu_memory_utilization=0.92,
        dtype="bfloat16",
        cpus="0-3,8",
        port=8000,
        args=["--kv-cache-dtype", "fp8", "--compilation-config", '{"level": 3}', "--swap-space", "-1"],
    )
    golden(GOLDEN / "vllm-large.json", rendered(made, place, context.live / "llm.key"))


@pytest.fixture
def several(context, place):
    """A node with one more behind it, and Ray beside vLLM."""
    ray = place / "venv" / "bin" / "ray"
    ray.write_text("#!/bin/sh\nexit 9\n")
    ray.chmod(0o755)
    ports, more = itertools.count(1234), itertools.count(4321)
    peers = [Peer(2, "n2", "10.0.0.2", lambda asked: asked or next(more), 4)]
    return replace(context, port=lambda asked: asked or next(ports), peers=lambda count: peers[:count])


def test_over_two_nodes(place, several, golden, monkeypatch):
    """Ray's head and its worker as programs of their nodes, which vLLM and the worker wait for; then Ray is told."""
    monkeypatch.setattr("secrets.token_urlsafe", lambda count: f"KEY{count}")
    made = plan(
        several, model=str(place / "models" / "llama-8b"), tensor_parallel=4, pipeline_parallel=2, span=2, port=8000
    )
    assert [(program.name, program.node, program.role) for program in made.programs] == [
        ("llm", 1, "service"),
        ("llm-ray", 1, "service"),
        ("llm-ray-1", 2, "service"),
    ]
    assert all(program.essential for program in made.programs)
    assert [program.after for program in made.programs] == ["llm-ray", None, "llm-ray"]
    assert [scrape.node for scrape in made.scrapes] == ["n1"]
    golden(GOLDEN / "vllm-span.json", rendered(made, place, several.live / "llm.key"))
    secret = (several.live / "llm.ray").read_text()
    for program in made.programs:
        assert secret not in " ".join(program.argv)
    assert not any("VLLM_API_KEY" in program.env for program in made.programs[1:])


def test_over_nodes_that_are_not_there(place, several, context, monkeypatch):
    """Too few nodes, too few GPUs, GPUs for fewer nodes, a path too long for a socket, no Ray: each with the mend."""
    model = str(place / "models" / "llama-8b")
    with pytest.raises(PlanError, match=r"asks for 2 nodes from n1 on, and the run has 1 there: .*leave `span` out"):
        plan(context, model=model, tensor_parallel=4, pipeline_parallel=2, span=2)
    with pytest.raises(PlanError, match=r"asks for 16 GPUs, and nodes n1, n2 have 8: ask for 8 at most"):
        plan(several, model=model, tensor_parallel=8, pipeline_parallel=2, span=2)
    with pytest.raises(PlanError, match=r"asks for 1 GPUs, fewer than the 2 nodes of `span`"):
        plan(several, model=model, span=2)
    long = replace(several, scratch=Path("/scratch") / ("x" * 100))
    with pytest.raises(PlanError, match=r"longer paths than Linux allows: give the run and the service shorter names"):
        plan(long, model=model, tensor_parallel=4, pipeline_parallel=2, span=2)
    (place / "venv" / "bin" / "ray").unlink()
    monkeypatch.setenv("PATH", str(place / "venv" / "bin"))
    with pytest.raises(PlanError, match=r"no program ray beside .*pip install ray into vLLM's venv"):
        plan(several, model=model, tensor_parallel=4, pipeline_parallel=2, span=2)


@pytest.mark.parametrize(
    ("service", "what"),
    [
        ("{kind: vllm, span: 3}", "3 nodes from node 0 on are not there: the allocation has nodes 0 to 1"),
        ("{kind: vllm, node: last, span: 2}", "2 nodes from node 1 on are not there"),
        ("{kind: vllm, nodes: 0-1, span: 2}", "one instance over several nodes has one place"),
        ("{kind: vllm, span: 2}", None),
        ("{kind: vllm, nodes: 0-1}", None),
    ],
)
def test_a_recipe_is_told_of_its_span(service, what):
    """Nodes that the allocation has not are an error of the recipe, on its line, before anything is submitted."""
    text = (
        f"name: x\nallocation: {{nodes: 2}}\nservices:\n  a: {service}\n"
        "load: {generator: made, phases: [{name: s, for: 1s, rate: 1}]}\n"
    )
    catalog = reader.Catalog(services={"vllm": Options}, generators={"made": Strict}, exporters=())
    if what is None:
        assert reader.check(parse(text, "r.yaml"), catalog)
        return
    with pytest.raises(RecipeError) as error:
        reader.check(parse(text, "r.yaml"), catalog)
    (problem,) = error.value.problems
    assert what in problem.message
    assert (problem.line, problem.where) == (4, "services.a.span")
    assert problem.mend


def test_the_head_is_ready_when_it_takes_connections():
    """Then its workers and vLLM are started."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        probe = vllm_ray.HeadProbe(*server.getsockname())
        assert "does not answer yet" in probe.check()
        server.listen()
        assert probe.check() is None


def test_the_key_is_in_a_file_and_the_environment(context, place):
    """No command line shows it; the file is the user's alone; Prometheus and the load read the file."""
    made = plan(context, model=str(place / "models" / "llama-8b"))
    (program,), (scrape,) = made.programs, made.scrapes
    key = made.target.secret()
    assert len(key) >= 32
    assert program.env["VLLM_API_KEY"] == key
    assert key not in " ".join([*program.argv, *(word for each in program.prepare for word in each), *made.notes])
    assert stat.S_IMODE(made.target.secret_file.stat().st_mode) == 0o600
    assert scrape.auth.token_file == made.target.secret_file
    assert scrape.keep == keep.VLLM
    assert (scrape.job, scrape.address, scrape.instance) == ("llm", "10.0.0.1:1234", "n1:1234")
    assert key not in repr(made.target)


def test_a_recipe_cannot_take_the_lock_off(place, context):
    """The recipe's environment goes before ours but for the key and the guard."""
    ours = {"VLLM_API_KEY": "", "PYTHONPATH": "/mine", "VLLM_HOST_IP": "10.0.0.1"}
    context = Context(**{**vars(context), "env": ours})
    (program,) = plan(context, model=str(place / "models" / "llama-8b")).programs
    assert len(program.env["VLLM_API_KEY"]) >= 32
    assert program.env["PYTHONPATH"] == "/scratch/run/llm/guard:/mine"
    assert program.env["VLLM_HOST_IP"] == "10.0.0.1"


def test_long_scratch_leaves_tmpdir_alone(place, context):
    """A socket's path has 107 characters at most: where the scratch is too deep, the node's own place is used."""
    context = Context(**{**vars(context), "scratch": Path("/scratch") / ("x" * 80)})
    (program,) = plan(context, model=str(place / "models" / "llama-8b")).programs
    assert "TMPDIR" not in program.env


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--api-key", "x"], "'--api-key' is ours to set: leave it out"),
        (["--api_key=x"], "'--api_key' is ours to set"),
        (["--api"], "'--api' is ours to set"),
        (["--host=0.0.0.0"], "'--host' is ours to set"),
        (["--max-num-seqs", "4"], "use the key `max_num_seqs`"),
        (["--Tensor-Parallel-Size=2"], "use the key `tensor_parallel`"),
        (["-tp", "2"], "'-tp' is a short option: write the long one"),
        (["--config", "mine.yaml"], "'--config' is ours to set"),
        (["--disable-log-stats"], "'--disable-log-stats' is ours"),
        (["--"], "'--' is ours"),
    ],
)
def test_args_cannot_say_what_keys_say(args, words):
    """What would override us, also by another spelling, is refused with the key to use."""
    with pytest.raises(ValidationError) as caught:
        Options(args=args)
    assert words in str(caught.value)


def test_other_args_pass():
    """Options that are none of ours, and values that begin with a dash."""
    args = ("--enforce-eager", "--num-gpu-blocks-override=24", "--model-impl", "auto", "--seed", "-1")
    assert Options(args=args).args == args


def test_what_cannot_be_started_is_said(place, context, monkeypatch):
    """No folder of a model, more GPUs than the node has, no vLLM: each with the mend."""
    program = place / "venv" / "bin" / "vllm"
    with pytest.raises(PlanError, match=r"no model in '/nowhere': give the folder"):
        plan(context, model="/nowhere")
    with pytest.raises(PlanError, match=r"asks for 8 GPUs, and node n1 has 4: .*or for more nodes by `span`"):
        plan(context, tensor_parallel=4, pipeline_parallel=2)
    with pytest.raises(PlanError, match=r"/nowhere/vllm is no program"):
        plan(context, binary="/nowhere/vllm")
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(PlanError, match=r"no program taskset on PATH"):
        plan(context, cpus="0", model=str(program.parents[2] / "models" / "llama-8b"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PlanError, match=r"no program vllm on PATH: pip install vllm"):
        plan(context)


def test_it_may_take_longer_to_be_ready_than_others():
    """A large model loads for minutes: the kind's own default, which a recipe may change."""
    text = "name: x\nservices: {a: {kind: vllm%s}}\nload: {generator: made, phases: [{name: s, for: 1s, rate: 1}]}\n"
    catalog = reader.Catalog(services={"vllm": Options}, generators={"made": Strict}, exporters=())
    for more, seconds in (("", 900.0), (", ready_within: 30s", 30.0)):
        assert reader.check(parse(text % more, "r.yaml"), catalog)[0].services["a"].ready_within == seconds


def test_the_model_is_what_transformers_would_write(tmp_path, monkeypatch):
    """The tiny model: a safetensors file whose header and bytes agree, the same each time; a tokenizer that fits."""
    pytest.importorskip("tokenizers")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a"))
    folder = vllm_model.ensure()
    config = json.loads((folder / "config.json").read_text())
    raw = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    del header["__metadata__"]
    assert max(each["data_offsets"][1] for each in header.values()) == len(raw) - 8 - length
    assert header["lm_head.weight"]["shape"] == [config["vocab_size"], config["hidden_size"]]
    assert len(header) == 3 + 9 * config["num_hidden_layers"]
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert (len(vocabulary), config["vocab_size"]) == (tiny_model.VOCABULARY, tiny_model.VOCABULARY)
    stamp = folder.stat().st_mtime_ns
    assert vllm_model.ensure().stat().st_mtime_ns == stamp
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert (vllm_model.ensure() / "model.safetensors").read_bytes() == raw
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("scope", "passes"),
    [
        ({"type": "http", "headers": [(b"authorization", b"Bearer right")]}, True),
        ({"type": "http", "headers": [(b"authorization", b"Bearer wrong")]}, False),
        ({"type": "http", "headers": []}, False),
        ({"type": "websocket", "headers": []}, False),
        ({"type": "lifespan"}, True),
    ],
)
async def test_the_guard_asks_for_the_key(scope, passes, monkeypatch):
    """Whatever the path, a request without the key gets 401 and never reaches the server."""
    monkeypatch.setenv("VLLM_API_KEY", "right")
    reached, sent = [], []

    async def app(*parts):
        reached.append(parts)

    async def send(message):
        sent.append(message)

    await Guard(app)({"path": "/invocations", **scope}, None, send)
    assert bool(reached) == passes
    if not passes:
        assert sent[0].get("status", sent[0].get("code")) in {401, 1008}


def test_the_guard_needs_a_key(monkeypatch):
    """A guard that has nothing to ask for keeps the server from starting."""
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(KeyError):
        Guard(None)


class Standin(http.server.BaseHTTPRequestHandler):
    """Answers as a vLLM would; class attributes say how."""

    key, model, tokens, locked, status = "right", "tiny", 1, True, 200

    def _answer(self, body):
        known = self.headers["Authorization"] == f"Bearer {self.key}"
        refused = not known and (self.locked or self.headers["Authorization"] is not None)
        data = json.dumps(body).encode()
        self.send_response(401 if refused else self.status if self.command == "POST" else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        """Tell the models."""
        self._answer({"data": [{"id": self.model}]})

    def do_POST(self):
        """Answer with some tokens."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"usage": {"completion_tokens": self.tokens}, "data": [{"embedding": [1.0] * self.tokens}]})

    def log_message(self, *_):
        """Stay quiet."""


@pytest.mark.parametrize("embeddings", [False, True])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"key": "other"}, "refuses our key"),
        ({"model": "big"}, "has big, not tiny"),
        ({"locked": False}, "answers without our key"),
        ({"tokens": 0}, "not what was asked for"),
        ({"status": 500}, "answers 500"),
    ],
)
def test_ready_means_answering_correctly(tmp_path, change, reason, embeddings):
    """Our key, our model, no strangers, and one right answer; else it is not ready, and why."""
    key = tmp_path / "key"
    key.write_text("right")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Changed", (Standin,), change))
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        found = VllmProbe(url, key, "tiny", embeddings=embeddings).check()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert found is None if reason is None else reason in found
    assert "ConnectionError" in VllmProbe(url, key, "tiny").check()
