"""Grafana's command line, settings and environment: golden; the installation is found and asked."""

import json
from pathlib import Path

import pytest

from grafana import server
from prometheus.version import Version
from tests.grafana import standin

GOLDEN = Path(__file__).parent / "golden"
PLACE = server.Place(Path("/tmp/dashcam-1-x/grafana"))  # noqa: S108


def test_settings(golden):
    """The ini file is as it was looked at."""
    golden(GOLDEN / "grafana.ini", server.ini())


def test_environment(golden):
    """The environment is as it was looked at: no secret in it, only the files of secrets."""
    found = server.environment(PLACE, "10.3.24.92:23000", "dashcam", "20260101-x", Path("/runs/1/dashboards/o.json"))
    golden(GOLDEN / "environment.json", json.dumps(dict(sorted(found.items())), indent=2) + "\n")


def test_every_setting_is_told_twice():
    """Each setting of the ini file is a variable too, which wins over an image's."""
    found = server.environment(PLACE, "127.0.0.1:1", "dashcam", "x")
    for section, keys in server.SETTINGS.items():
        for key, value in keys.items():
            assert found[server.variable(section, key)] == value


def test_found_by_its_home(tmp_path):
    """$GRAFANA_HOME comes before PATH."""
    home = standin.install(tmp_path)
    found = server.find({"GRAFANA_HOME": str(home), "PATH": "/nowhere"})
    assert found == server.Installation((str(home / "bin" / "grafana"), "server"), home, Version(12, 4, 1))
    assert server.command(found, PLACE) == (
        *(f"{home}/bin/grafana", "server", f"--homepath={home}"),
        "--config=/tmp/dashcam-1-x/grafana/grafana.ini",
    )


def test_found_on_path(tmp_path):
    """A link on PATH leads to the home; the program there is started, not the link."""
    home = standin.install(tmp_path)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "grafana").symlink_to(home / "bin" / "grafana")
    found = server.find({"PATH": str(tmp_path / "path")})
    assert found is not None
    assert (found.home, found.argv[0]) == (home, str(home / "bin" / "grafana"))


def test_an_old_program_is_taken(tmp_path):
    """A release that has only grafana-server is started by it."""
    home = standin.install(tmp_path)
    (home / "bin" / "grafana").unlink()
    old = home / "bin" / "grafana-server"
    old.write_text("#!/bin/sh\necho 'Version 9.5.2 (commit: cfcea75916, branch: HEAD)'\n")
    old.chmod(0o755)
    assert server.find({"PATH": str(home / "bin")}) == server.Installation((str(old),), home, Version(9, 5, 2))


def test_none_is_none(tmp_path):
    """Where there is no Grafana there is none."""
    assert server.find({"PATH": str(tmp_path)}) is None


def test_a_lost_home_is_told(tmp_path):
    """A program without its home, a home without its program, and a program without words are errors with a mend."""
    lost = tmp_path / "grafana"
    lost.write_text("#!/bin/sh\n")
    lost.chmod(0o755)
    with pytest.raises(server.GrafanaError, match="set GRAFANA_HOME"):
        server.find({"PATH": str(tmp_path)})
    with pytest.raises(server.GrafanaError, match=r"no conf/defaults\.ini"):
        server.find({"GRAFANA_HOME": str(tmp_path)})
    home = standin.install(tmp_path)
    (home / "bin" / "grafana").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(server.GrafanaError, match="does not say which release it is: 'hello"):
        server.find({"GRAFANA_HOME": str(home)})
    (home / "bin" / "grafana").unlink()
    with pytest.raises(server.GrafanaError, match="no bin/grafana"):
        server.find({"GRAFANA_HOME": str(home)})


def test_strays():
    """Variables of a shell profile that would open what is closed are named, to be left out."""
    own = server.environment(PLACE, "127.0.0.1:1", "dashcam", "x")
    assert server.strays(["GF_DATABASE_URL", "PATH", "GF_SERVER_HTTP_PORT", "GFX"], own) == ("GF_DATABASE_URL",)
