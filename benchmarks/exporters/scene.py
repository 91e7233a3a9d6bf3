"""The run that most benchmarks watch: services of several processes, four GPUs, two Lustre file systems."""

from dataclasses import dataclass

from benchmarks.exporters.gpu_page import gpu_pages
from benchmarks.exporters.lustre_tree import MDTS, OSTS, LustreTree
from benchmarks.exporters.machine import link_machine
from benchmarks.exporters.stage import Stage
from benchmarks.exporters.target import Target, check

RUN_ID = "20261125-120000-bench-0000"
GPUS, MOUNTS = 4, 2
_SERVICES = (("llm", 4, 16), ("vectors", 12, 1), ("load", 1, 4), ("prometheus", 1, 8))
"""Name, processes, threads of each: an inference server with workers, a PostgreSQL with backends, and our own two."""

DESCRIPTION = (
    f"a run of {sum(count for _, count, _ in _SERVICES)} processes with "
    f"{sum(count * threads for _, count, threads in _SERVICES)} threads in {len(_SERVICES)} services, {GPUS} GPUs, "
    f"{MOUNTS} Lustre file systems of {OSTS} OSTs and {MDTS} MDTs each"
)


@dataclass(frozen=True)
class Scene:
    """What was started. `gpu` are the options by which GPUs are read."""

    stage: Stage
    lustre: LustreTree
    gpu: tuple[str, ...]

    @property
    def root(self) -> str:
        """This machine with Lustre's files beside its own, for --root."""
        return str(self.lustre.root)

    def process_and_cgroup(self, name: str = "process cgroup") -> Target:
        """Start the sidecar that every run has."""
        return self.stage.sidecar(name, "process", "cgroup", "--run-id", RUN_ID)

    def all(self, name: str, *more: str) -> Target:
        """Start one sidecar for all collectors; `more` are further names and options."""
        names = ("process", "cgroup", "gpu", "lustre")
        target = self.stage.sidecar(name, *names, *more, "--run-id", RUN_ID, "--root", self.root, *self.gpu)
        check(target.scrape(), "gpu_up", "lustre_client_up")
        return target


def set_up(stage: Stage) -> Scene:
    """Start the services and the page of the GPUs, and write the Lustre client's files."""
    for service, processes, threads in _SERVICES:
        stage.tree(RUN_ID, service, processes, threads)
    root = stage.folder / "root"
    link_machine(root)
    lustre = LustreTree(root, MOUNTS)
    lustre.write()
    return Scene(stage, lustre, stage.pages(gpu_pages(GPUS)))
