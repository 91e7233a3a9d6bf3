"""The images that dashcam knows: one YAML file each in `apptainer/images/`, found by being there.

A digest is never made up: it is stated alike by public files of others (`stated_by` tells how many were found), or it
is null and `unpinned` says why.
"""

import importlib.resources
from functools import cache
from typing import Self

import yaml
from pydantic import Field, ValidationError, model_validator

from runs.strict import Strict

_DIGEST = r"^sha256:[0-9a-f]{64}$"


class ImageError(Exception):
    """An image is unknown, cannot be had, or is not what it should be; the text says which, why, and the mend."""


class Image(Strict):
    """One image: where it comes from, and where its program is inside."""

    name: str = Field("", description="the file's name")
    title: str
    source: str = Field(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+$", description="registry and repository")
    tag: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
    digest: str | None = Field(pattern=_DIGEST, description="of the manifest list, or of the manifest for amd64")
    stated_by: int = Field(0, ge=0, description="public files that were found to state this digest for this tag")
    unpinned: str = Field("", description="why there is no digest")
    version: str = Field(description="release of the program")
    program: str = Field(description="its path inside, or its name where the image's PATH has it")
    home: str | None = Field(None, description="directory inside that the program's own files are in")
    gpu: bool = Field(False, description="uses GPUs where the node has them")
    definition: str | None = Field(None, description="file in apptainer/definitions/: built from `source`, not pulled")

    @model_validator(mode="after")
    def _honest(self) -> Self:
        if self.digest is None and not self.unpinned:
            raise ValueError("without a digest, `unpinned` says why")
        if self.digest is not None and (self.unpinned or not self.stated_by):
            raise ValueError("a digest needs `stated_by`, how many public files state it, and no `unpinned`")
        if self.tag == "latest":
            raise ValueError("`latest` is another image every week: name a release")
        return self

    @property
    def reference(self) -> str:
        """What `apptainer pull` is given. With a digest there is no tag: both together are refused."""
        return f"docker://{self.source}@{self.digest}" if self.digest else f"docker://{self.source}:{self.tag}"

    @property
    def file(self) -> str:
        """Name of its SIF in the cache: another tag or another digest is another file."""
        mark = self.digest.removeprefix("sha256:")[:12] if self.digest else "unpinned"
        return f"{self.name}-{self.tag}-{mark}.sif"


@cache
def images() -> dict[str, Image]:
    """Return every image by its name. Raises ImageError with all that is wrong."""
    found: dict[str, Image] = {}
    wrong: list[str] = []
    folder = importlib.resources.files("apptainer") / "images"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".yaml"):
            continue
        name = file.name.removesuffix(".yaml")
        try:
            found[name] = parse(name, file.read_text(encoding="utf-8"))
        except ImageError as error:
            wrong.append(str(error))
    if wrong:
        raise ImageError("\n".join(wrong))
    return found


def parse(name: str, text: str) -> Image:
    """Read the file of one image. Raises ImageError."""
    try:
        return Image.model_validate({**yaml.safe_load(text), "name": name})
    except (yaml.YAMLError, TypeError) as error:
        raise ImageError(f"apptainer/images/{name}.yaml cannot be read: {error}") from error
    except ValidationError as error:
        lines = (f"  {'.'.join(map(str, item['loc'])) or 'it'}: {item['msg']}" for item in error.errors())
        raise ImageError("\n".join([f"apptainer/images/{name}.yaml cannot be used:", *lines])) from error


def find(name: str) -> Image:
    """Return the image of that name. Raises ImageError."""
    known = images()
    if name not in known:
        raise ImageError(f"no image {name!r}: there are {', '.join(known)}")
    return known[name]
