"""The service catalogue: what is told of each kind, starter recipes, and the command lines of those never run here."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest
import yaml

from jobs import kinds
from jobs.catalog import catalog
from jobs.node import PortError
from jobs.services import catalogue
from jobs.services.base import Context, PlanError
from jobs.services.minio import metrics_token
from loadtests.fio import places
from prometheus import keep, rules
from runs import document, reader

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]
NEW = {
    "embeddings": {"threads": 2},
    "milvus": {},
    "minio": {"requests": 64},
    "qdrant": {"search_threads": 4},
    "weaviate": {"async_indexing": True, "memory_limit": "8GiB"},
}
BEGIN, END = "<!-- kinds: pytest tests/jobs/test_catalogue.py --update-golden -->\n", "<!-- end -->"
PROGRAMS = ("qdrant", "milvus", "minio", "weaviate", "llama-server")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put programs on PATH that only know their versions."""
    folder = tmp_path / "milvus" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "milvus" / "lib").mkdir()
    said = {"qdrant": "qdrant 1.15.4", "minio": "minio version RELEASE.2025-09-07T16-13-09Z (commit-id=0)"}
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho '{said.get(name, '')}'\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    return folder


@pytest.fixture
def context(tmp_path, monkeypatch):
    """A place on one node."""
    monkeypatch.setattr("secrets.token_urlsafe", lambda count=32: "S" * count)
    monkeypatch.setattr("secrets.token_hex", lambda count=32: "a" * count)
    live = tmp_path / "live"
    live.mkdir()
    ports = iter(range(20_001, 20_100))

    def secret(name, value):
        path = live / name
        path.touch(mode=0o600)
        path.write_text(value)
        return path

    return Context(
        run_id="20260101-000000-test-abcd",
        name="it",
        node=0,
        node_name="n1",
        address="10.0.0.1",
        scratch=tmp_path / "disk" / "run" / "it",
        live=live,
        ready_within=30.0,
        env={"RECIPE_SAYS": "so"},
        port=lambda asked: asked or next(ports),
        secret=secret,
        otlp_grpc=lambda: None,
    )


def plan(kind, context, **options):
    """Plan one instance."""
    found = catalogue()[kind]
    return found.plan(context, found.Options.model_validate(options))


@pytest.mark.parametrize("name", catalogue())
def test_each_kind_tells_of_itself(name):
    """Nothing is left out, and no key is without words."""
    about = catalogue()[name].about
    for text in (about.title, about.load, about.ports, about.guard, about.metrics, about.program, about.starts):
        assert text.strip()
    assert [key for key, _, words in kinds.options(catalogue()[name]) if not words] == []
    assert set(about.exporters) <= set(catalog().exporters)


@pytest.mark.parametrize("name", catalogue())
def test_starter_recipe_is_right(name):
    """It is read without an error, names the kind, is judged, and shows every key of the kind."""
    recipe = kinds.recipe(name)
    assert [service.kind for service in recipe.services.values()] == [name]
    assert recipe.objectives
    assert recipe.load.stages
    text = kinds.starter(name)
    assert max(map(len, text.splitlines())) <= 120
    for key, _, _ in kinds.options(catalogue()[name]):
        assert re.search(rf"^    (# )?{key}:", text, re.MULTILINE), key


@pytest.mark.parametrize("name", catalogue())
def test_starter_recipe_with_all_its_comments_is_right(name):
    """What stands in comments may be taken in: each default is one that the reader takes."""
    lines = kinds.starter(name).splitlines()
    taken = [re.sub(r"^    # (\w+:)", r"    \1", line) for line in lines]
    reader.check(document.parse("\n".join(taken), "all.yaml"), catalog())


@pytest.mark.parametrize("name", catalogue())
def test_each_kind_fills_a_dashboard(name):
    """A run of the starter recipe has at least one beside those of any run."""
    assert kinds.dashboards(name)


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("kind", NEW)
def test_native_command_line(kind, context, tmp_path, golden):
    """Everything that is started and scraped, with the files that it reads."""
    options = dict(NEW[kind])
    if kind == "embeddings":
        (tmp_path / "model.gguf").touch()
        options["model"] = str(tmp_path / "model.gguf")
    made = plan(kind, context, **options)
    (program,), (scrape,) = made.programs, made.scrapes
    told = {
        "prepare": program.prepare,
        "argv": program.argv,
        "env": dict(sorted(program.env.items())),
        "probe": type(program.probe).__name__,
        "port": program.port,
        "target": made.target.model_dump(mode="json"),
        "scrape": {
            "address": scrape.address,
            "path": scrape.metrics_path,
            "auth": str(scrape.auth),
            "keep": scrape.keep,
        },
        "files": {
            path.name: path.read_text() for path in sorted(context.live.iterdir()) if not path.name.endswith(".token")
        },
        "versions": made.versions,
        "notes": made.notes,
    }
    text = json.dumps(told, indent=2, default=str) + "\n"
    text = text.replace(str(tmp_path), "$BASE").replace(sys.executable, "$PYTHON")
    golden(GOLDEN / f"native-{kind}.json", text)


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("kind", NEW)
def test_secrets_are_in_files_of_the_user_alone(kind, context, tmp_path):
    """No command line shows a secret, each file that holds one is mode 0600, and the load is given one."""
    (tmp_path / "model.gguf").touch()
    options = {**NEW[kind], **({"model": str(tmp_path / "model.gguf")} if kind == "embeddings" else {})}
    made = plan(kind, context, **options)
    assert made.target.secret()
    for program in made.programs:
        shown = " ".join([*program.argv, *(word for words in program.prepare for word in words), *made.notes])
        assert "SSSS" not in shown
    for path in context.live.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("kind", sorted(set(NEW) - {"embeddings"}))
