"""Where a run happens: this machine, or a Slurm job."""

from jobs.allocations.base import Allocation
from jobs.allocations.local import LocalAllocation
from jobs.allocations.slurm import SlurmAllocation
from runs.manifest import Manifest
from runs.recipe import Recipe

_SLURM_ONLY = (
    *("partition", "account", "qos", "reservation", "constraint", "gpus_per_node", "memory", "cpus_per_node"),
    *("components", "dependency", "mail"),
)


def for_run(manifest: Manifest, recipe: Recipe) -> Allocation:
    """Return the allocation that this process runs in."""
    if manifest.allocation == "slurm":
        return SlurmAllocation(recipe.allocation.nodes, held=manifest.held)
    unused = [key for key in _SLURM_ONLY if getattr(recipe.allocation, key)]
    return LocalAllocation(recipe.allocation.nodes, unused)
