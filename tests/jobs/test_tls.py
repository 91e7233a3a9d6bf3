"""What a run of two nodes starts, on two addresses of loopback: all that is ours speaks TLS, by the run's own CA."""

import json
import os
import shutil
import ssl
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dashcam import cli
from grafana.datasource import UID
from grafana.provisioning import Source
from jobs import node
from jobs.allocations import local
from jobs.catalog import catalog
from jobs.grafana import Beside
from jobs.plan import PORTS_PER_NODE, Planner
from jobs.probes import HttpProbe
from loadtests import progress
from prometheus.client import Client, PrometheusError
from runs import reader
from runs.directory import RunDirectory
from runs.manifest import Manifest, Node, Process, now
from runs.recipe import Grafana
from tests.grafana import standin
from tests.jobs import dcgm

pytestmark = [pytest.mark.real, pytest.mark.timing]

ADDRESSES = {"mel2001": "127.0.0.1", "mel2002": "127.0.0.2"}
RECIPE = f"""\
name: two
allocation: {{nodes: 2}}
watch: {{interval: 500ms, exporters: [node, cgroup, gpu, otlp], grafana: off}}
services:
  llm:
    kind: command
    node: 1
    command: "{sys.executable} -P -m tests.jobs.instrumented {{port}} {{address}}"
    ready: /health
    metrics: /metrics
  db: {{kind: pgvector, node: 1}}
load:
  generator: openai
  target: llm
  nodes: [0, 1]
  processes: 2
  prompt_tokens: 8
  phases: [{{name: steady, for: 5s, rate: 1}}]
"""


