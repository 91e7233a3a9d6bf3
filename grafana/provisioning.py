"""Grafana's provisioning files: the run's Prometheus as data source, the run's dashboards as a folder.

Grafana expands $VAR, ${VAR} and $__file{PATH} in every value, and takes `$$` for a dollar
(pkg/services/provisioning/values). What is written here names a file for the password and never the password itself,
so that it can be archived as it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grafana.datasource import UID
from runs import atomic

FOLDERS = ("access-control", "alerting", "dashboards", "datasources", "plugins")
"""Grafana looks into each, and logs an error for one that is not there."""


@dataclass(frozen=True)
class Source:
    """A Prometheus as Grafana is to ask it. `interval`: seconds between scrapes; $__rate_interval is made of it.

    `ca_file`: the CA by which one that speaks TLS is known.
    """

    url: str
    user: str
    password_file: Path
    interval: float
    version: str
    ca_file: Path | None = None


def data_sources(source: Source) -> str:
    """Return the YAML of the data source. Raises ValueError for a file that cannot be named in it."""
    milliseconds = round(source.interval * 1000)
    entry: dict[str, Any] = {
        "name": "Prometheus of the run",
        "uid": UID,
        "type": "prometheus",
        "access": "proxy",
        "url": _literal(source.url),
        "isDefault": True,
        "editable": False,
        "basicAuth": True,
        "basicAuthUser": _literal(source.user),
        "secureJsonData": {"basicAuthPassword": from_file(source.password_file)},
        "jsonData": {
            "httpMethod": "POST",
            "timeInterval": f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms",
            "prometheusType": "Prometheus",
            "prometheusVersion": source.version,
            "manageAlerts": False,
        },
    }
    if source.ca_file is not None:
        entry["secureJsonData"]["tlsCACert"] = from_file(source.ca_file)
        entry["jsonData"]["tlsAuthWithCACert"] = True
    return yaml.safe_dump({"apiVersion": 1, "prune": True, "datasources": [entry]}, sort_keys=False)


def dashboards(folder: Path) -> str:
    """Return the YAML that has Grafana show the dashboards of `folder`, as they are and as they change."""
    provider = {
        "name": "run",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 10,
        "options": {"path": _literal(str(folder)), "foldersFromFilesStructure": False},
    }
    return yaml.safe_dump({"apiVersion": 1, "providers": [provider]}, sort_keys=False)


def write(directory: Path, source: Source, folder: Path) -> None:
    """Make a provisioning directory. Raises OSError, ValueError."""
    for name in FOLDERS:
        (directory / name).mkdir(parents=True, exist_ok=True)
    atomic.write(directory / "datasources" / "run.yaml", data_sources(source), sync=False)
    atomic.write(directory / "dashboards" / "run.yaml", dashboards(folder), sync=False)


def from_file(path: Path) -> str:
    """Return the words by which Grafana reads a value from a file, in settings and in provisioning files.

    Raises ValueError for a path that these words cannot hold.
    """
    if any(character in str(path) for character in "${}\n"):
        raise ValueError(f"Grafana cannot read a secret from {path}: its path holds one of $, {{ and }}")
    return f"$__file{{{path}}}"


def _literal(text: str) -> str:
    return text.replace("$", "$$")
