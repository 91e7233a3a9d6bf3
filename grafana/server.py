"""Grafana's own server: which program, which settings, which environment. Unprivileged, offline, behind a password.

Settings go into an ini file of our own (in place of the installation's conf/custom.ini) and into GF_* variables as
well: variables win over what an image brings, but releases before 13 take only those whose key their defaults.ini has
(grafana #12800, #120162).
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from grafana.provisioning import from_file
from prometheus.version import Version

_HOMES = ("/usr/share/grafana", "/usr/local/share/grafana", "/opt/grafana", "/usr/local/opt/grafana/share/grafana")
_VERSION = re.compile(r"version:? v?(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)

OLDEST = Version(11, 6, 0)
"""The release whose dashboard model (schemaVersion 41) ours is; an older one shows what it understands of it."""

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "analytics": {
        "reporting_enabled": "false",
        "check_for_updates": "false",
        "check_for_plugin_updates": "false",
        "feedback_links_enabled": "false",
    },
    "auth.anonymous": {"enabled": "false", "hide_version": "true"},
    "auth.basic": {"enabled": "true"},
    "dashboards": {"min_refresh_interval": "1s"},  # the default of 5 s would slow every live dashboard down
    "live": {"max_connections": "0"},  # its origin check fails behind a tunnel's port; dashboards poll anyway
    "log": {"mode": "console", "level": "warn"},
    "log.console": {"format": "text"},
    "metrics": {"enabled": "false"},  # /metrics asks for no password
    "news": {"news_feed_enabled": "false"},
    "plugins": {
        # 13 keeps the Prometheus data source as a plug-in, stops it at start to update it, and leaves it unregistered
        # where its root is read-only or there is no network (grafana #132528, #131490).
        "preinstall_disabled": "true",
        "preinstall_auto_update": "false",
        "plugin_admin_enabled": "false",
        "public_key_retrieval_disabled": "true",
    },
    "public_dashboards": {"enabled": "false"},
    "security": {
        "disable_gravatar": "true",
        "cookie_samesite": "strict",
        "allow_embedding": "false",
        "disable_initial_admin_creation": "false",
    },
    "snapshots": {"enabled": "false", "external_enabled": "false"},
    "unified_alerting": {"enabled": "false"},  # the run's Prometheus has the rules
    "users": {"allow_sign_up": "false", "allow_org_create": "false"},
}
"""What does not depend on the run: nothing leaves the node, nobody is let in without the password."""


class GrafanaError(Exception):
    """There is a Grafana, but it cannot be used; the text says which, why, and the mend."""


@dataclass(frozen=True)
class Installation:
    """A Grafana on this machine. `argv` starts its server, `home` holds conf/ and public/."""

    argv: tuple[str, ...]
    home: Path
    version: Version


@dataclass(frozen=True)
class Place:
    """Where a run's Grafana keeps its things, all on the node: SQLite does not work on Lustre (it locks)."""

    root: Path

    @property
    def config(self) -> Path:
        """The ini file, without secrets."""
        return self.root / "grafana.ini"

    @property
    def provisioning(self) -> Path:
        """Provisioning files, without secrets."""
        return self.root / "provisioning"

    def secret(self, name: str) -> Path:
        """Return where Grafana reads a secret from."""
        return self.root / f"{name}.secret"


def find(environment: Mapping[str, str] = os.environ) -> Installation | None:
    """Return the Grafana of $GRAFANA_HOME, else that on PATH; None: there is none. Raises GrafanaError."""
    if asked := environment.get("GRAFANA_HOME"):
        home = Path(asked)
        if not _is_home(home):
            raise GrafanaError(f"GRAFANA_HOME is {home}, which has no conf/defaults.ini: unset it, or set it right")
        binary = next((path for path in _binaries(home) if os.access(path, os.X_OK)), None)
        if binary is None:
            raise GrafanaError(f"GRAFANA_HOME is {home}, which has no bin/grafana: unset it, or set it right")
        return _installation(binary, home)
    for name in ("grafana", "grafana-server"):
        if found := shutil.which(name, path=environment.get("PATH")):
            return _on_path(Path(found))
    return None


