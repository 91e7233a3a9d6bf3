"""Ray under a vLLM that runs over several nodes: a head on its own node, a worker on each further one.

As https://docs.vllm.ai/en/latest/serving/parallelism_scaling.html has it; each is a program of the run, `ray start
--block`. Ray's sockets are named by hand, since their usual paths are longer than Linux lets them be
(https://docs.ray.io/en/latest/cluster/vms/user-guides/community/slurm.html). From 2.52 on its parts ask each other and
their callers for the run's token (https://docs.ray.io/en/latest/ray-security/token-auth.html); older ones for nothing.
"""

import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.program import Program
from jobs.services.base import SERVICE_ROLE, Context, Peer, PlanError

_LONGEST = 107
"""Bytes of a Unix socket's path, Linux's sun_path."""


@dataclass(frozen=True)
class HeadProbe:
    """Ready when the head takes connections: workers and vLLM come next, and vLLM's own probe tells whether all did."""

    host: str
    port: int

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        try:
            socket.create_connection((self.host, self.port), timeout=2.0).close()
        except OSError as error:
            return f"{self.host}:{self.port} does not answer yet ({type(error).__name__})"
        return None


@dataclass(frozen=True)
class Cluster:
    """Ray over the nodes of one service: its programs, the head first, and what vLLM is told of it."""

    programs: tuple[Program, ...]
    variables: Mapping[str, str]
    notes: tuple[str, ...]


def plan(context: Context, peers: Sequence[Peer], vllm: Path, environment: Mapping[str, str], model: Path) -> Cluster:
    """Plan Ray on the node of `context` and on `peers`. Raises PlanError.

    `environment`: what vLLM is told on its own node; its workers are children of Ray, so Ray is told it, too.
    """
    ray = _program(context, vllm)
    port, scratch = context.port(None), context.scratch
    sockets = {"plasma-store": scratch / "p", "raylet": scratch / "r"}
    if max(len(str(path)) for path in sockets.values()) > _LONGEST:
        raise PlanError(
            f"service {context.name}: sockets in {scratch} would have longer paths than Linux allows: give the run and "
            "the service shorter names, or the site's profile a shorter local_disk"
        )
    token = context.secret(f"{context.name}.ray", secrets.token_urlsafe(32))

    def program(name: str, node: int, address: str, first: tuple[str, ...], agent: int) -> Program:
        return Program(
            name=name,
            role=SERVICE_ROLE,
            node=node,
            argv=(
                *(ray, "start", "--block", *first, "--node-ip-address", address),
                *(f"--{what}-socket-name={path}" for what, path in sockets.items()),
                f"--dashboard-agent-listen-port={agent}",
            ),
            env={**environment, **variables(address)},
            prepare=(("mkdir", "-p", "-m", "700", str(scratch)),),
            ready_within=context.ready_within,
            stop_within=15.0,
            image=context.image.name if context.image else None,
            reads=(str(model),),
        )

    def variables(address: str) -> dict[str, str]:
        return {
            "VLLM_HOST_IP": address,
            "RAY_OVERRIDE_NODE_IP_ADDRESS": address,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
        }

    head = (
        *("--head", "--port", str(port), "--temp-dir", str(scratch / "ray")),
        *("--include-dashboard=false", "--disable-usage-stats"),
        f"--ray-client-server-port={context.port(None)}",
    )
    first = replace(
        program(f"{context.name}-ray", context.node, context.address, head, context.port(None)),
        probe=HeadProbe(context.address, port),
    )
    join = ("--address", f"{context.address}:{port}")
    workers = (
        replace(
            program(f"{context.name}-ray-{number}", peer.node, peer.address, join, peer.port(None)), after=first.name
        )
        for number, peer in enumerate(peers, 1)
    )
    note = (
        f"{context.name}: what vLLM's nodes say to each other is neither encrypted nor behind a secret, and Ray before "
        "2.52 asks for no token: while it runs, whoever reaches the nodes may run programs as you"
    )
    return Cluster(
        programs=(first, *workers),
        variables={**variables(context.address), "RAY_ADDRESS": f"{context.address}:{port}"},
        notes=(note,),
    )


def _program(context: Context, vllm: Path) -> str:
    if context.image:
        return "ray"
    found = shutil.which("ray", path=str(vllm.parent)) or shutil.which("ray")
    if found is None:
        raise PlanError(
            f"service {context.name}: `span` needs Ray, and there is no program ray beside {vllm} nor on PATH: "
            "pip install ray into vLLM's venv"
        )
    return found
