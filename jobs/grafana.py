"""The Grafana of a run: a bonus beside its Prometheus, on the head, where one is installed."""

import os
import secrets
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from grafana import archive, provisioning, server
from grafana.datasource import UID
from grafana.provisioning import Source
from jobs.program import Program
from jobs.services.base import PlanError
from prometheus.loopback import LOOPBACK
from prometheus.web import Credentials
from runs import atomic
from runs.directory import RunDirectory
from runs.manifest import Node
from runs.recipe import Grafana

_READY_WITHIN = 30.0
"""Seconds. The load waits for it: a Grafana that still makes its database takes a core from what is measured."""


@dataclass(frozen=True)
class GrafanaProbe:
    """Ready when it is up, reaches the run's Prometheus with the credentials it was given, and refuses strangers."""

    url: str
    user: str
    password_file: Path
    timeout: float = 3.0

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        try:
            with requests.Session() as session:
                session.trust_env = False  # a site's proxy must not stand between us and our own node
                health = session.get(f"{self.url}/api/health", timeout=self.timeout)
                if health.status_code != requests.codes.ok:
                    return f"{self.url}/api/health answers {health.status_code}"
                return self._source(session) or self._strangers(session)
        except requests.RequestException as error:
            return f"{self.url} does not answer yet ({type(error).__name__})"

    def _source(self, session: requests.Session) -> str | None:
        auth = (self.user, self.password_file.read_text().strip())
        answer = session.get(f"{self.url}/api/datasources/uid/{UID}/health", auth=auth, timeout=self.timeout)
        if answer.status_code in {401, 403}:
            return f"{self.url} refuses our password: another program holds the port"
        try:
            words = answer.json()
        except ValueError:
            words = {}
        if answer.status_code == requests.codes.ok and words.get("status") == "OK":
            return None
        why = str(words.get("message") or f"status {answer.status_code}")[:200]
        if "plugin" in why.lower():
            why += " (Grafana 13 brings the Prometheus data source as a plug-in that must be readable: use 12.x)"
        return f"Grafana's data source {UID} does not work: {why}"

    def _strangers(self, session: requests.Session) -> str | None:
        stranger = session.get(f"{self.url}/api/search", timeout=self.timeout)
        if stranger.status_code not in {401, 403}:
            return f"{self.url} answers {stranger.status_code} without a password"
        return None


@dataclass(frozen=True)
class Planned:
    """A Grafana that is to be started, and what `run.json` tells of it while the run lives."""

    program: Program
    endpoints: dict[str, str]


@dataclass(frozen=True)
class Beside:
    """Plans the Grafana that a recipe `asked` for; what it needed to know goes into `versions` and `notes`.

    `find` tells which Grafana there is: on PATH, unless a runtime brings one.
    """

    run: RunDirectory
    asked: Grafana
    port: Callable[[Node, int | None], int]
    scratch: Path
    versions: MutableMapping[str, str]
    notes: list[str]
    find: Callable[[], server.Installation | None] = server.find

    def plan(self, node: Node, source: Source) -> Planned | None:
        """Say what is to be started on `node`; None where there is none to be. Raises PlanError, PortError, OSError."""
        if self.asked.mode == "off":
            return None
        try:
            installation = self.find()
            if installation is not None:
                return self._plan(installation, node, source)
            why = "no Grafana on PATH"
        except (server.GrafanaError, ValueError) as error:
            why = str(error)
        if self.asked.mode == "required":
            raise PlanError(
                f"watch.grafana is required: {why}; put `grafana` on PATH or set GRAFANA_HOME, "
                "or write `grafana: auto` to do without"
            )
        self.notes.append(f"watched without Grafana: {why}")
        return None

    def _plan(self, installation: server.Installation, node: Node, source: Source) -> Planned:
        place = server.Place(self.scratch / "grafana")
        credentials = Credentials.generate()
        number = self.port(node, self.asked.port)
        address = f"{LOOPBACK if self.asked.listen == 'loopback' else node.address}:{number}"
        own = server.environment(place, address, credentials.user, self.run.id, home_of(self.run.dashboards))
        _keep(self.run, prepare(place, credentials, source, self.run.dashboards))
        self.versions["grafana"] = str(installation.version)
        if installation.version < server.OLDEST:
            self.notes.append(
                f"Grafana {installation.version} is older than {server.OLDEST}, which the dashboards are made for"
            )
        password_file = self.run.secret("grafana.password", credentials.password)
        url = f"http://{address}"
        program = Program(
            name="grafana",
            role="grafana",
            node=node.index,
            argv=server.command(installation, place),
            env=own,
            without=server.strays(os.environ, own),
            probe=GrafanaProbe(url, credentials.user, password_file),
            ready_within=_READY_WITHIN,
            port=number,
            essential=False,
            bonus=self.asked.mode == "auto",
        )
        endpoints = {"grafana": url, "grafana_user": credentials.user, "grafana_password_file": str(password_file)}
        return Planned(program, endpoints)


def home_of(dashboards: Path) -> Path | None:
    """Return the dashboard that Grafana opens, where it is among those of a folder."""
    home = dashboards / archive.HOME_FILE
    return home if home.is_file() else None


def prepare(place: server.Place, credentials: Credentials, source: Source, dashboards: Path) -> Source:
    """Write what a Grafana reads; returns the data source as it is told of it. Its secrets lie beside its database.

    Raises OSError.
    """
    for name in ("data", "logs", "plugins"):
        (place.root / name).mkdir(parents=True, mode=0o700)
    values = {
        "admin": credentials.password,
        "key": secrets.token_urlsafe(32),
        "prometheus": source.password_file.read_text().strip(),
    }
    if source.ca_file is not None:
        values["ca"] = source.ca_file.read_text()
    for name, value in values.items():
        atomic.write(place.secret(name), value, mode=0o600, sync=False)
    ca_file = None if source.ca_file is None else place.secret("ca")
    inner = replace(source, password_file=place.secret("prometheus"), ca_file=ca_file)
    provisioning.write(place.provisioning, inner, dashboards)
    atomic.write(place.config, server.ini(), sync=False)
    return inner


def _keep(run: RunDirectory, source: Source) -> None:
    """Archive what was written, but the secrets."""
    folder = run.configs / "grafana"
    folder.mkdir(exist_ok=True)
    atomic.write(folder / "grafana.ini", server.ini(), sync=False)
    atomic.write(folder / "datasources.yaml", provisioning.data_sources(source), sync=False)
    atomic.write(folder / "dashboards.yaml", provisioning.dashboards(run.dashboards), sync=False)
