"""remote_write of prometheus.yml: what a site's store is sent beside the recording.

Keys: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#remote_write.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs.remote_write import RemoteWrite

FLUSH = 5.0
"""Seconds that Prometheus may take at its end to send what is left. Its own minute would hold up the end of a run whose
store is dead; the recording needs none of it."""


class RemoteError(Exception):
    """A store cannot be written to as asked; the text says what is missing and the mend."""


@dataclass(frozen=True)
class Remote:
    """A store, and the file that its secret is in; None: it wants none."""

    asked: RemoteWrite
    secret_file: Path | None


def resolve(asked: RemoteWrite, secret: Callable[[str, str], Path]) -> Remote:
    """Find the secret: a file stays where it is, a variable's value is kept by `secret` (name, value).

    Raises RemoteError.
    """
    for name in ("password_file", "bearer_file", "ca_file"):
        path = getattr(asked, name)
        if path is not None and not os.access(path, os.R_OK):
            raise RemoteError(f"watch.remote_write.{name}: {path} cannot be read here: make it, or leave it out")
    if given := asked.password_file or asked.bearer_file:
        return Remote(asked, Path(given))
    variable = asked.password_env or asked.bearer_env
    if variable is None:
        return Remote(asked, None)
    value = os.environ.get(variable, "")
    if not value:
        raise RemoteError(
            f"watch.remote_write: the environment variable {variable} is not set where the run starts: export it "
            "(Slurm hands it on with the job's environment), or use a file"
        )
    return Remote(asked, secret("remote-write.secret", value))


def external_labels(remote: Remote, run_id: str) -> dict[str, str]:
    """Return the labels of all that is sent. They never reach the recording, whose series have the run's own."""
    return {**remote.asked.labels, "run_id": run_id}


def render(remote: Remote, interval: float) -> dict[str, Any]:
    """Return an entry of remote_write for a scrape `interval` in seconds; secrets appear as paths of files only."""
    asked = remote.asked
    config: dict[str, Any] = {"url": asked.url, "name": "site"}
    if asked.headers:
        config["headers"] = dict(asked.headers)
    if remote.secret_file is not None and asked.user is not None:
        config["basic_auth"] = {"username": asked.user, "password_file": str(remote.secret_file)}
    elif remote.secret_file is not None:
        config["authorization"] = {"type": "Bearer", "credentials_file": str(remote.secret_file)}
    if asked.ca_file is not None:
        config["tls_config"] = {"ca_file": asked.ca_file}
    if asked.keep is not None:
        config["write_relabel_configs"] = [{"source_labels": ["__name__"], "regex": asked.keep, "action": "keep"}]
    # A run is short: what is sent late is not sent at all.
    config["queue_config"] = {"batch_send_deadline": f"{max(1000, round(interval * 1000))}ms", "max_shards": 10}
    # Only HELP and TYPE, which is sent once a minute and which many stores refuse.
    config["metadata_config"] = {"send": False}
    return config
