"""What the generator asks of a way to speak to a model, whatever the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from loadtests.kserve.tensors import Spec, Tensor
from loadtests.outcome import Outcome


@dataclass(frozen=True)
class Metadata:
    """What a server tells of a model. `max_batch_size` None: it does not tell, which is Triton's extension."""

    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    max_batch_size: int | None
    notes: dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is asked for beside the inputs. No `outputs`: all."""

    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request as it goes out."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back, each tensor as long as its shape says."""

    model: str
    tensors: list[Tensor]


class Client(Protocol):
    """Speaks to one model."""

    async def learn(self) -> Metadata:
        """Ask for the model's metadata. Raises SetupError."""
        ...

    def encode(self, tensors: Sequence[Tensor], wanted: Wanted) -> Request:
        """Write a request."""
        ...

    async def infer(self, request: Request, outcome: Outcome) -> Answer:
        """Send a request and read its answer, filling `outcome` on the way. Raises RequestFailed."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
