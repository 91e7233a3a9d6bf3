"""`faiss`: a small server of ours over Faiss, or Faiss inside the load's own process."""

import importlib.metadata
import importlib.util
import secrets
import sys
from dataclasses import replace

from pydantic import BaseModel, Field

from jobs.probes import HttpProbe
from jobs.services.about import About
from jobs.services.base import Context, PlanError, ServicePlan
from jobs.services.vector_load import NEAREST
from loadtests.plan import Target
from loadtests.vectors.faiss import IN_PROCESS
from prometheus.config import Bearer
from runs.recipe import Strict


class Options(Strict):
    """Keys of a `faiss` service."""

    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    threads: int | None = Field(None, ge=1, description="searches at once, each on one thread; default: all cores")
    in_process: bool = Field(False, description="no server: the load searches in its own process, as ann-benchmarks do")


class Faiss:
    """See the module."""

    kind = "faiss"
    image = "dashcam"
    Options: type[BaseModel] = Options
    about = About(
        title="Faiss behind a small server of ours, or inside the load's process",
        load=NEAREST,
        ports="HTTP",
        guard="a random key in 0600 files, for every page",
        metrics="/metrics behind the key; searches, their durations, vectors",
        program="ours over the wheel faiss-cpu: pip install 'dashcam[faiss]'",
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        if importlib.util.find_spec("faiss") is None:
            raise PlanError(f"service {context.name}: faiss is missing: pip install 'dashcam[faiss]'")
        image = context.image
        versions = ((f"{context.name} (Faiss)", importlib.metadata.version("faiss-cpu")),)
        if options.in_process:
            note = (
                f"{context.name}: Faiss runs inside the load: what the load's process uses is client and service in one"
            )
            return ServicePlan((), Target(protocol="faiss", url=IN_PROCESS), versions=versions, notes=(note,))
        port, key = context.port(options.port), context.secret(f"{context.name}.key", secrets.token_urlsafe(24))
        address = f"{context.address}:{port}"
        program = replace(
            context.own,
            argv=(
                *(
                    image.program if image else sys.executable,
                    "-P",
                    "-m",
                    "jobs.services.faiss_server",
                    "--host",
                    context.address,
                ),
                *("--port", str(port), "--token-file", str(key)),
                *(("--threads", str(options.threads)) if options.threads else ()),
            ),
            probe=HttpProbe(f"http://{address}/metrics", token_file=key, refuses_strangers=True),
            port=port,
            stop_within=5.0,
        )
        scrape = replace(context.page(port), auth=Bearer(key))
        target = Target(protocol="faiss", url=f"http://{address}", secret_file=key)
        return ServicePlan((program,), target, scrapes=(scrape,), versions=versions)


SERVICE = Faiss()
