# ruff: noqa: T201, S310 - its log, as Grafana's, goes to standard output; it asks what it was told to ask
"""Stands in for Grafana's server, which no machine of ours can have.

It reads settings and provisioning files as Grafana does (conf/defaults.ini, --config, GF_* variables of known keys,
$__file{}, $VAR, `$$`), refuses what Grafana would only ignore (unknown keys, loose types), and answers the few paths
that matter, the data source's health by really asking the Prometheus with the provisioned credentials. What it was
given is written to $GRAFANA_STANDIN_RECORD; $GRAFANA_STANDIN makes it fail: plugin, anonymous, die.
"""

import base64
import configparser
import hmac
import json
import os
import re
import signal
import sqlite3
import ssl
import stat
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

VERSION = "12.4.1"
MODE = os.environ.get("GRAFANA_STANDIN", "")
FILE_OR_VARIABLE = re.compile(r"\$(|__\w+)\{([^}]+)\}")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

KNOWN = {
    "paths": "data logs plugins provisioning",
    "server": "protocol http_addr http_port domain root_url router_logging",
    "database": "type path url wal",
    "analytics": "reporting_enabled check_for_updates check_for_plugin_updates feedback_links_enabled",
    "security": "admin_user admin_password secret_key disable_gravatar cookie_samesite cookie_secure allow_embedding "
    "disable_initial_admin_creation disable_brute_force_login_protection",
    "snapshots": "enabled external_enabled",
    "dashboards": "min_refresh_interval default_home_dashboard_path",
    "users": "allow_sign_up allow_org_create",
    "auth": "login_cookie_name disable_login_form",
    "auth.anonymous": "enabled org_role hide_version",
    "auth.basic": "enabled",
    "log": "mode level",
    "log.console": "format",
    "metrics": "enabled basic_auth_username",
    "news": "news_feed_enabled",
    "plugins": "preinstall preinstall_disabled plugin_admin_enabled public_key_retrieval_disabled",
    "public_dashboards": "enabled",
    "unified_alerting": "enabled",
    "live": "max_connections",
}
"""Keys of conf/defaults.ini that we set or that would open a door. `preinstall_auto_update` is not in every release."""
DOORS = {
    ("auth.anonymous", "enabled"): "true",
    ("metrics", "enabled"): "true",
    ("security", "admin_user"): "admin",
    ("security", "admin_password"): "admin",
    ("auth", "login_cookie_name"): "grafana_session",
    ("server", "http_port"): "3000",
}
"""Values of a careless site, so that what is not set by us shows."""


def install(folder: Path) -> Path:
    """Make an installation as the tarball unpacks it; returns its home, for $GRAFANA_HOME."""
    home = folder / "grafana-v12"
    for name in ("bin", "conf", "public"):
        (home / name).mkdir(parents=True)
    defaults = "".join(
        f"[{section}]\n" + "".join(f"{key} = {DOORS.get((section, key), '')}\n" for key in keys.split())
        for section, keys in KNOWN.items()
    )
    (home / "conf" / "defaults.ini").write_text(defaults)
    (home / "conf" / "custom.ini").write_text("[auth.anonymous]\nenabled = true\norg_role = Admin\n")
    binary = home / "bin" / "grafana"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -P {Path(__file__).resolve()} "$@"\n')
    binary.chmod(0o755)
    return home


def expand(text: str) -> str:
    """Expand $__file{PATH}, $__env{NAME} and ${NAME}, as pkg/setting does. Raises OSError."""

    def one(found: re.Match[str]) -> str:
        if found[1] == "__file":
            return Path(found[2]).read_text().strip()
        return os.environ.get(found[2], "") if found[1] in {"", "__env"} else found[0]

    return FILE_OR_VARIABLE.sub(one, text)


def interpolate(value: object) -> object:
    """Expand every string of a provisioning file, as pkg/services/provisioning/values does."""
    if isinstance(value, dict):
        return {key: interpolate(item) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item) for item in value]
    if not isinstance(value, str):
        return value
    parts = [VARIABLE.sub(lambda m: os.environ.get(m[1] or m[2], ""), expand(part)) for part in value.split("$$")]
    return "$".join(parts)


def settings(home: Path, config: Path) -> configparser.RawConfigParser:
    """Read the settings. GF_* variables count only where a file has their key."""
    found = configparser.RawConfigParser(default_section="none", comment_prefixes=("#", ";"))
    with (home / "conf" / "defaults.ini").open() as stream:
        found.read_file(stream)
    with config.open() as stream:
        found.read_file(stream)
    for section in found.sections():
        for key in found[section]:
            name = re.sub(r"[.-]", "_", f"GF_{section}_{key}").upper()
            if name in os.environ:
                found[section][key] = os.environ[name]
                print(f"logger=settings msg=overridden var={name}={os.environ[name]}", flush=True)
            found[section][key] = expand(found[section][key])
    return found


