"""What a recipe may say to k6."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from loadtests.k6.scenario import Schedule
from runs.paths import InRecipe, UserPath
from runs.recipe import Strict

OURS = ("openai", "vector", "triton", "s3", "url")
"""The scripts of this folder."""


class Completion(Strict):
    """What `openai` asks for."""

    api: Literal["completions", "chat"] = Field("completions", description="which endpoint")
    prompt_tokens: int = Field(32, ge=1, le=100_000, description="words of synthetic prompt, about a token each")
    max_tokens: int = Field(32, ge=1, description="most tokens to generate")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest token")
    ignore_eos: bool = Field(False, description="generate max_tokens whatever the model says (vLLM, llama.cpp)")
    model: str | None = Field(None, description="default: the service's")


class Search(Strict):
    """What `vector` asks for, of a collection that is there."""

    database: Literal["qdrant", "chroma"] = Field(description="whose REST API it is")
    collection: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="Qdrant: its name; Chroma: its id")
    dim: int = Field(ge=1, le=65536, description="dimension of its vectors")
    k: int = Field(10, ge=1, le=1000, description="neighbours asked for")


class Tensor(Strict):
    """One input of a model, filled with random numbers."""

    name: str = Field(description="as the model calls it")
    shape: tuple[int, ...] = Field(min_length=1, description="its dimensions, the batch first where it has one")
    datatype: Literal["BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "FP32", "FP64", "BYTES"] = Field(
        "FP32", description="as KServe v2 writes it"
    )


class Inference(Strict):
    """What `triton` asks for."""

    model: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="which model")
    version: str | None = Field(None, description="default: the server's choice")
    inputs: tuple[Tensor, ...] = Field(min_length=1, description="its inputs")


class Objects(Strict):
    """What `s3` gets."""

    objects: tuple[str, ...] = Field(
        (), description="bucket/key of objects that are there; signed with the service's key"
    )
    urls_file: UserPath | None = Field(None, description="presigned URLs, one a line; they stay out of the recording")
    region: str = Field("us-east-1", description="part of the signature")
    verify: bool = Field(True, description="hold the MD5 against the ETag, where that is one")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.objects) == (self.urls_file is not None):
            raise ValueError("give either objects or urls_file")
        return self


class Request(Strict):
    """What `url` asks for."""

    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] = Field("GET", description="HTTP method")
    paths: tuple[str, ...] = Field(("/",), min_length=1, description="asked for in turn")
    body: str | None = Field(None, description="sent with each request")
    headers: dict[str, str] = Field(default_factory=dict, description="sent with each request (never secrets)")
    status: int = Field(200, ge=100, le=599, description="what a good answer has")
    contains: str | None = Field(None, description="what must stand in a good answer")


class Options(Strict):
    """Keys of a `k6` load."""

    script: Annotated[str, InRecipe(frozenset(OURS))] | None = Field(
        None, description="openai, vector, triton, s3, url, or the path of a script of yours; default: by the service"
    )
    vus: int = Field(100, ge=1, le=100_000, description="open loop: most requests at once; what is beyond is dropped")
    schedule: Schedule = Field(
        "k6", description="k6: its own executors where a phase is evenly spaced; dashcam: always our times"
    )
    openai: Completion = Field(default_factory=lambda: Completion.model_validate({}), description="script openai")
    vector: Search | None = Field(None, description="script vector")
    triton: Inference | None = Field(None, description="script triton")
    s3: Objects | None = Field(None, description="script s3")
    request: Request = Field(default_factory=lambda: Request.model_validate({}), description="script url")
    dashboard: bool = Field(True, description="keep k6's HTML report of each phase")

    @model_validator(mode="after")
    def _told(self) -> Self:
        if self.script is not None and self.script not in OURS and Path(self.script).suffix not in {".js", ".ts"}:
            raise ValueError(f"{self.script!r} is no script: {', '.join(OURS)}, or the path of a .js or .ts file")
        if self.script in {"vector", "triton", "s3"} and getattr(self, self.script) is None:
            raise ValueError(f"script {self.script} needs what to ask for: give the keys under `{self.script}`")
        return self
