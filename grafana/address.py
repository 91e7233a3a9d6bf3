"""Where a run that lives is to be seen, and how a person gets there: a URL, a password's file, ssh commands."""

import shlex
import socket
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from runs.manifest import Manifest
from runs.site import Login, Site
from runs.strict import Strict

Word = Annotated[str, Field(pattern=r"^[^-\s][^\s@]*$")]
"""A name that ssh cannot take for an option: it may come from another machine."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Via = Literal["forward", "jump"]
KEEP_ALIVE = ("-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15")
_LOCAL_PORTS = {"grafana": 3000, "prometheus": 9090}
_ANSWERS = {"grafana": "/api/health", "prometheus": "/-/healthy"}
_LOGIN_HOST = "LOGIN-HOST"


class Address(Strict):
    """A page of a run, as `dashcam watch --json` tells it. `here`: it runs on the machine that was asked.

    `ca_file`: the CA by which a page of https is known, where the run directory is; `ca`: the same in PEM.
    """

    run: str
    what: Literal["grafana", "prometheus"]
    url: str = Field(pattern=r"^https?://[^/\s]+$")
    user: str
    password_file: str
    ca_file: str | None = None
    ca: str | None = None
    node: Word
    here: bool
    site: str
    login: Login | None
    ssh_user: Word

    @property
    def title(self) -> str:
        """What it is, as people write it."""
        return self.what.capitalize()

    @property
    def local_port(self) -> int:
        """The port that people expect it at."""
        return _LOCAL_PORTS[self.what]

    @property
    def answers(self) -> str:
        """A path that answers whoever asks, if only by 401."""
        return _ANSWERS[self.what]

    def local(self, port: int) -> str:
        """Return its URL at the near end of a tunnel."""
        return f"{urlsplit(self.url).scheme}://127.0.0.1:{port}"

    @property
    def loopback(self) -> bool:
        """Whether only the node itself reaches it."""
        return urlsplit(self.url).hostname in LOOPBACK

    @property
    def ways(self) -> tuple[Via, ...]:
        """Ways of getting there by ssh, the one that asks least of the site first."""
        forward: tuple[Via, ...] = () if self.loopback else ("forward",)
        jump: tuple[Via, ...] = () if self.login is not None and not self.login.jump else ("jump",)
        return (*forward, *jump)


def of(manifest: Manifest, site: Site, user: str) -> Address | None:
    """Return where a run is to be seen: Grafana where it is ready, else Prometheus; None: nowhere (yet, or any more).

    The login host is the profile's, else the host that the job was submitted from. `user`: the person's name here.
    """
    ends = manifest.endpoints
    up = {process.name for process in manifest.processes if process.ready and process.ended is None}
    what = next((name for name in _LOCAL_PORTS if name in ends and name in up), None)
    if what is None or not manifest.nodes:
        return None
    login, node = site.login, manifest.nodes[0].name
    if login is None and (submit := manifest.slurm.get("SLURM_SUBMIT_HOST")):
        login = Login(host=submit)
    return Address.model_validate(
        {
            "run": manifest.id,
            "what": what,
            "url": ends[what],
            "user": ends[f"{what}_user"],
            "password_file": ends[f"{what}_password_file"],
            "ca_file": ends.get(f"{what}_ca"),
            "node": node,
            "here": _short(node) == _short(socket.gethostname()),
            "site": site.name,
            "login": login,
            "ssh_user": (login.user if login is not None else None) or user,
        }
    )


@dataclass(frozen=True)
class Ssh:
    """ssh command lines to an address."""

    address: Address

    def forward(self, local_port: int, more: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the command that forwards by the login host to the node's address."""
        return ("ssh", "-N", *KEEP_ALIVE, *more, "-L", self._rule(local_port), *self._login())

    def jump(self, local_port: int, more: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the command that goes by the login host to the node itself (without a login host: straight there)."""
        address, login = self.address, self.address.login
        hop: tuple[str, ...] = ()
        if login is not None and more:
            # -J starts an ssh that gets none of our options: it could ask for a password, or stay as a shared one.
            command = shlex.join(("ssh", *more, "-W", "[HOST]:PORT", *self._login())).replace("%", "%%")
            hop = ("-o", f"ProxyCommand={command.replace('[HOST]:PORT', '[%h]:%p')}")
        elif login is not None:
            hop = ("-J", f"{address.ssh_user}@{login.host}:{login.port}")
        return (
            *("ssh", "-N", *KEEP_ALIVE, *more, *hop, "-L", self._rule(local_port)),
            f"{address.ssh_user}@{address.node}",
        )

    def by(self, via: Via, local_port: int, more: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the command of a way."""
        return self.forward(local_port, more) if via == "forward" else self.jump(local_port, more)

    def read_password(self) -> tuple[str, ...]:
        """Return the command that prints the password: here, or from a person's own machine."""
        if self.address.here:
            return ("cat", self.address.password_file)
        return ("ssh", *self._login(), f"cat {shlex.quote(self.address.password_file)}")

    def _login(self) -> tuple[str, ...]:
        login = self.address.login or Login(host=_LOGIN_HOST)
        port = () if login.port == 22 else ("-p", str(login.port))
        return (*port, f"{self.address.ssh_user}@{login.host}")

    def _rule(self, local_port: int) -> str:
        # Bound to loopback by name: GatewayPorts in somebody's configuration must not open it to a network.
        return f"127.0.0.1:{local_port}:{urlsplit(self.address.url).netloc}"


def describe(address: Address) -> str:
    """Tell a person where the page is, where its password is, and how to get there."""
    lines = [f"{address.title} of {address.run}: {address.url}"]
    lines.append(f"  user {address.user}, password in {address.password_file}")
    if address.ca_file is not None:
        lines.append(f"  certificate by the run's own CA, {address.ca_file}: a browser that is not given it warns")
    if address.here:
        return "\n".join(lines)
    ssh, port = Ssh(address), address.local_port
    lines.append(f"  to read it from your machine:\n    {shlex.join(ssh.read_password())}")
    words = {
        "forward": "by the login host:",
        "jump": "to the node itself, encrypted all the way (the site must let you ssh to a node of your job):",
    }
    for number, via in enumerate(address.ways):
        lines.append(f"  {'or ' if number else 'a tunnel '}{words[via]}\n    {shlex.join(ssh.by(via, port))}")
    if not address.ways:
        lines.append(
            f"  no way there: it listens on the node's loopback, and the profile of {address.site} says that nodes "
            "cannot be reached by ssh; run with `watch: {grafana: {listen: node}}`"
        )
    else:
        lines.append(f"  then open {address.local(port)}")
    if address.login is None:
        lines.append(f"  {_LOGIN_HOST} is not known: name a site profile by --site or DASHCAM_SITE")
    return "\n".join(lines)


def _short(host: str) -> str:
    return host.partition(".")[0]