def of_image(binary: str, home: str, version: str) -> Installation:
    """Return the Grafana of a container image, by its paths inside."""
    return Installation((binary, "server"), Path(home), Version.named(version))


def _on_path(found: Path) -> Installation:
    places = [*found.resolve().parents, *(Path(home) for home in _HOMES)]
    home = next((place for place in places if _is_home(place)), None)
    if home is None:
        raise GrafanaError(
            f"{found} is there, but its home (the folder of conf/defaults.ini and public/) is not: set GRAFANA_HOME"
        )
    # A package's program on PATH may be a script that brings the system's own configuration: the one at home is plain.
    binary = next((path for path in _binaries(home) if os.access(path, os.X_OK)), found)
    return _installation(binary, home)


def _binaries(home: Path) -> Iterable[Path]:
    return (home / "bin" / "grafana", home / "bin" / "grafana-server")


def _is_home(place: Path) -> bool:
    return (place / "conf" / "defaults.ini").is_file()


def _installation(binary: Path, home: Path) -> Installation:
    argv = (str(binary), "server") if binary.name == "grafana" else (str(binary),)
    return Installation(argv, home, _version(binary))


def _version(binary: Path) -> Version:
    option = "--version" if binary.name == "grafana" else "-v"
    try:
        done = subprocess.run([binary, option], capture_output=True, text=True, check=False, timeout=20, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GrafanaError(f"{binary} {option} cannot be asked: {error}") from error
    if match := _VERSION.search(done.stdout + done.stderr):
        return Version(*map(int, match.groups()))
    raise GrafanaError(f"{binary} {option} does not say which release it is: {(done.stdout + done.stderr)[:200]!r}")


def command(installation: Installation, place: Place) -> tuple[str, ...]:
    """Return the command line of the server; it holds no secret."""
    return (*installation.argv, f"--homepath={installation.home}", f"--config={place.config}")


def ini(settings: Mapping[str, Mapping[str, str]] = SETTINGS) -> str:
    """Return the settings as Grafana's configuration file."""
    sections = (
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        for section, keys in settings.items()
    )
    return "\n".join(sections)


def environment(
    place: Place, listen: str, user: str, run_id: str, home_dashboard: Path | None = None
) -> dict[str, str]:
    """Return the variables of a Grafana at `listen` (host:port). Raises ValueError for a place it cannot read from."""
    host, _, port = listen.rpartition(":")
    own: dict[str, dict[str, str]] = {
        "paths": {
            "data": f"{place.root}/data",
            "logs": f"{place.root}/logs",
            "plugins": f"{place.root}/plugins",
            "provisioning": str(place.provisioning),
        },
        "server": {"protocol": "http", "http_addr": host, "http_port": port},
        "security": {
            "admin_user": user,
            "admin_password": from_file(place.secret("admin")),
            # Grafana encrypts the data source's password in its database, with a key that all the world knows.
            "secret_key": from_file(place.secret("key")),
        },
        # Cookies know no ports: two runs behind two tunnels of one browser would log each other out.
        "auth": {"login_cookie_name": "dashcam_" + re.sub(r"[^0-9A-Za-z]", "_", run_id)},
    }
    if home_dashboard is not None:
        own["dashboards"] = {"default_home_dashboard_path": str(home_dashboard)}
    variables = {
        variable(section, key): value
        for settings in (SETTINGS, own)
        for section, keys in settings.items()
        for key, value in keys.items()
    }
    # A site's proxy must not stand between Grafana and the run's Prometheus; nothing else is to be asked.
    return {**variables, "NO_PROXY": "*", "no_proxy": "*"}


def strays(variables: Iterable[str], own: Iterable[str]) -> tuple[str, ...]:
    """Return the GF_* variables that some shell profile brings: they would override what is set here."""
    return tuple(sorted({name for name in variables if name.startswith("GF_")} - set(own)))


def variable(section: str, key: str) -> str:
    """Return the environment variable of a setting (pkg/setting: EnvKey)."""
    return re.sub(r"[.-]", "_", f"GF_{section}_{key}").upper()
