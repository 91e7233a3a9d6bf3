"""Certificates of a run's nodes, where something of it crosses a network."""

from collections.abc import Sequence

from prometheus.web import Certificate
from runs.directory import RunDirectory
from runs.manifest import Node
from runs.recipe import Recipe


def issue(run: RunDirectory, recipe: Recipe, nodes: Sequence[Node]) -> dict[int, Certificate]:
    """Issue a certificate for each node's index; none where nothing of the run crosses a network."""
    if len(nodes) == 1:
        return {}
    from prometheus.certificates import Authority  # noqa: PLC0415 - cryptography, needed by runs of several nodes only

    authority = Authority(run.live, run.id, recipe.allocation.time)
    # The head's answers at the near end of a tunnel too.
    return {
        node.index: authority.issue(
            f"node-{node.index}", (node.address, node.name, *(() if node.index else ("localhost", "127.0.0.1")))
        )
        for node in nodes
    }
