"""Basic authentication and TLS for programs built on Prometheus's exporter-toolkit, by their web.config.file.

Keys: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import yaml

from runs import atomic

_ROUNDS = 4
"""bcrypt's cost. The passwords are 192 random bits, which no cost makes safer; the hash is paid on scrapes."""


@dataclass(frozen=True)
class Credentials:
    """A user and a random password."""

    user: str
    password: str

    @classmethod
    def generate(cls, user: str = "dashcam") -> "Credentials":
        """Make a password of 192 random bits."""
        return cls(user, secrets.token_urlsafe(24))


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: what a node's servers show, its key, and the CA by which clients know it."""

    cert_file: Path
    key_file: Path
    ca_file: Path


def base_url(address: str, certificate: Certificate | None) -> str:
    """Return the URL of a server at host:port that shows `certificate`, or none."""
    return f"{'http' if certificate is None else 'https'}://{address}"


@dataclass(frozen=True)
class WebFiles:
    """Where the web.config.file (hash) and the password lie, both mode 0600."""

    credentials: Credentials
    config: Path
    password_file: Path


def render(credentials: Credentials, certificate: Certificate | None = None) -> str:
    """Return a web.config.file; with a certificate it has the server speak TLS, and nothing else."""
    hashed = bcrypt.hashpw(credentials.password.encode(), bcrypt.gensalt(_ROUNDS)).decode()
    config: dict[str, Any] = {"basic_auth_users": {credentials.user: hashed}}
    if certificate is not None:
        config["tls_server_config"] = {
            "cert_file": str(certificate.cert_file), "key_file": str(certificate.key_file), "min_version": "TLS12",
        }  # fmt: skip
    return yaml.safe_dump(config)


def write_web_config(
    directory: Path, name: str, credentials: Credentials, certificate: Certificate | None = None, *, place: str = ""
) -> WebFiles:
    """Write NAMEPLACE.web.yml and NAME.password into `directory`. Raises OSError.

    `place` tells nodes apart, each of which has a certificate of its own where all have one password.
    """
    files = WebFiles(credentials, directory / f"{name}{place}.web.yml", directory / f"{name}.password")
    atomic.write(files.config, render(credentials, certificate), mode=0o600)
    atomic.write(files.password_file, credentials.password, mode=0o600)
    return files