class Two:
    """The programs of a run of two nodes, started here."""

    def __init__(self, folder: Path, nodes: int = 2) -> None:
        self.run = RunDirectory.create(folder / "recordings", "20260101-000000-two-abcd")
        there = [
            Node(index=index, name=name, address=address)
            for index, (name, address) in enumerate(list(ADDRESSES.items())[:nodes])
        ]
        ports = [node.free_ports(PORTS_PER_NODE, each.address) for each in there]
        written = folder / "two.yaml"
        written.write_text(RECIPE)
        self.recipe, _ = reader.load(written, catalog())
        # As a run's: PostgreSQL, which does not run as root, must be able to come here.
        self.scratch = Path(tempfile.mkdtemp(prefix="dashcam-tls-"))
        self.plan = Planner(self.run, self.recipe, there, ports, self.scratch).plan()
        self.programs = {program.name: program for program in (*self.plan.first, *self.plan.load)}
        plan = self.plan
        self.client = Client(
            plan.prometheus_url, plan.prometheus_user, plan.prometheus_password, 5.0, plan.prometheus_ca
        )
        self.handles: list[local.LocalHandle] = []

    def start(self) -> None:
        """Start all, and wait until they are ready."""
        programs = list(self.programs.values())
        for program in programs:
            for words in program.prepare:
                subprocess.run(words, check=True, capture_output=True, cwd=Path(__file__).parents[2])
            env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **program.env}
            self.handles.append(local.start(program, env, self.run.logs / f"{program.name}.log"))
        for program in programs:
            if program.probe is not None:
                self.wait(lambda program=program: program.probe.check() is None, program.name)

    def wait(self, ask, what, within=30.0):
        """Poll until `ask` gives something true."""
        deadline = time.monotonic() + within
        while not (found := ask()):
            logs = "".join(path.read_text()[-600:] for path in self.run.logs.iterdir())
            assert time.monotonic() < deadline, f"{what}\n{logs}"
            time.sleep(0.05)
        return found

    def stop(self) -> None:
        """End them."""
        for handle in self.handles:
            handle.stop()
        shutil.rmtree(self.scratch)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """All programs of a run of two nodes, scraped."""
    folder = tmp_path_factory.mktemp("two")
    dcgm.install(folder / "bin", dcgm.PROGRAM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        made = Two(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def ours(two):
    """Return the URLs of all that we serve, by the program's name."""
    probes = {name: program.probe for name, program in two.programs.items() if program.role != "service"}
    return {name: probe.url for name, probe in probes.items() if isinstance(probe, HttpProbe)}


def test_prometheus_scrapes_by_tls(two):
    """Every target but the service's own page is up over https; series of both nodes come in."""
    two.wait(lambda: sum(t.health == "up" for t in two.client.targets()) >= 6, "targets up")
    answer = two.client._ask("GET", "/api/v1/targets?state=active")["activeTargets"]
    schemes = {
        (t["labels"]["job"], t["labels"]["node"]): (urlsplit(t["scrapeUrl"]).scheme, t["health"]) for t in answer
    }
    assert schemes.pop(("llm", "mel2002"))[0] == "http"
    assert schemes.keys() == {
        *((job, name) for job in ("node", "exporter") for name in ADDRESSES),
        *(("load", "mel2001"), ("db-exporter", "mel2002")),
    }
    assert set(schemes.values()) == {("https", "up")}
    assert len({t["discoveredLabels"]["job"] for t in answer}) == 5, "nodes share a scrape config"


def test_dcgm_exporter_by_tls(two):
    """Our exporter reads dcgm-exporter's page, which is not scraped itself, by the run's CA."""
    two.wait(lambda: two.client.query('gpu_source_up{source="dcgm-exporter"} == 1'), "dcgm-exporter is read")


def test_the_load_joins_by_tls(two):
    """Load processes of the other node come to the first by TLS: all are there, and the load is ready to begin."""

    def ready():
        told = progress.read(two.run.load)
        assert told is None or told.state != "failed", told
        return told is not None and told.state == "ready"

    two.wait(ready, "the load is ready")


def test_no_one_else(two):
    """Without the CA a client refuses; with it but without the secret it is 401; plain HTTP gets no page."""
    pages = ours(two)
    assert pages.keys() >= {
        *("node-exporter-0", "node-exporter-1", "exporter-0", "exporter-1", "prometheus", "load", "db-exporter"),
        *("dcgm-exporter-0", "dcgm-exporter-1"),
    }
    with requests.Session() as session:
        session.trust_env = False
        for name, url in pages.items():
            assert url.startswith("https://"), name
            with pytest.raises(requests.exceptions.SSLError):
                session.get(url, timeout=5)
            assert session.get(url, timeout=5, verify=str(two.plan.prometheus_ca)).status_code == 401, name
            try:
                plain = session.get(url.replace("https", "http", 1), timeout=5)
            except requests.RequestException:
                continue
            assert plain.status_code == 400, name
            assert len(plain.content) < 100, name


def test_each_node_has_a_certificate_of_its_own(two):
    """A node's certificate names that node: by another node's name it is refused."""
    context = ssl.create_default_context(cafile=str(two.plan.prometheus_ca))
    address = urlsplit(ours(two)["node-exporter-1"])
    for name, good in (("127.0.0.2", True), ("mel2002", True), ("127.0.0.1", False), ("mel2001", False)):
        with ssl.create_connection((address.hostname, address.port), timeout=5) as plain:
            try:
                context.wrap_socket(plain, server_hostname=name).close()
            except ssl.SSLCertVerificationError:
                assert not good, name
            else:
                assert good, name


def test_clients_say_what_is_wrong(two, tmp_path):
    """A probe and a client that meet a server without the run's certificate say so."""
    plan = two.plan
    other = HttpProbe(f"{plan.prometheus_url}/-/ready", basic=(plan.prometheus_user, plan.prometheus_password))
    assert other.check().endswith("does not show the run's certificate: another program holds the port")
    assert two.programs["prometheus"].probe.check() is None
    with pytest.raises(PrometheusError, match="CERTIFICATE_VERIFY_FAILED"):
        Client(plan.prometheus_url, plan.prometheus_user, plan.prometheus_password).query("up")
    with pytest.raises(PrometheusError, match="CA certificate"):
        Client(plan.prometheus_url, "u", plan.prometheus_password, ca_file=tmp_path / "gone").query("up")


def test_grafana_reads_it_by_the_authority(two, tmp_path, monkeypatch):
    """The provisioned data source works by the run's CA, copied to the node's own 0600 file, and not without."""
    monkeypatch.setenv("GRAFANA_HOME", str(standin.install(tmp_path)))
    plan, said = two.plan, []
    for name, ca_file in (("with", plan.prometheus_ca), ("without", None)):
        run = RunDirectory.create(tmp_path / name, "20260101-000000-x-abcd")
        source = Source(plan.prometheus_url, plan.prometheus_user, plan.prometheus_password, 1.0, "2.42.0", ca_file)
        [port] = node.free_ports(1, "127.0.0.1")
        beside = Beside(run, Grafana(), lambda *_, port=port: port, tmp_path / name / "scratch", {}, [])
        planned = beside.plan(Node(index=0, name="mel2001", address="127.0.0.1"), source)
        copied = tmp_path / name / "scratch" / "grafana" / "ca.secret"
        assert copied.exists() == (ca_file is not None)
        program = planned.program
        env = {n: v for n, v in os.environ.items() if n not in program.without} | dict(program.env)
        handle = local.start(program, env, run.logs / "grafana.log")
        try:
            two.wait(lambda probe=program.probe: "not answer yet" not in (probe.check() or ""), "Grafana")
            said.append(program.probe.check())
        finally:
            handle.stop()
    assert said == [None, f"Grafana's data source {UID} does not work: 502 of Prometheus"]


def test_a_manifest_is_enough(two, monkeypatch, capsys):
    """What `run.json` tells is enough for the view, `recover` and `watch`, which names the CA and hands it on."""
    plan = two.plan
    ends = {
        "prometheus": plan.prometheus_url, "prometheus_user": plan.prometheus_user,
        "prometheus_password_file": str(plan.prometheus_password), "prometheus_ca": str(plan.prometheus_ca),
    }  # fmt: skip
    assert Client.of(ends).ready()
    assert not Client.of({**ends, "prometheus_ca": ""}).ready()
    record = Process(name="prometheus", role="prometheus", node=0, pid=1, start_ticks=1, log="x", started=now())
    record.ready = now()
    Manifest(
        id=two.run.id, recipe={}, state="running", created=now(), allocation="slurm", processes=[record],
        nodes=[Node(index=0, name="mel2001", address="127.0.0.1")], endpoints=ends,
    ).save(two.run.manifest)  # fmt: skip
    monkeypatch.setenv("DASHCAM_SITE", "lab")
    assert cli.main(["watch", str(two.run.path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ca"] == plan.prometheus_ca.read_text()
    assert facts["url"].startswith("https://")


def test_secrets_are_where_they_vanish(two):
    """Keys are 0600 in live/ and nowhere else; no command line and no archived file holds one."""
    keys = sorted(two.run.path.rglob("*.key"))
    assert [path.relative_to(two.run.path).as_posix() for path in keys] == ["live/node-0.key", "live/node-1.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    kept = b"".join(p.read_bytes() for p in two.run.path.rglob("*") if p.is_file() and two.run.live not in p.parents)
    assert b"PRIVATE KEY" not in kept
    words = json.dumps([[*program.argv, *program.env.values()] for program in two.programs.values()])
    assert "PRIVATE KEY" not in words


def test_one_node_stays_plain(tmp_path):
    """Where nothing crosses a network there is neither a CA nor TLS."""
    one = Two(tmp_path, nodes=1)
    one.stop()
    assert not [path for path in one.run.live.iterdir() if path.suffix in {".pem", ".crt", ".key"}]
    assert {urlsplit(url).scheme for url in ours(one).values()} == {"http"}
    assert (one.plan.prometheus_ca, one.plan.prometheus_url[:7]) == (None, "http://")
    assert "--tls-cert" not in one.programs["exporter-0"].argv
    assert "https" not in (one.run.configs / "prometheus.yml").read_text()
