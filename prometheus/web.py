"""Basic authentication for programs built on Prometheus's exporter-toolkit, by their web.config.file."""

import secrets
from dataclasses import dataclass
from pathlib import Path

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
class WebFiles:
    """Where the web.config.file (hash) and the password lie, both mode 0600."""

    credentials: Credentials
    config: Path
    password_file: Path


def render(credentials: Credentials) -> str:
    """Return a web.config.file."""
    hashed = bcrypt.hashpw(credentials.password.encode(), bcrypt.gensalt(_ROUNDS)).decode()
    return yaml.safe_dump({"basic_auth_users": {credentials.user: hashed}})


def write_web_config(directory: Path, name: str, credentials: Credentials) -> WebFiles:
    """Write NAME.web.yml and NAME.password into `directory`. Raises OSError."""
    files = WebFiles(credentials, directory / f"{name}.web.yml", directory / f"{name}.password")
    atomic.write(files.config, render(credentials), mode=0o600)
    atomic.write(files.password_file, credentials.password, mode=0o600)
    return files
