"""`triton`: inference over the KServe v2 protocol (HTTP), as Triton and others speak it, without its client library."""

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import orjson
from pydantic import Field, model_validator

from loadtests import kserve
from loadtests.generators.base import GeneratorKind
from loadtests.http import HttpClient, bearer
from loadtests.kserve import Spec, Tensor
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
    encoding: Literal["binary", "json"] = Field("binary", description="binary: Triton's binary tensor data extension")
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
class _Request:
    """One request of the pool. `expected`: outputs by name; with `expect: same` a digest, once it is known."""

    body: bytes
    headers: dict[str, str]
    expected: dict[str, Tensor] = field(default_factory=dict)
    digest: bytes | None = None


@dataclass(frozen=True)
class _Model:
    """What the server tells of a model. `batched`: the first dimension of each tensor is the batch."""

    inputs: tuple[Spec, ...]
    outputs: dict[str, Spec]
    batched: bool
    notes: dict[str, Any]


class Triton:
    """Sends prepared tensors and checks names, types, shapes and, where it can be known, values of what comes back."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._options, self._seed = options, load.seed
        self._name = options.model or target.model or ""
        version = f"/versions/{options.version}" if options.version else ""
        self._url = f"{target.url.rstrip('/')}/v2/models/{self._name}{version}"
        self._headers = bearer(target.secret())
        self._client: HttpClient | None = None
        self._model: _Model | None = None
        self._pool: list[_Request] = []

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        if not self._name:
            raise SetupError("triton: which model? Give `model`: the service has several, or names none")
        self._client = HttpClient(self._headers)
        self._model = await self._learn(self._client)
        self._pool = await asyncio.to_thread(self._prepare, self._model)
        return {
            "url": f"{self._url}/infer",
            **self._model.notes,
            "batch": self._options.batch,
            "different_requests": len(self._pool),
            "request_bytes": round(sum(len(each.body) for each in self._pool) / len(self._pool)),
        }

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self.setup()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._client is not None:
            await self._client.close()

    async def _learn(self, client: HttpClient) -> _Model:
        """Ask for the model's metadata and, for batching, its configuration, which is Triton's own extension."""
        try:
            _, _, body = await client.ask("GET", self._url, Outcome())
            status, _, config = await client.ask("GET", f"{self._url}/config", Outcome(), accept=tuple(range(200, 600)))
        except RequestFailed as failure:
            raise SetupError(f"triton: no model {self._name!r} at {self._url}: {failure}") from failure
        try:
            told = orjson.loads(body)
            most = orjson.loads(config).get("max_batch_size", 0) if status == 200 else None
            inputs, outputs = ([_spec(each) for each in told[key]] for key in ("inputs", "outputs"))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise SetupError(f"triton: the metadata at {self._url} cannot be read: {body[:200]!r}") from error
        batched = most > 0 if most is not None else all(spec.shape[:1] == (-1,) for spec in inputs)
        self._check_batch(most, batched=batched)
        wanted = self._options.outputs or tuple(spec.name for spec in outputs)
        if unknown := set(wanted) - {spec.name for spec in outputs}:
            have = ", ".join(spec.name for spec in outputs)
            raise SetupError(f"triton: model {self._name} has no output {', '.join(sorted(unknown))}: it has {have}")
        for spec in (*inputs, *outputs):
            if not kserve.supported(spec.datatype):
                raise SetupError(f"triton: {spec.name} is {spec.datatype}, a type that is not known here")
            if self._options.encoding == "json" and spec.datatype in kserve.BINARY_ONLY:
                raise SetupError(f"triton: {spec.name} is {spec.datatype}, which JSON has not: use `encoding: binary`")
        notes = {
            "model": self._name,
            "versions": told.get("versions"),
            "platform": told.get("platform"),
            "max_batch_size": most,
            "inputs": {spec.name: f"{spec.datatype} {list(spec.shape)}" for spec in inputs},
            "outputs": {spec.name: f"{spec.datatype} {list(spec.shape)}" for spec in outputs},
        }
        return _Model(tuple(inputs), {spec.name: spec for spec in outputs if spec.name in wanted}, batched, notes)

    def _check_batch(self, most: int | None, *, batched: bool) -> None:
        batch = self._options.batch
        if batch > 1 and not batched:
            raise SetupError(f"triton: model {self._name} takes no batches: leave `batch` out")
        if most and batch > most:
            raise SetupError(f"triton: model {self._name} takes batches up to {most}, not {batch}")

    def _prepare(self, model: _Model) -> list[_Request]:
        """Make all requests in advance: the client's time for that is not the service's."""
        if unknown := self._options.shapes.keys() - {spec.name for spec in model.inputs}:
            have = ", ".join(spec.name for spec in model.inputs)
            raise SetupError(f"triton: model {self._name} has no input {', '.join(sorted(unknown))}: it has {have}")
        pool: list[_Request] = []
        for index in range(self._options.inputs):
            pool.append(self._make(model, index))
            size = len(pool[0].body)
            if size * self._options.inputs > _POOL:
                fit = max(1, _POOL // size)
                raise SetupError(f"triton: {size} bytes a request: make `inputs` at most {fit}, or `batch` smaller")
        return pool

    def _make(self, model: _Model, index: int) -> _Request:
        options = self._options
        numbers = np.random.default_rng([self._seed, index])
        length = options.length.draw(random.Random(f"{self._seed}/{index}"))  # noqa: S311
        tensors = []
        for spec in model.inputs:
            own = spec.shape[1:] if model.batched else spec.shape
            shape = options.shapes.get(spec.name, tuple(length if each == -1 else each for each in own))
            whole = (options.batch, *shape) if model.batched else shape
            if not spec.fits(whole):
                raise SetupError(f"triton: shapes.{spec.name} is {list(shape)}, where the model has {list(own)}")
            tensors.append(kserve.random_tensor(spec, whole, numbers, options.low, options.high))
        binary = options.encoding == "binary"
        body, headers = kserve.encode(tensors, options.outputs, options.parameters, binary=binary)
        expected = {each.name: each for each in self._expected(model, tensors) if each.name in model.outputs}
        return _Request(body, headers, expected)

    def _expected(self, model: _Model, inputs: list[Tensor]) -> list[Tensor]:
        """Return the outputs that the model owes for `inputs`, where they are known. Raises SetupError."""
        names = list(model.notes["outputs"])  # in the model's order, also those that are not asked for
        if self._options.expect == "identity":
            pairs = zip(names, inputs, strict=False)
            return [Tensor(name, each.datatype, each.shape, each.data) for name, each in pairs]
        if self._options.expect == "add_sub":
            alike = len(inputs) == 2 and (inputs[0].datatype, inputs[0].shape) == (inputs[1].datatype, inputs[1].shape)
            if not alike or inputs[0].datatype in ("BYTES", "BF16", "BOOL") or len(names) != 2:
                raise SetupError("triton: `expect: add_sub` needs two inputs of numbers alike, and two outputs")
            one, two = (kserve.array(each) for each in inputs)
            results = ((one + two).tobytes(), (one - two).tobytes())
            first = inputs[0]
            return [Tensor(n, first.datatype, first.shape, data) for n, data in zip(names, results, strict=True)]
        return []

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        assert self._model is not None  # noqa: S101
        sent = self._pool[number % len(self._pool)]
        url = f"{self._url}/infer"
        _, headers, body = await self._client.ask("POST", url, outcome, data=sent.body, headers=sent.headers)
        head, tensors = kserve.decode(body, headers.get(kserve.JSON_LENGTH))
        if head.get("model_name") != self._name:
            raise RequestFailed("wrong_model", f"the answer is of model {str(head.get('model_name'))[:50]!r}")
        self._check(self._model, tensors)
        self._compare(sent, tensors)

    def _check(self, model: _Model, tensors: list[Tensor]) -> None:
        """Hold names, types and shapes against the model's metadata. Raises RequestFailed."""
        names = sorted(tensor.name for tensor in tensors)
        if names != sorted(model.outputs):
            raise RequestFailed("wrong_outputs", f"outputs {names}, where {sorted(model.outputs)} were asked for")
        for tensor in tensors:
            spec = model.outputs[tensor.name]
            if tensor.datatype != spec.datatype:
                raise RequestFailed("wrong_type", f"output {tensor.name} is {tensor.datatype}, not {spec.datatype}")
            if not spec.fits(tensor.shape) or (model.batched and tensor.shape[0] != self._options.batch):
                wanted = (self._options.batch, *spec.shape[1:]) if model.batched else spec.shape
                shape = f"{list(tensor.shape)}, where it must be {list(wanted)}"
                raise RequestFailed("wrong_shape", f"output {tensor.name} has shape {shape}")

    def _compare(self, sent: _Request, tensors: list[Tensor]) -> None:
        """Hold values against what must come, where that is known. Raises RequestFailed."""
        for tensor in tensors:
            if sent.expected and sent.expected.get(tensor.name, tensor) != tensor:
                raise RequestFailed("wrong_answer", f"output {tensor.name} is not what `expect` says")
        if self._options.expect == "same":
            ordered = sorted(tensors, key=lambda tensor: tensor.name)
            digest = hashlib.blake2b(b"".join(tensor.data for tensor in ordered), digest_size=16).digest()
            if sent.digest is None:
                sent.digest = digest
            elif sent.digest != digest:
                raise RequestFailed("not_repeatable", "the same inputs gave other outputs before")


def _spec(told: dict[str, Any]) -> Spec:
    return Spec(str(told["name"]), str(told["datatype"]), tuple(int(length) for length in told["shape"]))


GENERATOR = GeneratorKind(name="triton", targets=("triton",), Options=Options, create=Triton)
