"""The nodes that a recipe asks for: all alike, or components that differ."""

import itertools
import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from runs.nodes import RESERVED, Layout
from runs.strict import Strict
from runs.units import Duration


class Needs(Strict):
    """What is asked of Slurm for the nodes of one kind."""

    cpus_per_node: int | None = Field(None, ge=1, description="cores asked of Slurm on each node; default: the site's")
    memory: str | None = Field(None, description="memory a node, as Slurm's --mem takes it: 8G")
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    constraint: str | None = None


class Component(Needs):
    """Nodes of one kind, of several; what it leaves out is as the allocation has it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,38}$", description="by which `node` and `nodes` name it")
    nodes: int = Field(1, ge=1, le=10_000, description="how many nodes")
    gpus_per_node: int | None = Field(None, ge=0)

    @field_validator("name")
    @classmethod
    def _free(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"{value!r} has a meaning of its own where nodes are named: take another name")
        return value


_GOES_OVER = ("partition", "account", "qos", "reservation", "memory")
"""What sbatch takes over from one component of a heterogeneous job to the next, where that says nothing."""

_MAIL_TYPE = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")


def _listed(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class Mail(Strict):
    """E-mail that Slurm sends: sbatch's --mail-user and --mail-type."""

    user: str = Field(min_length=1)
    type: Annotated[
        tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)
    ] = Field(("END", "FAIL"), description="BEGIN, END, FAIL, TIME_LIMIT_90, ...")

    @field_validator("type")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if not _MAIL_TYPE.fullmatch(word):
                raise ValueError(f"{word!r} is no event of Slurm's: write END, FAIL, ...")
        return value


class Allocation(Needs):
    """The nodes asked for. `time` in seconds. A local run uses what it can and says what it has no use for."""

    nodes: int = Field(1, ge=1, le=10_000, description="how many nodes; with components: theirs together")
    components: tuple[Component, ...] = Field(
        (), description="nodes that differ, the head's component first: a heterogeneous job of Slurm"
    )
    gpus_per_node: int = Field(0, ge=0)
    time: Duration = Field(1200.0, gt=0, description="time limit of the whole run, set-up and report included")
    warning: Duration = Field(120.0, gt=0, description="how long before the time limit the run starts to wind up")
    dependency: str | None = Field(None, min_length=1, description="jobs to wait for, as sbatch takes it: afterok:1234")
    mail: Mail | None = Field(None, description="{user, type}: passed on to Slurm")

    @model_validator(mode="before")
    @classmethod
    def _together(cls, values: Any) -> Any:
        """Count the components' nodes where `nodes` is left out."""
        parts = values.get("components") if isinstance(values, dict) else None
        if not isinstance(parts, (list, tuple)) or not parts or "nodes" in values:
            return values
        counts = [part.get("nodes", 1) if isinstance(part, dict) else part.nodes for part in parts]
        return {**values, "nodes": sum(counts)} if all(isinstance(count, int) for count in counts) else values

    @model_validator(mode="after")
    def _components(self) -> Self:
        names = [part.name for part in self.components]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"components are named twice: {', '.join(twice)}")
        if self.components and self.nodes != (count := sum(part.nodes for part in self.components)):
            raise ValueError(f"nodes is {self.nodes}, but the components have {count}: leave `nodes` out")
        for key in _GOES_OVER:
            for before, part in itertools.pairwise(self.parts):
                if getattr(before, key) is not None and getattr(part, key) is None:
                    given = f"{key}: {getattr(before, key)}"
                    raise ValueError(
                        f"components: Slurm would give {part.name} the {given} of {before.name}: say which"
                    )
        return self

    @property
    def parts(self) -> tuple[Component, ...]:
        """The components with all that they ask for; an allocation of like nodes is one, without a name of its own."""
        shared = {name: getattr(self, name) for name in (*Needs.model_fields, "gpus_per_node")}
        if not self.components:
            return (Component.model_construct(name="all", nodes=self.nodes, **shared),)
        return tuple(
            part.model_copy(update={key: value for key, value in shared.items() if getattr(part, key) is None})
            for part in self.components
        )

    @property
    def each(self) -> tuple["Allocation", ...]:
        """The components, each as an allocation of its own."""
        fields = ("nodes", "gpus_per_node", *Needs.model_fields)
        return tuple(
            self.model_copy(update={"components": (), **{name: getattr(part, name) for name in fields}})
            for part in self.parts
        )

    @property
    def layout(self) -> Layout:
        """Which nodes there are."""
        spans, begin = {}, 0
        for part in self.components:
            spans[part.name] = range(begin, begin + part.nodes)
            begin += part.nodes
        return Layout(self.nodes, spans)
