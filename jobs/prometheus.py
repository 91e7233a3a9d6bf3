"""The run's Prometheus as a program: what it scrapes, records and sends elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from apptainer.image import Image
from jobs.probes import HttpProbe
from jobs.program import Program
from jobs.services.base import PlanError
from jobs.sidecars import find_program
from loadtests.plan import Series
from prometheus import remote, server
from prometheus.config import Scrape, write_config
from prometheus.version import Version
from prometheus.web import WebFiles
from runs.directory import RunDirectory
from runs.recipe import Recipe


def plan(
    run: RunDirectory,
    recipe: Recipe,
    scrapes: Sequence[Scrape],
    series: Series,
    web: WebFiles,
    *,
    data: Path,
    image: Image | None,
) -> tuple[Program, Version]:
    """Write its configuration and return it with its release; it listens where `series` says. Raises PlanError.

    `data`: its TSDB's directory; `image`: what it runs in, None for a program on PATH.
    """
    binary = image.program if image else find_program("prometheus")
    version = Version.named(image.version) if image else Version.of(binary)
    store, flush = None, None
    if asked := recipe.watch.remote_write:
        try:
            store, flush = remote.resolve(asked, run.secret), remote.FLUSH
        except remote.RemoteError as error:
            raise PlanError(str(error)) from error
    config = write_config(
        *(run.configs, scrapes),
        run_id=run.id,
        interval=recipe.watch.interval,
        version=version,
        store=store,
    )
    address = urlsplit(series.url).netloc
    program = Program(
        name="prometheus",
        role="prometheus",
        node=0,
        argv=tuple(server.live_command(binary, config, data, address, web.config, flush=flush)),
        probe=HttpProbe(
            f"{series.url}/-/ready",
            basic=(web.credentials.user, web.password_file),
            refuses_strangers=True,
            ca_file=series.ca_file,
        ),
        port=int(address.rpartition(":")[2]),
        stop_within=20.0,
        image=image.name if image else None,
    )
    return program, version
