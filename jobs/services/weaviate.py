"""`weaviate`: Weaviate on one node, the program `weaviate` on PATH or in its image, without any module.

Variables: https://docs.weaviate.io/deploy/configuration/env-vars. REST listens on the node's address and asks for the
run's key, as gRPC does; gRPC, its metrics and the ports of a cluster of one listen on all addresses.
"""

import secrets
from dataclasses import replace

from pydantic import BaseModel, Field

from jobs.node import PortError
from jobs.services.about import NEVER, About
from jobs.services.base import Context, PlanError, ServicePlan
from jobs.services.rest_probe import Asker, RestProbe, found
from jobs.services.vector_load import NEAREST
from loadtests.plan import Target
from prometheus import keep
from prometheus.config import Bearer
from runs.recipe import Strict

_USER = "dashcam"
_CLASS = "DashcamReady"
_IDS = ("00000000-0000-4000-8000-000000000007", "00000000-0000-4000-8000-000000000008")


class Options(Strict):
    """Keys of a `weaviate` service."""

    port: int | None = Field(None, ge=1, le=65535, description="of REST and GraphQL; default: a free one")
    grpc_port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    async_indexing: bool = Field(False, description="vectors are taken first and indexed afterwards")
    memory_limit: str | None = Field(
        None, pattern=r"^\d+(MiB|GiB)$", description="what Go's collector keeps below: 16GiB; default: no limit"
    )


class WeaviateProbe(RestProbe):
    """Ready when a vector that was put in is found again."""

    def trial(self, ask: Asker) -> None:
        """See `RestProbe`."""
        ask("GET", "/v1/.well-known/ready", accept=(200, 204))
        ask.stranger("GET", "/v1/schema")
        schema = f"/v1/schema/{_CLASS}"
        ask("DELETE", schema, accept=(200, 204, 400, 404))
        ask("POST", "/v1/schema", {"class": _CLASS, "vectorizer": "none", "vectorIndexType": "flat"})
        for identity, vector in zip(_IDS, ([1.0, 0.0], [0.0, 1.0]), strict=True):
            ask("POST", "/v1/objects", {"class": _CLASS, "id": identity, "vector": vector})
        query = f"{{Get{{{_CLASS}(limit:1 nearVector:{{vector:[0.9,0.1]}}){{_additional{{id}}}}}}}}"
        answer = ask("POST", "/v1/graphql", {"query": query})
        found(schema, _IDS[0], answer["data"]["Get"][_CLASS][0]["_additional"]["id"])
        ask("DELETE", schema, accept=(200, 204))


class Weaviate:
    """See the module."""

    kind = "weaviate"
    image = "weaviate"
    Options: type[BaseModel] = Options
    about = About(
        title="Weaviate, a vector database, on one node, vectors brought by the load",
        load=NEAREST,
        ports="REST and GraphQL; gRPC, metrics and four ports of its cluster of one: on all addresses of the node",
        guard="a random key in 0600 files, for REST, GraphQL and gRPC; metrics and cluster ports ask nobody",
        metrics="/metrics on a port of its own, open; queries and batches in milliseconds, objects, requests",
        program="`weaviate` on PATH (a release of its project); no wheel or Debian package has it",
        seen=NEVER,
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        binary = context.program(
            "weaviate",
            "put a release of github.com/weaviate/weaviate there, or run it in its image: runtime: apptainer",
        )
        port, metrics = context.port(options.port), context.port(options.metrics_port)
        key = context.secret(f"{context.name}.key", secrets.token_urlsafe(24))
        home, url = context.scratch, f"http://{context.address}:{port}"
        program = replace(
            context.own,
            argv=(binary, "--host", context.address, "--port", str(port), "--scheme", "http"),
            env={
                "PERSISTENCE_DATA_PATH": str(home / "data"),
                **_cluster(context),
                "GRPC_PORT": str(context.port(options.grpc_port)),
                "PROMETHEUS_MONITORING_ENABLED": "true",
                "PROMETHEUS_MONITORING_PORT": str(metrics),
                "GO_PROFILING_DISABLE": "true",  # its page would be open to everybody
                "DISABLE_TELEMETRY": "true",
                "DEFAULT_VECTORIZER_MODULE": "none",
                "ENABLE_MODULES": "",
                "ENABLE_API_BASED_MODULES": "false",
                "ASYNC_INDEXING": str(options.async_indexing).lower(),
                **({"GOMEMLIMIT": options.memory_limit} if options.memory_limit else {}),
                **context.env,
                "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
                "AUTHENTICATION_APIKEY_ENABLED": "true",
                "AUTHENTICATION_APIKEY_USERS": _USER,
                "AUTHENTICATION_APIKEY_ALLOWED_KEYS": key.read_text(),
                "AUTHORIZATION_ADMINLIST_ENABLED": "true",
                "AUTHORIZATION_ADMINLIST_USERS": _USER,
            },
            prepare=(("mkdir", "-p", "-m", "700", str(home), str(home / "data")),),
            probe=WeaviateProbe(url, key),
            port=port,
            stop_within=20.0,
            pwd=str(home) if image else "",
        )
        scrape = replace(
            context.page(metrics),
            auth=Bearer(key),  # it asks for none; a release that does is read all the same
            keep=keep.WEAVIATE,
        )
        note = (
            f"{context.name}: Weaviate's metrics and the ports of its cluster of one listen on all addresses of the "
            "node and ask for no key: while it runs, whoever reaches the node may use them"
        )
        return ServicePlan(
            programs=(program,),
            target=Target(protocol="weaviate", url=url, secret_file=key),
            scrapes=(scrape,),
            versions=((f"{context.name} (Weaviate)", image.version if image else "unknown"),),
            notes=(note,),
        )


def _cluster(context: Context) -> dict[str, str]:
    """Return what makes a cluster of one. Raises PlanError."""
    gossip = _pair(context)
    return {
        "CLUSTER_HOSTNAME": context.name,
        "CLUSTER_ADVERTISE_ADDR": context.address,
        "CLUSTER_GOSSIP_BIND_PORT": str(gossip),
        "CLUSTER_DATA_BIND_PORT": str(gossip + 1),
        "RAFT_PORT": str(context.port(None)),
        "RAFT_INTERNAL_RPC_PORT": str(context.port(None)),
        "RAFT_BOOTSTRAP_EXPECT": "1",
    }


def _pair(context: Context) -> int:
    """Return the first of two ports in a row, which is what Weaviate wants. Raises PlanError."""
    for _ in range(5):
        port = context.port(None)
        try:
            context.port(port + 1)
        except PortError:
            continue
        return port
    raise PlanError(f"service {context.name}: no two free ports in a row on {context.node_name}: try again")


SERVICE = Weaviate()