def checked(entry: dict, kinds: dict[str, type]) -> dict:
    """Refuse unknown keys and loose types."""
    for key, value in entry.items():
        assert key in kinds, f"unknown key {key}"
        assert type(value) is kinds[key], f"{key} is {type(value).__name__}"
    return entry


def documents(folder: Path) -> list[dict]:
    """Read the YAML files of a provisioning folder; a missing folder is an error in Grafana's log."""
    found = [interpolate(yaml.safe_load(path.read_text())) for path in sorted(folder.glob("*.y*ml"))]
    assert all(document["apiVersion"] == 1 for document in found)
    return found


def data_sources(folder: Path) -> dict[str, dict]:
    """Return the data sources by uid."""
    kinds = {
        **dict.fromkeys(("name", "uid", "type", "access", "url", "basicAuthUser"), str),
        **dict.fromkeys(("isDefault", "editable", "basicAuth"), bool),
        **dict.fromkeys(("jsonData", "secureJsonData"), dict),
    }
    found = [checked(entry, kinds) for document in documents(folder) for entry in document["datasources"]]
    assert sum(entry["isDefault"] for entry in found) <= 1
    assert all(entry["access"] in {"proxy", "direct"} for entry in found)
    return {entry["uid"]: entry for entry in found}


def providers(folder: Path) -> list[Path]:
    """Return the folders of dashboards."""
    kinds = {"name": str, "type": str, "disableDeletion": bool, "allowUiUpdates": bool}
    kinds |= {"updateIntervalSeconds": int, "options": dict}
    found = [checked(entry, kinds) for document in documents(folder) for entry in document["providers"]]
    return [
        Path(checked(entry["options"], {"path": str, "foldersFromFilesStructure": bool})["path"]) for entry in found
    ]


class Grafana:
    """What the server knows."""

    def __init__(self, home: Path, config: Path) -> None:
        self.settings = settings(home, config)
        paths = self.settings["paths"]
        data = Path(paths["data"])
        data.mkdir(exist_ok=True)
        with sqlite3.connect(data / "grafana.db") as database:  # locks, as Grafana's does
            database.execute("create table migration_log (id integer)")
        provisioning = Path(paths["provisioning"])
        for name in ("access-control", "alerting", "dashboards", "datasources", "plugins"):
            if not (provisioning / name).is_dir():
                print(f"level=error msg=can't read provisioning files path={provisioning / name}", flush=True)
        self.sources = data_sources(provisioning / "datasources")
        self.folders = providers(provisioning / "dashboards")
        assert all(folder.is_dir() for folder in self.folders)
        self.cookies: set[str] = set()

    def flag(self, section: str, key: str) -> bool:
        """Return a boolean setting."""
        return self.settings[section][key] == "true"

    def knows(self, user: str, password: str) -> bool:
        """Tell whether these are the administrator's."""
        own = self.settings["security"]
        return user == own["admin_user"] and hmac.compare_digest(password, own["admin_password"])

    def dashboards(self) -> list[dict]:
        """Read the dashboards."""
        found = [json.loads(path.read_text()) for folder in self.folders for path in sorted(folder.glob("*.json"))]
        assert len({dashboard["uid"] for dashboard in found}) == len(found)
        return [{"uid": dashboard["uid"], "title": dashboard["title"], "type": "dash-db"} for dashboard in found]

    def ask(self, uid: str, query: str) -> tuple[int, dict]:
        """Ask a data source, with its own credentials."""
        source = self.sources[uid]
        method = source["jsonData"]["httpMethod"]
        body = urllib.parse.urlencode({"query": query})
        url = f"{source['url']}/api/v1/query" + ("" if method == "POST" else f"?{body}")
        request = urllib.request.Request(url, body.encode() if method == "POST" else None, method=method)
        if source.get("basicAuth"):
            words = f"{source['basicAuthUser']}:{source['secureJsonData']['basicAuthPassword']}"
            request.add_header("Authorization", f"Basic {base64.b64encode(words.encode()).decode()}")
        # As Grafana: the CA counts only where the flag says so, and the system's do not count beside it.
        own = source.get("secureJsonData", {}).get("tlsCACert") if source["jsonData"].get("tlsAuthWithCACert") else None
        try:
            tls = ssl.create_default_context(cadata=own)
            with urllib.request.urlopen(request, timeout=5, context=tls) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, {}
        except OSError as error:
            return 502, {"error": str(error)}


