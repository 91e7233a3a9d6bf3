"""Configuration files: golden, accepted by promtool, without secrets."""

import json
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from prometheus import server, web
from prometheus.certificates import Authority
from prometheus.config import Basic, Bearer, Scrape, groups, render, write_config
from prometheus.version import Version, VersionError

GOLDEN = Path(__file__).parent / "golden"
SCRAPES = [
    Scrape("llm", "service", "mel2001", "10.0.0.1:8000", Bearer(Path("/live/llm.key"))),
    Scrape("node", "sidecar", "mel2001", "10.0.0.1:9100", Basic("u", Path("/live/n0.password"))),
    Scrape("node", "sidecar", "mel2002", "10.0.0.2:9100", Basic("u", Path("/live/n1.password"))),
    Scrape("exporter", "sidecar", "mel2001", "10.0.0.1:9200", Bearer(Path("/live/exporter.token"))),
    Scrape("exporter", "sidecar", "mel2002", "10.0.0.2:9200", Bearer(Path("/live/exporter.token"))),
    Scrape("milvus", "service", "mel2001", "10.0.0.1:9091", keep="milvus_proxy_.*", metrics_path="/m"),
]


@pytest.mark.parametrize(("name", "version", "interval"), [("2.42", Version(2, 42), 1.0), ("3.5", Version(3, 5), 0.25)])
def test_rendered_config(name, version, interval, golden):
    """The configuration is as it was looked at, for both majors."""
    text = render(groups(SCRAPES), interval=interval, version=version)
    golden(GOLDEN / f"prometheus-{name}.yml", text)


def test_rendered_config_of_two_nodes(golden):
    """Between nodes all that is ours is scraped by TLS, known by the run's CA; a service's own page is as it was."""
    ca = Path("/live/ca.pem")
    scrapes = [scrape if scrape.role == "service" else replace(scrape, ca_file=ca) for scrape in SCRAPES]
    golden(GOLDEN / "prometheus-tls.yml", render(groups(scrapes), interval=1.0, version=Version(2, 42)))


def test_promtool_accepts_it(tmp_path):
    """promtool takes the configuration with its target files; the labels of the run are on each target."""
    ca_file = Authority(tmp_path, "run-1").ca_file
    for number, _ in enumerate(SCRAPES):
        (tmp_path / f"secret{number}").write_text("x")
    local = [
        replace(s, auth=Bearer(tmp_path / f"secret{n}"), ca_file=ca_file if n % 2 else None)
        for n, s in enumerate(SCRAPES)
    ]
    path = write_config(tmp_path, local, run_id="run-1", interval=1.0, version=Version(2, 42))
    done = subprocess.run(["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    targets = json.loads((tmp_path / "targets-node.json").read_text())
    expected = {"run_id": "run-1", "node": "mel2001", "role": "sidecar", "instance": "mel2001:9100"}
    assert targets[0] == {"targets": ["10.0.0.1:9100"], "labels": expected}


def test_config_shows_no_secret(tmp_path):
    """Secrets are paths: what is rendered can be archived."""
    (tmp_path / "key").write_text("s3cret")
    write_config(
        tmp_path, [Scrape("a", "service", "n", "h:1", Bearer(tmp_path / "key"))],
        run_id="r", interval=1.0, version=Version(2, 42),
    )  # fmt: skip
    assert "s3cret" not in (tmp_path / "prometheus.yml").read_text()


def test_web_config(tmp_path):
    """The password file and the hash are 0600, the password is in neither argument nor hash file, promtool agrees."""
    made = web.Credentials.generate()
    files = web.write_web_config(tmp_path, "p", made)
    for path in (files.config, files.password_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.password not in files.config.read_text()
    done = subprocess.run(["promtool", "check", "web-config", str(files.config)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert web.Credentials.generate().password != made.password


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+b5)\n  build user: x",
            Version(2, 42),
        ),
        ("prometheus, version 2.53.1 (branch: HEAD, revision: 14cfec3f)\n", Version(2, 53, 1)),
        ("prometheus, version 3.5.0-rc.0 (branch: HEAD, revision: abc)\n", Version(3, 5)),
    ],
)
def test_versions(text, version):
    """The words of several releases are read."""
    assert Version.parse(text) == version


def test_no_version():
    """Another program's words are refused."""
    with pytest.raises(VersionError):
        Version.parse("grafana 12.4")


def test_commands_name_no_secret_and_need_one():
    """Neither Prometheus nor node_exporter is started without a web.config.file."""
    for command in (
        server.live_command("prometheus", Path("c"), Path("d"), "h:1", Path("w")),
        server.replay_command("prometheus", Path("c"), Path("d"), "h:1", Path("w")),
        server.node_exporter_command("node_exporter", "h:1", Path("w")),
    ):
        assert "--web.config.file=w" in command
