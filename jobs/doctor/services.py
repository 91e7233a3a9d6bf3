"""The recipe's services: each kind is asked for its plan, which says what is missing here."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from jobs.doctor import boxes
from jobs.doctor.base import Check, Context, Line
from jobs.node import free_ports
from jobs.services import base, catalogue, tiny_model
from jobs.services.base import PlanError
from runs.recipe import Service


def _look(context: Context) -> Iterable[Line]:
    if context.recipe is None or context.scratch is None:
        return
    if not tiny_model.path().exists():  # a plan may make it: nothing is to be left behind
        os.environ["XDG_CACHE_HOME"] = str(context.scratch / "cache")
    for name, service in context.recipe.services.items():
        yield _plan(context, context.scratch, name, service)


def _plan(context: Context, scratch: Path, name: str, service: Service) -> Line:
    kind, live = catalogue()[service.kind], scratch / "live" / name
    live.mkdir(parents=True, mode=0o700)

    def secret(file: str, value: str) -> Path:
        path = live / file
        path.touch(mode=0o600)
        path.write_text(value)
        return path

    what = f"service {name} ({service.kind})"
    image = None
    if context.recipe is not None and (service.runtime or context.recipe.runtime) == "apptainer":
        wanted = getattr(kind, "image", None)
        if service.image is not None or wanted is None:
            return _own(what, service.image)
        found = boxes.held(context, wanted)
        if found.state != "good" or found.sif is None:
            return Line(what, "missing", f"image {wanted}: {found.detail}", needed=True)
        image = found.image.model_copy(update={"version": found.sif.version})
    asked = base.Context(
        run_id=f"doctor-{secrets.token_hex(2)}",
        name=name,
        node=context.recipe.nodes_of(name)[0] if context.recipe else 0,
        node_name="here",
        address="127.0.0.1",
        scratch=scratch / name,
        live=live,
        ready_within=service.ready_within,
        env=dict(service.env),
        port=lambda port: port or free_ports(1, "127.0.0.1")[0],
        secret=secret,
        otlp_grpc=lambda: None,
        image=image,
    )
    try:
        plan = kind.plan(asked, kind.Options.model_validate(service.options))
    except PlanError as error:
        missing = str(error).removeprefix(f"service {name}: ").removeprefix(f"{name}: ")
        if context.where == "login" and context.site.modules.load:
            return Line(what, "degraded", f"{missing}; in a job it may be there by {context.site.name}'s modules")
        return Line(what, "missing", missing, needed=True)
    versions = ", ".join(f"{program} {version}" for program, version in plan.versions)
    return Line(what, "ok", versions or Path(plan.programs[0].argv[0]).name)


def _own(what: str, file: Path | None) -> Line:
    """Look for the file of one's own that a service runs in."""
    if file is None:
        mend = "write `runtime: native`, or the path of a SIF file as `image`"
        return Line(what, "missing", "its kind has no image", mend, needed=True)
    if not file.is_file():
        return Line(what, "missing", f"no image file {file}", "give the path of a SIF file as `image`", needed=True)
    return Line(what, "ok", f"in {file}")


CHECK = Check("services", "programs", _look, within=60.0, order=5)
