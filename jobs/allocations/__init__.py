"""Where a run happens: this machine, or a Slurm job."""

from pathlib import Path

from jobs.allocations.base import Allocation
from jobs.allocations.local import LocalAllocation
from jobs.allocations.slurm import SlurmAllocation
from runs import site as sites
from runs.manifest import Manifest
from runs.recipe import Recipe
from runs.site import Site


def of_manifest(manifest: Manifest) -> Site:
    """Return the site profile that a run was asked with (a run of an earlier release has none)."""
    return Site.model_validate(manifest.site) if manifest.site else sites.load(sites.DEFAULT)


_SLURM_ONLY = (
    *("partition", "account", "qos", "reservation", "constraint", "gpus_per_node", "memory", "cpus_per_node"),
    *("components", "dependency", "mail"),
)


def for_run(manifest: Manifest, recipe: Recipe, scratch: Path | None = None) -> Allocation:
    """Return the allocation that this process runs in. `scratch`: where the run's scratch goes, on each node."""
    if manifest.allocation == "slurm":
        nodes = recipe.allocation.nodes
        return SlurmAllocation(nodes, held=manifest.held, site=of_manifest(manifest), scratch=scratch)
    unused = [key for key in _SLURM_ONLY if getattr(recipe.allocation, key)]
    return LocalAllocation(recipe.allocation.nodes, unused)