def test_a_recipe_cannot_take_the_lock_off(kind, context):
    """What the recipe's environment says goes before ours, but not for what keeps strangers out."""
    (program,) = plan(kind, context).programs
    locks = {name: value for name, value in program.env.items() if re.search("AUTH|PASSWORD|ROOT_USER", name)}
    context = Context(**{**vars(context), "env": {**dict.fromkeys(locks, "off"), "RUST_LOG": "info"}})
    (program,) = plan(kind, context).programs
    assert program.env["RUST_LOG"] == "info"
    assert {name: program.env[name] for name in locks} == locks
    if kind == "qdrant":  # its lock is in a file
        assert yaml.safe_load((context.live / "it.yaml").read_text())["service"]["api_key"]


@pytest.mark.parametrize("kind", sorted(set(NEW) - {"embeddings"}))
def test_without_the_program(kind, context, monkeypatch):
    """A machine without it is told so, with the mend."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PlanError, match=f"no program {kind} on PATH: .*image"):
        plan(kind, context)


def test_minio_signs_its_token():
    """Three parts; the last is the HS512 of the others by root's secret, and the subject is root."""
    token = metrics_token("ROOT", "secret", 1_800_000_000)
    head, claims, signature = token.split(".")
    assert "=" not in token
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS512", "typ": "JWT"}
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == {
        "exp": 1_800_000_000,
        "iss": "prometheus",
        "sub": "ROOT",
    }
    wanted = hmac.digest(b"secret", f"{head}.{claims}".encode(), hashlib.sha512)
    assert base64.urlsafe_b64decode(signature + "==") == wanted


@pytest.mark.usefixtures("programs")
def test_weaviate_has_two_ports_in_a_row(context):
    """Its data port is the one after its gossip port; where that is taken, another pair is found."""
    taken = {20_003 + 1}
    free = itertools.count(20_001)

    def port(asked):
        if asked in taken:
            raise PortError(f"port {asked} is taken")
        return asked or next(free)

    (program,) = plan("weaviate", Context(**{**vars(context), "port": port})).programs
    gossip, data = (int(program.env[f"CLUSTER_{word}_BIND_PORT"]) for word in ("GOSSIP", "DATA"))
    assert data == gossip + 1
    assert data not in taken

    def none(asked):
        if asked:
            raise PortError("taken")
        return next(free)

    with pytest.raises(PlanError, match="no two free ports in a row"):
        plan("weaviate", Context(**{**vars(context), "port": none}))


@pytest.mark.usefixtures("programs")
def test_milvus_gives_each_part_a_port(context):
    """No two parts listen on one port, and etcd stays on loopback."""
    (program,) = plan("milvus", context).programs
    ports = [value for name, value in program.env.items() if name.endswith("PORT")]
    assert len(ports) == len(set(ports)) == 10
    etcd = yaml.safe_load((context.live / "it.etcd.yaml").read_text())
    assert all(value.startswith("http://127.0.0.1:") for name, value in etcd.items() if name.endswith("-urls"))


def test_files_names_places_for_fio(context, tmp_path, monkeypatch):
    """Words become directories of this node and site; what is one file system, or unknown to the site, is said."""
    for name in ("disk", "shared", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    context = Context(**{**vars(context), "shared": tmp_path / "shared"})
    made = plan("files", context)
    assert made.programs == made.scrapes == ()
    assert places.named(made.target.url) == {
        "local": str(tmp_path / "disk"),
        "shared": str(tmp_path / "shared"),
        "home": str(tmp_path / "home"),
        "tmpfs": "/dev/shm",  # noqa: S108 - what it is for
    }
    assert [name for name, _ in made.versions] == ["it (local)", "it (shared)", "it (home)", "it (tmpfs)"]
    assert made.notes == (
        "it: local and shared and home are one file system on this node: comparing them says nothing of it",
    )
    made = plan("files", Context(**{**vars(context), "shared": None}), places={"shared": "shared", "tmpfs": "tmpfs"})
    assert places.named(made.target.url)["shared"] == "run"
    assert "names no scratch" in made.notes[0]


def test_files_says_all_that_is_wrong(context, tmp_path):
    """Each place that cannot be used is named, with why."""
    with pytest.raises(PlanError, match=r"a: .*/no is no directory here; b: .* is no directory here: name another"):
        plan("files", context, places={"a": str(tmp_path / "no"), "b": str(tmp_path / "nor")})


def test_the_page_is_that_of_the_code(golden):
    """docs/services.md has the table of the kinds, and each with its keys."""
    path = ROOT / "docs" / "services.md"
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    golden(path, f"{before}{BEGIN}\n{kinds.page()}\n{END}{after}")


def test_every_keep_list_has_its_rules():
    """What a kind keeps is what the rules of that name ask for."""
    assert {"qdrant", "milvus", "weaviate", "minio"} <= {group.name for group in rules.groups()} & set(keep.LISTS)


@pytest.mark.usefixtures("programs")
def test_milvus_finds_its_libraries(context, tmp_path):
    """A build's lib/ beside bin/ is where its shared objects are."""
    (program,) = plan("milvus", context).programs
    assert program.env["LD_LIBRARY_PATH"] == str(tmp_path / "milvus" / "lib")
    assert os.environ.get("LD_LIBRARY_PATH") is None
