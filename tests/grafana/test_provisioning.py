"""Provisioning files: golden, read back by Grafana's own rules, without a secret."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from grafana import provisioning
from grafana.datasource import UID
from grafana.provisioning import Source
from tests.grafana import standin

GOLDEN = Path(__file__).parent / "golden"
SOURCE = Source("http://10.3.24.92:20090", "dashcam", Path("/tmp/x/prometheus.secret"), 0.5, "2.42.0")  # noqa: S108


def test_data_source(golden):
    """The data source is as it was looked at."""
    golden(GOLDEN / "datasources.yaml", provisioning.data_sources(SOURCE))


def test_dashboards(golden):
    """The provider of dashboards is as it was looked at."""
    golden(GOLDEN / "dashboards.yaml", provisioning.dashboards(Path("/runs/1/dashboards")))


def test_data_source_by_tls(golden):
    """A Prometheus that speaks TLS is known by the run's CA, which Grafana reads from a file."""
    source = replace(SOURCE, url="https://10.3.24.92:20090", ca_file=Path("/tmp/x/ca.secret"))  # noqa: S108
    golden(GOLDEN / "datasources-tls.yaml", provisioning.data_sources(source))


@pytest.mark.parametrize(("seconds", "text"), [(1.0, "1s"), (0.25, "250ms"), (15, "15s"), (1.5, "1500ms")])
def test_interval_is_the_scrape_interval(seconds, text):
    """$__rate_interval rests on timeInterval: it is the interval of the scrapes, in words that Grafana reads."""
    source = Source(SOURCE.url, SOURCE.user, SOURCE.password_file, seconds, "3.5.0")
    [entry] = yaml.safe_load(provisioning.data_sources(source))["datasources"]
    assert entry["jsonData"]["timeInterval"] == text


def test_read_back(tmp_path, monkeypatch):
    """What Grafana makes of the files is what was meant, in folders whose names would be expanded."""
    monkeypatch.setenv("HOME", "/elsewhere")
    secret = tmp_path / "prometheus.secret"
    secret.write_text("s3cret\n")
    folder = tmp_path / "$HOME costs 5$ #1"
    folder.mkdir()
    source = Source("http://127.0.0.1:1", "da$hcam", secret, 1.0, "2.42.0")
    provisioning.write(tmp_path / "provisioning", source, folder)
    entry = standin.data_sources(tmp_path / "provisioning" / "datasources")[UID]
    assert (entry["url"], entry["basicAuthUser"]) == ("http://127.0.0.1:1", "da$hcam")
    assert entry["secureJsonData"] == {"basicAuthPassword": "s3cret"}
    assert (entry["access"], entry["editable"], entry["isDefault"]) == ("proxy", False, True)
    assert standin.providers(tmp_path / "provisioning" / "dashboards") == [folder]
    text = "".join(path.read_text() for path in (tmp_path / "provisioning").rglob("*.yaml"))
    assert "s3cret" not in text


@pytest.mark.parametrize("name", ["a}b", "a$b", "a{b"])
def test_a_path_that_grafana_cannot_read_is_refused(name):
    """$__file{} ends at the first brace: such a path is an error and not an empty password."""
    with pytest.raises(ValueError, match="Grafana cannot read a secret from"):
        provisioning.from_file(Path("/tmp") / name)  # noqa: S108
