"""A site's store (Mimir, Thanos receive, VictoriaMetrics, Prometheus) that a run's series are sent to as well.

Secrets are named, never written: by the path of a file or the name of an environment variable.
"""

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from runs.paths import InRecipe
from runs.strict import Strict

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = frozenset({"run_id", "node", "role", "job", "instance"})


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{value!r} is no address: write it as https://mimir.site/api/v1/push")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a secret in the URL would be in the recording: use user with password_file or password_env")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("give the name of an environment variable here, never the secret itself")
    return value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from error
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name in _OURS or name.startswith("__") or not _LABEL.fullmatch(name):
            raise ValueError(f"label {name!r} cannot be set: {', '.join(sorted(_OURS))} are the run's own")
    return value


SecretFile = Annotated[str, InRecipe()]
SecretVariable = Annotated[str, AfterValidator(_variable)]


class RemoteWrite(Strict):
    """Where series are sent to, as who, and which of them. The recording has them all in any case."""

    url: Annotated[str, AfterValidator(_url)] = Field(description="where it takes remote write (snappy protobuf)")
    user: str | None = Field(None, description="with password_file or password_env: basic authentication")
    password_file: SecretFile | None = None
    password_env: SecretVariable | None = Field(None, description="name of an environment variable")
    bearer_file: SecretFile | None = Field(None, description="bearer authentication in place of a user")
    bearer_env: SecretVariable | None = Field(None, description="name of an environment variable")
    ca_file: SecretFile | None = Field(None, description="certificates of the site's authority; default: the system's")
    headers: dict[str, str] = Field(
        default_factory=dict, description="as X-Scope-OrgID, Mimir's tenant; they are in the recording: never a secret"
    )
    labels: Annotated[dict[str, str], AfterValidator(_labels)] = Field(
        default_factory=dict, description="beside run_id, on everything that is sent"
    )
    keep: Annotated[str, AfterValidator(_expression)] | None = Field(
        None, description="regular expression: the names to send; default: all"
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        passwords = [self.password_file, self.password_env]
        bearers = [self.bearer_file, self.bearer_env]
        given = sum(value is not None for value in (*passwords, *bearers))
        if given > 1:
            raise ValueError("give one of password_file, password_env, bearer_file and bearer_env")
        if (self.user is not None) != any(value is not None for value in passwords):
            raise ValueError("user goes with password_file or password_env, and either of them with user")
        if any(name.lower() in {"authorization", "cookie"} for name in self.headers):
            raise ValueError("headers are in the recording: authorization goes by bearer_file or password_file")
        return self
