"""prometheus.yml and its target files, rendered from the scrapes of a plan.

Secrets appear as paths of files only, so that what is rendered can be archived. The run id is a label of each target,
because external_labels never reach the TSDB. Targets come from file_sd: each scrape config has one file, so that
hundreds of nodes make a long list and not a long configuration.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from prometheus import remote, rules
from prometheus.promql import duration
from prometheus.remote import Remote
from prometheus.version import Version
from runs import atomic


@dataclass(frozen=True)
class Basic:
    """Basic authentication with the password in a file."""

    user: str
    password_file: Path


@dataclass(frozen=True)
class Bearer:
    """A bearer token in a file."""

    token_file: Path


@dataclass(frozen=True)
class Scrape:
    """One target. `keep` is an anchored regular expression of metric names to store; default: all.

    `ca_file`: the CA by which the target, which speaks TLS, is known; None: it speaks plain HTTP.
    """

    job: str
    role: str
    node: str
    address: str
    auth: Basic | Bearer | None = None
    metrics_path: str = "/metrics"
    keep: str | None = None
    ca_file: Path | None = None

    @property
    def instance(self) -> str:
        """The `instance` label: the node's name with the port, since an address says little to a reader."""
        return f"{self.node}:{self.address.rpartition(':')[2]}"


def write_config(
    directory: Path,
    scrapes: Iterable[Scrape],
    *,
    run_id: str,
    interval: float,
    version: Version,
    store: Remote | None = None,
) -> Path:
    """Write prometheus.yml, its rules and targets-*.json into `directory`; returns prometheus.yml. Raises OSError."""
    named = groups(scrapes)
    for name, group in named.items():
        targets = [
            {
                "targets": [scrape.address],
                "labels": {"run_id": run_id, "node": scrape.node, "role": scrape.role, "instance": scrape.instance},
            }
            for scrape in group
        ]
        atomic.write(directory / _target_file(name), json.dumps(targets, indent=2) + "\n")
    atomic.write(directory / rules.FILE, rules.render(interval))
    path = directory / "prometheus.yml"
    text = render(named, interval=interval, version=version, run_id=run_id, store=store)
    atomic.write(path, text)
    return path


def render(
    groups: dict[str, list[Scrape]],
    *,
    interval: float,
    version: Version,
    run_id: str = "",
    store: Remote | None = None,
) -> str:
    """Return prometheus.yml. `interval` in seconds; a scrape may take as long as the interval, at most 10 s.

    `store` is a site's own that all is sent to as well, with the run's id.
    """
    every = duration(interval)
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": duration(min(interval, 10.0)),
            "evaluation_interval": every,
        },
        "rule_files": [rules.FILE],
        "scrape_configs": [_scrape_config(name, group[0], version) for name, group in groups.items()],
    }
    if store is not None:
        config["global"]["external_labels"] = remote.external_labels(store, run_id)
        config["remote_write"] = [remote.render(store, interval)]
    return yaml.safe_dump(config, sort_keys=False)


def _scrape_config(name: str, scrape: Scrape, version: Version) -> dict[str, Any]:
    config: dict[str, Any] = {"job_name": name}
    if name != scrape.job:
        config["relabel_configs"] = [{"target_label": "job", "replacement": scrape.job}]
    config["metrics_path"] = scrape.metrics_path
    if scrape.ca_file is not None:
        config["scheme"] = "https"
        config["tls_config"] = {"ca_file": str(scrape.ca_file)}
    if isinstance(scrape.auth, Basic):
        config["basic_auth"] = {"username": scrape.auth.user, "password_file": str(scrape.auth.password_file)}
    elif isinstance(scrape.auth, Bearer):
        config["authorization"] = {"type": "Bearer", "credentials_file": str(scrape.auth.token_file)}
    if version.major >= 3:  # 3.x refuses a target that sends no Content-Type
        config["fallback_scrape_protocol"] = "PrometheusText0.0.4"
    if scrape.keep is not None:
        config["metric_relabel_configs"] = [{"source_labels": ["__name__"], "regex": scrape.keep, "action": "keep"}]
    # Relative to prometheus.yml, so that the archived configuration does not depend on where the run lay.
    config["file_sd_configs"] = [{"files": [_target_file(name)]}]
    return config


def groups(scrapes: Iterable[Scrape]) -> dict[str, list[Scrape]]:
    """Return the scrape configs that `scrapes` make: targets that one can serve, by a unique name."""
    alike: dict[tuple[object, ...], list[Scrape]] = {}
    for scrape in scrapes:
        alike.setdefault((scrape.job, scrape.metrics_path, scrape.auth, scrape.keep, scrape.ca_file), []).append(scrape)
    named: dict[str, list[Scrape]] = {}
    for group in alike.values():
        job = group[0].job
        named[job if job not in named else f"{job}-{sum(name.startswith(job) for name in named) + 1}"] = group
    return named


def _target_file(name: str) -> str:
    return f"targets-{name}.json"
