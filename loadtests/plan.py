"""What the supervisor hands to the load process: one JSON file."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from runs.recipe import Load


class Target(BaseModel):
    """Where a service takes its load. Secrets are in files, never in the URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str = Field(description="what it speaks: openai, postgres, ...")
    url: str
    secret_file: Path | None = Field(None, description="API key or password, mode 0600")
    model: str | None = Field(None, description="name under which an OpenAI server offers its model")

    def secret(self) -> str | None:
        """Return the secret, where there is one. Raises OSError."""
        return None if self.secret_file is None else self.secret_file.read_text().strip()


class Tls(BaseModel):
    """What the load's own page is served by, in PEM: a certificate, its key, and the CA by which its shards know it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cert_file: Path
    key_file: Path
    ca_file: Path

    def server(self) -> ssl.SSLContext:
        """Return a server's context, TLS 1.2 and later. Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert_file, self.key_file)
        return context


def trusting(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Return what aiohttp takes as `ssl`: the run's CA alone is trusted; without one, the system's. Raises OSError."""
    return True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


class Series(BaseModel):
    """The run's Prometheus, for tools that push their own series into it. Basic authentication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    user: str
    password_file: Path
    ca_file: Path | None = Field(None, description="CA by which it is known, where it speaks TLS")

    def password(self) -> str:
        """Return the password. Raises OSError."""
        return self.password_file.read_text().strip()


class LoadPlan(BaseModel):
    """One load. The process waits for `go_file` between its set-up and its first phase."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    load: Load
    target: Target | None = Field(None, description="what is driven, where it is one service")
    targets: dict[str, Target] = Field(default_factory=dict, description="what is driven, by role, where it is several")
    more: tuple[dict[str, Target], ...] = Field(
        (), description='further instances, by role ("" for `target`): requests go to all in turn'
    )
    objectives: dict[str, float] = Field(default_factory=dict, description="bounds of a search or a scenario")
    shards: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="load processes on each of its nodes, this one first; default: those of load.processes, here"
    )
    output: Path = Field(description="the run's load/ directory")
    listen: str = Field(pattern=r"^.*:\d{1,5}$", description="host:port of /metrics; port 0: any free one")
    token_file: Path
    tls: Tls | None = Field(None, description="what /metrics is served by; default: plain HTTP")
    prometheus: Series | None = Field(None, description="where tools push their own series")
    go_file: Path | None = None
    hurry: float = Field(2.0, ge=0, description="seconds that open requests may still take after SIGTERM")
    linger: bool = Field(True, description="stay for a last scrape until SIGTERM comes")
