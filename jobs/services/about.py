"""What a person wants to know of a service kind before using it, beside its options."""

from dataclasses import dataclass

NOT_MEASURED = "not measured"
NEVER = "never run here: command lines and stand-ins only"


@dataclass(frozen=True)
class About:
    """Plain words for the list, the page of the documents and the starter recipe.

    `load` is YAML: a load that suits the kind and objectives for it. `service`: keys of the service that a starter
    recipe gives, since they have no default or a better one to begin with. `exporters`: sidecars worth having.
    """

    title: str
    load: str
    """Top-level keys `load` and `objectives` of a recipe, with comments."""
    ports: str
    """What listens, all on the node's address unless it says otherwise."""
    guard: str
    """Who may use it while it runs."""
    metrics: str
    """Where its own metrics are, and what of them is recorded."""
    program: str
    """Where its program comes from when it runs natively."""
    starts: str = NOT_MEASURED
    """Seconds from start to ready, and on what."""
    seen: str = "run here natively"
    """How far it was tried."""
    service: str = ""
    """YAML keys of the service, with comments."""
    exporters: tuple[str, ...] = ("node", "cgroup", "process")
