"""GPUs that a recipe asks for, held against those that are there, before anything starts that would do without."""

from collections.abc import Iterator, Sequence

from jobs.allocations.base import AllocationError
from runs.manifest import Manifest, Node
from runs.recipe import Recipe


def check(recipe: Recipe, manifest: Manifest, nodes: Sequence[Node]) -> Iterator[str]:
    """Yield notes about nodes that show none. Raises AllocationError: a held job has fewer than are asked for.

    A job of ours has what was asked, or Slurm had refused it; NVIDIA's driver is the only one that we know to ask.
    """
    asked = recipe.allocation.gpus_per_node
    if not asked or recipe.allocation.components:
        return
    given = int(manifest.slurm.get("SLURM_GPUS_ON_NODE", "0"))
    if manifest.held and given < asked:
        raise AllocationError(
            f"allocation.gpus_per_node asks for {asked}, and job {manifest.slurm.get('SLURM_JOB_ID')}, which you hold, "
            f"gives {given} on this node: hold one with `salloc --gres=gpu:{asked}`, or --set allocation.gpus_per_node="
            f"{given}"
        )
    if without := [node.name for node in nodes if not node.facts.get("gpus")]:
        shown = ", ".join(without[:4]) + (f" and {len(without) - 4} more" if len(without) > 4 else "")
        yield (
            f"allocation.gpus_per_node asks for {asked}, and {shown} shows no GPU (none of NVIDIA's driver): what ran "
            "there ran without one; `dashcam doctor` tells more"
        )