class Handler(BaseHTTPRequestHandler):
    """Answers."""

    grafana: Grafana

    def log_message(self, *_):
        """Say nothing."""

    def answer(self, status: int, words: object, **headers: str) -> None:
        """Answer in JSON."""
        body = json.dumps(words).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def known(self) -> bool:
        """Tell whether the client gave the password, or a cookie for it."""
        grafana = self.grafana
        kind, _, word = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic" and grafana.flag("auth.basic", "enabled"):
            return grafana.knows(*base64.b64decode(word).decode().split(":", 1))
        name = grafana.settings["auth"]["login_cookie_name"]
        cookies = dict(part.strip().partition("=")[::2] for part in self.headers.get("Cookie", "").split(";"))
        return cookies.get(name) in grafana.cookies or grafana.flag("auth.anonymous", "enabled") or MODE == "anonymous"

    def do_POST(self) -> None:
        """Log in."""
        words = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/login" or not self.grafana.knows(words["user"], words["password"]):
            self.answer(401, {"message": "Invalid username or password"})
            return
        cookie = os.urandom(16).hex()
        self.grafana.cookies.add(cookie)
        own = self.grafana.settings
        attributes = f"Path=/; HttpOnly; SameSite={own['security']['cookie_samesite'].capitalize()}"
        self.answer(
            200,
            {"message": "Logged in"},
            Set_Cookie=f"{own['auth']['login_cookie_name']}={cookie}; {attributes}",
        )

    def do_GET(self) -> None:
        """Answer what is open to all, then what is not."""
        grafana, path = self.grafana, urllib.parse.urlsplit(self.path)
        if path.path == "/api/health":
            hidden = grafana.flag("auth.anonymous", "hide_version")
            self.answer(200, {"database": "ok", **({} if hidden else {"version": VERSION})})
        elif path.path == "/login":
            self.answer(200, "a page with a form")
        elif path.path == "/metrics":
            self.answer(200 if grafana.flag("metrics", "enabled") else 404, "")
        elif not self.known():
            self.answer(401, {"message": "Unauthorized"})
        elif path.path == "/api/search":
            self.answer(200, grafana.dashboards())
        elif found := re.fullmatch(r"/api/datasources/uid/([\w-]+)(/health)?", path.path):
            self.source(found[1], health=bool(found[2]))
        elif found := re.fullmatch(r"/api/datasources/proxy/uid/([\w-]+)/api/v1/query", path.path):
            self.answer(*grafana.ask(found[1], dict(urllib.parse.parse_qsl(path.query))["query"]))
        else:
            self.answer(404, {"message": "Not found"})

    def source(self, uid: str, *, health: bool) -> None:
        """Tell of a data source, never its secrets."""
        if MODE == "plugin":
            self.answer(404, {"message": "Plugin not found", "messageId": "plugin.notFound"})
        elif uid not in self.grafana.sources:
            self.answer(404, {"message": "Data source not found"})
        elif not health:
            source = self.grafana.sources[uid]
            fields = {key: value for key, value in source.items() if key != "secureJsonData"}
            self.answer(200, {**fields, "readOnly": not source["editable"]})
        else:
            status, _ = self.grafana.ask(uid, "1+1")
            good = status == 200
            message = "Successfully queried the Prometheus API." if good else f"{status} of Prometheus"
            self.answer(200 if good else 400, {"status": "OK" if good else "ERROR", "message": message})


def record() -> None:
    """Write what this program was given."""
    if target := os.environ.get("GRAFANA_STANDIN_RECORD"):
        root = Path(os.environ["GF_PATHS_DATA"]).parent
        modes = {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
        kept = {name: value for name, value in os.environ.items() if name.startswith("GF_") or "proxy" in name.lower()}
        facts = {"argv": sys.argv, "env": kept, "modes": modes, "pid": os.getpid(), "root": str(root)}
        Path(target).write_text(json.dumps(facts))


def main(argv: list[str]) -> None:
    """Serve until SIGTERM."""
    if argv == ["--version"]:
        print(f"grafana version {VERSION}")
        return
    command, *options = argv
    given = dict(option.removeprefix("--").split("=", 1) for option in options)
    assert command == "server", command
    assert given.keys() == {"homepath", "config"}, given
    home = Path(given["homepath"])
    record()
    if MODE == "die":
        sys.exit("logger=sqlstore level=error msg=database is locked")
    Handler.grafana = Grafana(home, Path(given["config"]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    own = Handler.grafana.settings["server"]
    ThreadingHTTPServer((own["http_addr"], int(own["http_port"])), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
