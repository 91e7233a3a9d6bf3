"""The sidecars of each node: node_exporter, our exporter, and dcgm-exporter where it is installed."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from apptainer.image import Image
from jobs.probes import HttpProbe
from jobs.program import Program
from jobs.scratch import mount_point
from jobs.services.base import PlanError
from prometheus import server
from prometheus.config import Basic, Bearer, Scrape
from prometheus.version import Version
from prometheus.web import Certificate, Credentials, WebFiles, base_url, write_web_config
from runs.directory import RunDirectory
from runs.manifest import Node

NODE_EXPORTER = "prometheus-node-exporter"
DCGM_EXPORTER = "dcgm-exporter"
_POWER_HUNGRY = "4.1.1-4.0.4"
"""dcgm-exporter #464: this release doubled the idle power of A100s. A recorder must not change what it records."""

_NODE_INSIDE = (("/proc", "/node/proc"), ("/sys", "/node/sys"))
"""Paths of the node as node_exporter sees them in an image, whose own /proc shows its own processes and mounts."""
_OF_NODE = ("--path.rootfs=/node/disks", "--path.procfs=/node/proc", "--path.sysfs=/node/sys")

Part = tuple[Program, Scrape | None]


@dataclass
class Sidecars:
    """Plans the sidecars `wanted` of any node; what it needed to know goes into `versions` and `notes`.

    `certificates`: what the servers of a node show, by its index; a node without one speaks plain HTTP.
    """

    run: RunDirectory
    wanted: Sequence[str]
    interval: float
    port: Callable[[Node], int]
    certificates: Mapping[int, Certificate]
    versions: MutableMapping[str, str]
    notes: list[str]
    scratch: Path = Path(tempfile.gettempdir())
    """The run's node-local directory: of its disk node_exporter tells in an image, where it sees no other."""
    image: Callable[[str], Image | None] = lambda _name: None
    """Gives the image of a program, by the image's name; None: it runs natively."""
    _credentials: dict[str, Credentials] = field(default_factory=dict)
    _receivers: dict[tuple[str, int], str] = field(default_factory=dict)
    """Addresses of the OTLP receivers by protocol and node: told to services before the sidecars are planned."""

    def reads(self, scrape: Scrape) -> bool:
        """Tell whether our exporter reads a page in Prometheus's place: a long one, of which a keep-list wants little.

        A line of it that cannot be read then costs that line; Prometheus would lose the whole page.
        """
        return "page" in self.wanted and scrape.keep is not None and scrape.auth is None

    def of(self, node: Node, pages: Sequence[Scrape] = ()) -> list[Part]:
        """Return the programs of a node, and what Prometheus is to scrape of each; `pages` are those that we read.

        Raises PlanError.
        """
        found: list[Part] = []
        if "node" in self.wanted:
            found.append(self._node_exporter(node))
        more: tuple[str, ...] = ()
        image = self.image(DCGM_EXPORTER) if "gpu" in self.wanted and node.facts.get("gpus") else None
        if "gpu" in self.wanted and (binary := image.program if image else shutil.which(DCGM_EXPORTER)):
            program, more = self._dcgm_exporter(node, binary, image)
            found.append((program, None))
        for page in pages:
            more = (*more, "--page-url", f"{page.job}=http://{page.address}{page.metrics_path}")
        if pages:
            more = (*more, "--page-keep", "|".join(dict.fromkeys(f"(?:{page.keep})" for page in pages)))
        # A node without a page to read has no use for who reads pages.
        if own := [name for name in self.wanted if name != "node" and (name != "page" or pages)]:
            found.append(self._exporter(node, own, more))
        return found

    def telemetry(self, node: Node, service: str) -> Mapping[str, str]:
        """Return the environment by which a program of `node` finds the OTLP receiver; empty where there is none."""
        if "otlp" not in self.wanted:
            return {}
        token = self.token("otlp").read_text().strip()
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self._receiver('http', node)}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={quote(f'Bearer {token}')}",
            "OTEL_SERVICE_NAME": service,
            # An SDK sends once a minute unless told otherwise: most of a run would be one point.
            "OTEL_METRIC_EXPORT_INTERVAL": str(max(1000, round(self.interval * 1000))),
        }

    def otlp_grpc(self, node: Node) -> str | None:
        """Return where a program of `node` sends OTLP/gRPC to, which is served from then on; None: nowhere."""
        return self._receiver("grpc", node) if "otlp" in self.wanted else None

    def token(self, name: str) -> Path:
        """Return the file of a secret of the run, made at its first use."""
        path = self.run.live / f"{name}.token"
        return path if path.exists() else self.run.secret(path.name, Credentials.generate().password)

    def _receiver(self, protocol: str, node: Node) -> str:
        key = (protocol, node.index)
        if key not in self._receivers:
            self._receivers[key] = f"{node.address}:{self.port(node)}"
        return self._receivers[key]

    def _web(self, name: str, node: Node) -> WebFiles:
        """One secret for all nodes, so that one scrape config serves them all; a certificate for each."""
        credentials = self._credentials.setdefault(name, Credentials.generate())
        certificate = self.certificates.get(node.index)
        return write_web_config(self.run.live, name, credentials, certificate, place=f"-{node.index}")

    def _ca(self, node: Node) -> Path | None:
        certificate = self.certificates.get(node.index)
        return None if certificate is None else certificate.ca_file

    def _url(self, address: str, node: Node) -> str:
        return base_url(address, self.certificates.get(node.index))

    def _node_exporter(self, node: Node) -> Part:
        image = self.image("node-exporter")
        binary = image.program if image else find_program(NODE_EXPORTER, "node_exporter")
        self.versions["node_exporter"] = image.version if image else str(Version.of(binary))
        web, port = self._web("node-exporter", node), self.port(node)
        address = f"{node.address}:{port}"
        name = f"node-exporter-{node.index}"
        # Any directory of a disk tells of all of it: an empty one of ours, and the rest of the node stays out of sight.
        mount = mount_point(self.scratch)
        disk = (str(self.scratch / name), f"/node/disks{mount.rstrip('/')}")
        # node_exporter 1.9.0, filesystem_common.go
        of_node = (*_OF_NODE, f"--collector.filesystem.mount-points-include=^{re.escape(mount)}$")
        program = Program(
            name=name,
            role="sidecar",
            node=node.index,
            argv=(*server.node_exporter_command(binary, address, web.config), *(of_node if image else ())),
            probe=self._behind_password(f"{self._url(address, node)}/", web, node),
            port=port,
            essential=False,
            image=image.name if image else None,
            binds=(*_NODE_INSIDE, disk) if image else (),
        )
        auth = Basic(web.credentials.user, web.password_file)
        return program, self._scrape("node", node, address, auth)

    def _dcgm_exporter(self, node: Node, binary: str, image: Image | None) -> tuple[Program, tuple[str, ...]]:
        """Return dcgm-exporter and the options by which ours reads it: its page is not scraped, ours is."""
        if image is None:
            self._dcgm_version(binary)
        else:
            self.versions["dcgm-exporter"] = image.version
        web, port = self._web("dcgm-exporter", node), self.port(node)
        address = f"{node.address}:{port}"
        url, ca_file = self._url(address, node), self._ca(node)
        # It refreshes every 30 s unless told otherwise: most scrapes would repeat an old value.
        refresh = max(100, round(self.interval * 1000))
        program = Program(
            name=f"dcgm-exporter-{node.index}",
            role="sidecar",
            node=node.index,
            argv=(binary, "-a", address, "-c", str(refresh), "--web-config-file", str(web.config)),
            probe=self._behind_password(f"{url}/health", web, node),
            port=port,
            # Killed hard it can leave a GPU frozen (dcgm-exporter #84).
            stop_within=20.0,
            ready_within=15.0,
            essential=False,
            # Installed does not mean that this node has a GPU, or that we may read it: nvidia-smi is asked then.
            bonus=True,
            image=image.name if image else None,
        )
        user = self.run.secret("dcgm.password", f"{web.credentials.user}:{web.credentials.password}")
        trust = () if ca_file is None else ("--dcgm-ca-file", str(ca_file))
        return program, ("--dcgm-url", f"{url}/metrics", "--dcgm-password-file", str(user), *trust)

    def _dcgm_version(self, binary: str) -> None:
        try:
            done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return
        words = (done.stdout + done.stderr).split()
        version = next((word for word in words if word[:1].isdigit()), "unknown")
        self.versions["dcgm-exporter"] = version
        if _POWER_HUNGRY in version:
            self.notes.append(
                f"dcgm-exporter {_POWER_HUNGRY} is known to double the idle power of A100s: use another release"
            )

    def _exporter(self, node: Node, names: Sequence[str], more: Sequence[str]) -> Part:
        port = self.port(node)
        address = f"{node.address}:{port}"
        token = self.token("exporter")
        timeout = f"{max(0.2, min(5.0, self.interval * 0.8)):g}"
        if "otlp" in names:
            traces = self.run.traces
            traces.mkdir(exist_ok=True)
            more = (
                *more,
                *("--otlp-listen", self._receiver("http", node), "--otlp-token-file", str(self.token("otlp"))),
                *("--otlp-traces", str(traces / f"otlp-{node.index}.jsonl")),
            )
            if address_of_grpc := self._receivers.get(("grpc", node.index)):
                more = (*more, "--otlp-grpc-listen", address_of_grpc)
        if certificate := self.certificates.get(node.index):
            more = (*more, "--tls-cert", str(certificate.cert_file), "--tls-key", str(certificate.key_file))
        program = Program(
            name=f"exporter-{node.index}",
            role="sidecar",
            node=node.index,
            argv=(
                *(sys.executable, "-P", "-m", "exporters", *names, "--listen", address, "--token-file", str(token)),
                *("--run-id", self.run.id, "--timeout", timeout, *more),
            ),
            probe=HttpProbe(
                f"{self._url(address, node)}/metrics",
                token_file=token,
                run_id=self.run.id,
                ca_file=self._ca(node),
            ),
            port=port,
            essential=False,
        )
        return program, self._scrape("exporter", node, address, Bearer(token))

    def _scrape(self, job: str, node: Node, address: str, auth: Basic | Bearer) -> Scrape:
        return Scrape(job=job, role="sidecar", node=node.name, address=address, auth=auth, ca_file=self._ca(node))

    def _behind_password(self, url: str, web: WebFiles, node: Node) -> HttpProbe:
        basic = (web.credentials.user, web.password_file)
        return HttpProbe(url, basic=basic, refuses_strangers=True, ca_file=self._ca(node))


def find_program(*names: str) -> str:
    """Return the first of `names` on PATH, as a full path. Raises PlanError."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise PlanError(
        f"no program {' or '.join(names)} on PATH: on Debian `apt-get install {names[0]}`, "
        "elsewhere put the release binary on PATH"
    )
