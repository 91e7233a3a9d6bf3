"""`embeddings`: vectors of texts over OpenAI's API: llama.cpp's server with an embedding model, one slot by default."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from jobs.services import llamacpp
from jobs.services.about import About
from jobs.services.base import Context, ServicePlan
from jobs.services.rest_probe import Asker, NotReadyError, RestProbe
from runs.paths import PathOrTiny
from runs.recipe import Strict

_PATH = "/v1/embeddings"
_NEAR = 1e-3
"""How far vectors of float32 may be apart and still be the same."""
_TEXTS = ("ready", "a text of quite another length and sense")


class Options(Strict):
    """Keys of an `embeddings` service."""

    model: PathOrTiny = Field("tiny", description="path of a GGUF file, or `tiny`: a small model with random weights")
    port: int | None = Field(None, ge=1, le=65535, description="default: a free one")
    threads: int | None = Field(None, ge=1, description="default: llama.cpp's")
    parallel: int = Field(1, ge=1, description="slots: requests worked on at once; more may mix vectors up")
    context: int = Field(2048, ge=64, description="tokens of context, shared by the slots: the longest text")
    pooling: Literal["mean", "cls", "last"] = Field("mean", description="how one vector is made of those of the tokens")


@dataclass(frozen=True)
class EmbeddingsProbe(RestProbe):
    """Ready when one text gives the same unit vector twice, and another text another one."""

    model: str

    def trial(self, ask: Asker) -> None:
        """See `RestProbe`. One text a request: what is worked on together may be mixed up, which the load finds."""
        ask.stranger("POST", _PATH, self._body(_TEXTS[0]))
        one, other, again = (self._vector(ask, text) for text in (*_TEXTS, _TEXTS[0]))
        if any(abs(math.hypot(*vector) - 1) > _NEAR for vector in (one, other)):
            raise NotReadyError(f"{self.url}{_PATH} answers vectors that are not of length 1")
        if math.dist(one, again) > _NEAR or math.dist(one, other) < _NEAR / 10:
            raise NotReadyError(f"{self.url}{_PATH} gives one text two vectors, or two texts one")

    def _body(self, text: str) -> dict[str, Any]:
        return {"model": self.model, "input": text}

    def _vector(self, ask: Asker, text: str) -> list[float]:
        answer = ask("POST", _PATH, self._body(text))
        return [float(part) for part in answer["data"][0]["embedding"]]


class Embeddings:
    """See the module."""

    kind = "embeddings"
    image = "llamacpp"
    Options: type[BaseModel] = Options
    about = dataclasses.replace(
        llamacpp.SERVICE.about,
        title="vectors of texts (OpenAI's /v1/embeddings), by llama.cpp",
        load="""\
load:
  generator: embeddings
  batch: 2                          # texts a request
  input_tokens: {mean: 60, sigma: 0.6, max: 500}
  seed: 7                           # one text in twenty comes again and must give the same vector
  phases:
    - {name: warmup, for: 5s, rate: 5}
    - {name: steady, for: 30s, rate: 5, arrival: poisson}
objectives: {latency_p95: 2s, error_rate: 1%}
""",
        exporters=About.exporters,
    )

    def plan(self, context: Context, options: BaseModel) -> ServicePlan:
        """See `jobs.services.base.ServiceKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        words: dict[str, Any] = options.model_dump()
        made = llamacpp.SERVICE.plan(context, llamacpp.Options.model_validate({**words, "embeddings": True}))
        (program,), target = made.programs, made.target
        assert target.secret_file is not None  # noqa: S101 - llama.cpp is never started without a key
        assert target.model is not None  # noqa: S101 - nor without a name for its model
        probe = EmbeddingsProbe(target.url, target.secret_file, target.model)
        return dataclasses.replace(made, programs=(dataclasses.replace(program, probe=probe),))


SERVICE = Embeddings()
