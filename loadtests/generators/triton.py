"""`triton`: inference over the KServe v2 protocol, HTTP or gRPC, as Triton and others speak it."""

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from loadtests.generators.base import GeneratorKind
from loadtests.http import bearer
from loadtests.kserve import tensors
from loadtests.kserve.base import Client, Metadata, Request, Wanted
from loadtests.kserve.rest import RestClient
from loadtests.kserve.tensors import Spec, Tensor
from loadtests.lengths import Tokens, constant
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from runs.recipe import Load, Strict

_POOL = 256 * 2**20
"""Bytes that all prepared requests together may take."""


class Options(Strict):
    """Keys of a `triton` load."""

    model: str | None = Field(None, description="default: the service's")
    version: str | None = Field(None, description="version of the model; default: the server's choice")
    encoding: Literal["binary", "json"] = Field(
        "binary", description="binary: Triton's extension of HTTP; gRPC is always binary"
    )
    batch: int = Field(1, ge=1, le=65_536, description="rows in each request, where the model takes batches")
    inputs: int = Field(32, ge=1, le=100_000, description="different requests, made in advance and sent in turn")
    shapes: dict[str, tuple[int, ...]] = Field(
        default_factory=dict, description="shape by input, without its batch; default: the model's own"
    )
    length: Tokens = Field(
        constant(16), description="what stands for the open dimensions of a request: a number, or a distribution"
    )
    low: int | None = Field(None, description="least random whole number in an input; default: 0")
    high: int | None = Field(None, description="whole numbers in an input are below this one; default: 100")
    outputs: tuple[str, ...] = Field((), description="outputs asked for; default: all")
    parameters: dict[str, bool | int | float | str] = Field(default_factory=dict, description="of each request")
    expect: Literal["identity", "add_sub", "same"] | None = Field(
        None,
        description="what the answer must be: identity: the inputs; add_sub: sum and difference of two inputs; "
        "same: what the same inputs gave before, to the bit",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (0 if self.low is None else self.low) >= (100 if self.high is None else self.high):
            raise ValueError("low must be below high (by default 0 and 100)")
        if wrong := [name for name, shape in self.shapes.items() if any(length < 1 for length in shape)]:
            raise ValueError(f"shapes.{wrong[0]}: lengths are whole numbers from 1 on")
        return self


@dataclass
class _Case:
    """A prepared request. `expected`: outputs by name; with `expect: same` a digest, once it is known."""

    request: Request
    expected: dict[str, Tensor] = field(default_factory=dict)
    digest: bytes | None = None


@dataclass(frozen=True)
class _Model:
    """A model as it is asked. `batched`: the first dimension of each tensor is the batch."""

    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    wanted: dict[str, Spec]
    batched: bool


class Triton:
    """Sends prepared tensors and checks names, types, shapes and, where it can be known, values of what comes back."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._target, self._options, self._seed = target, options, load.seed
        self._name = options.model or target.model or ""
        self._client: Client | None = None
        self._model: _Model | None = None
        self._pool: list[_Case] = []

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        if not self._name:
            raise SetupError("triton: which model? Give `model`: the service has several, or names none")
        self._client = self._open()
        try:
            told = await self._client.learn()
        except SetupError as error:
            raise SetupError(f"triton: model {self._name!r}: {error}") from error
        self._model = self._fit(told)
        self._pool = await asyncio.to_thread(self._prepare, self._client, self._model)
        return {
            "url": self._target.url,
            "model": self._name,
            **told.notes,
            "max_batch_size": told.max_batch_size,
            "inputs": {spec.name: f"{spec.datatype} {list(spec.shape)}" for spec in told.inputs},
            "outputs": {spec.name: f"{spec.datatype} {list(spec.shape)}" for spec in told.outputs},
            "batch": self._options.batch,
            "distinct": len(self._pool),
            "request_bytes": round(sum(len(each.request.body) for each in self._pool) / len(self._pool)),
        }

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self.setup()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._client is not None:
            await self._client.close()

    def _open(self) -> Client:
        options, headers = self._options, bearer(self._target.secret())
        if self._target.protocol == "triton-grpc":
            if options.encoding == "json":
                raise SetupError("triton: gRPC has no JSON: leave `encoding` out")
            from loadtests.kserve.rpc import RpcClient  # noqa: PLC0415 - gRPC's runtime, for those who use it

            return RpcClient(self._target.url, self._name, options.version, headers)
        binary = options.encoding == "binary"
        return RestClient(self._target.url, self._name, options.version, headers, binary=binary)

    def _fit(self, told: Metadata) -> _Model:
        """Hold the options against what the server tells of the model. Raises SetupError."""
        options, most, name = self._options, told.max_batch_size, self._name
        batched = most > 0 if most is not None else all(spec.shape[:1] == (-1,) for spec in told.inputs)
        if options.batch > 1 and not batched:
            raise SetupError(f"triton: model {name} takes no batches: leave `batch` out")
        if most and options.batch > most:
            raise SetupError(f"triton: model {name} takes batches up to {most}, not {options.batch}")
        for word, names, specs in (("output", options.outputs, told.outputs), ("input", options.shapes, told.inputs)):
            if unknown := set(names) - {spec.name for spec in specs}:
                have = ", ".join(spec.name for spec in specs)
                raise SetupError(f"triton: model {name} has no {word} {', '.join(sorted(unknown))}: it has {have}")
        for spec in (*told.inputs, *told.outputs):
            if not tensors.supported(spec.datatype):
                raise SetupError(f"triton: {spec.name} is {spec.datatype}, a type that is not known here")
            if options.encoding == "json" and spec.datatype in tensors.BINARY_ONLY:
                raise SetupError(f"triton: {spec.name} is {spec.datatype}, which JSON has not: use `encoding: binary`")
        wanted = {spec.name: spec for spec in told.outputs if not options.outputs or spec.name in options.outputs}
        return _Model(told.inputs, told.outputs, wanted, batched)

    def _prepare(self, client: Client, model: _Model) -> list[_Case]:
        """Make all requests in advance: the client's time for that is not the service's."""
        pool: list[_Case] = []
        for index in range(self._options.inputs):
            inputs = self._inputs(model, index)
            request = client.encode(inputs, Wanted(self._options.outputs, self._options.parameters))
            pool.append(_Case(request, {each.name: each for each in self._expected(model, inputs)}))
            size = len(pool[0].request.body)
            if size * self._options.inputs > _POOL:
                fit = max(1, _POOL // size)
                raise SetupError(f"triton: {size} bytes a request: make `inputs` at most {fit}, or `batch` smaller")
        return pool

    def _inputs(self, model: _Model, index: int) -> list[Tensor]:
        options, made = self._options, []
        numbers = np.random.default_rng([self._seed, index])
        length = options.length.draw(random.Random(f"{self._seed}/{index}"))  # noqa: S311
        for spec in model.inputs:
            own = spec.shape[1:] if model.batched else spec.shape
            shape = options.shapes.get(spec.name, tuple(length if each == -1 else each for each in own))
            whole = (options.batch, *shape) if model.batched else shape
            if not spec.fits(whole):
                raise SetupError(f"triton: shapes.{spec.name} is {list(shape)}, where the model has {list(own)}")
            made.append(tensors.random_tensor(spec, whole, numbers, options.low, options.high))
        return made

    def _expected(self, model: _Model, inputs: list[Tensor]) -> list[Tensor]:
        """Return the outputs that the model owes for `inputs`, where they are known. Raises SetupError."""
        names = [spec.name for spec in model.outputs]
        if self._options.expect == "identity":
            pairs = zip(names, inputs, strict=False)
            return [Tensor(name, each.datatype, each.shape, each.data) for name, each in pairs]
        if self._options.expect == "add_sub":
            alike = len(inputs) == 2 and (inputs[0].datatype, inputs[0].shape) == (inputs[1].datatype, inputs[1].shape)
            if not alike or inputs[0].datatype in ("BYTES", "BF16", "BOOL") or len(names) != 2:
                raise SetupError("triton: `expect: add_sub` needs two inputs of numbers alike, and two outputs")
            one, two = (tensors.array(each) for each in inputs)
            results = ((one + two).tobytes(), (one - two).tobytes())
            first = inputs[0]
            return [Tensor(n, first.datatype, first.shape, data) for n, data in zip(names, results, strict=True)]
        return []

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        assert self._model is not None  # noqa: S101
        case = self._pool[number % len(self._pool)]
        answer = await self._client.infer(case.request, outcome)
        if answer.model != self._name:
            raise RequestFailed("wrong_model", f"the answer is of model {answer.model[:50]!r}")
        self._check(self._model, answer.tensors)
        self._compare(case, answer.tensors)

    def _check(self, model: _Model, found: list[Tensor]) -> None:
        """Hold names, types and shapes against the model's metadata. Raises RequestFailed."""
        names = sorted(tensor.name for tensor in found)
        if names != sorted(model.wanted):
            raise RequestFailed("wrong_outputs", f"outputs {names}, where {sorted(model.wanted)} were asked for")
        for tensor in found:
            spec = model.wanted[tensor.name]
            if tensor.datatype != spec.datatype:
                raise RequestFailed("wrong_type", f"output {tensor.name} is {tensor.datatype}, not {spec.datatype}")
            if not spec.fits(tensor.shape) or (model.batched and tensor.shape[0] != self._options.batch):
                wanted = (self._options.batch, *spec.shape[1:]) if model.batched else spec.shape
                shape = f"{list(tensor.shape)}, where it must be {list(wanted)}"
                raise RequestFailed("wrong_shape", f"output {tensor.name} has shape {shape}")

    def _compare(self, case: _Case, found: list[Tensor]) -> None:
        """Hold values against what must come, where that is known. Raises RequestFailed."""
        for tensor in found:
            if case.expected.get(tensor.name, tensor) != tensor:
                raise RequestFailed("wrong_answer", f"output {tensor.name} is not what `expect` says")
        if self._options.expect == "same":
            ordered = sorted(found, key=lambda tensor: tensor.name)
            digest = hashlib.blake2b(b"".join(tensor.data for tensor in ordered), digest_size=16).digest()
            if case.digest is None:
                case.digest = digest
            elif case.digest != digest:
                raise RequestFailed("not_repeatable", "the same inputs gave other outputs before")


GENERATOR = GeneratorKind(name="triton", targets=("triton", "triton-grpc"), Options=Options, create=Triton)
