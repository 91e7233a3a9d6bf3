"""A directory of SIF files, shared by a project or copied to a machine without a network.

Beside each `X.sif` lies `X.sif.json`: what it was made of, its size and its SHA-256, by which a copy is verified.
"""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from apptainer.image import Image, ImageError
from runs import atomic

VARIABLE = "DASHCAM_IMAGES"
State = Literal["good", "missing", "damaged", "unknown", "other"]
_CHUNK = 1 << 22


class Sif(BaseModel):
    """What is known of a SIF file. `size` in bytes; `sha256` is that of the file, `digest` that of its source."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image: str
    reference: str
    digest: str | None
    version: str
    size: int
    sha256: str
    apptainer: str
    made: datetime


@dataclass(frozen=True)
class Check:
    """How an image stands in a cache. `detail` tells what is wrong, with the mend."""

    image: Image
    path: Path
    state: State
    detail: str = ""
    sif: Sif | None = None


def directory(*asked: str | Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the first place that is given: `asked` in turn, then $DASHCAM_IMAGES, then the user's cache."""
    home = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME') or '~'}/.cache"
    places = (*asked, environment.get(VARIABLE), Path(home) / "dashcam" / "images")
    return Path(next(str(place) for place in places if place)).expanduser().absolute()


@dataclass(frozen=True)
class Cache:
    """One such directory."""

    root: Path

    def path(self, image: Image) -> Path:
        """Return where the image's file is, or would be."""
        return self.root / image.file

    def get(self, image: Image) -> tuple[Path, Sif]:
        """Return an image's file and what is known of it, by its size only. Raises ImageError with the mend."""
        found = self.check(image, thorough=False)
        if found.sif is None or found.state != "good":
            raise ImageError(f"image {image.name}: {found.detail}")
        return found.path, found.sif

    def check(self, image: Image, *, thorough: bool = True) -> Check:
        """Hold an image's file against its record and its pin; `thorough`: by its SHA-256, which takes its time."""
        path, verb = self.path(image), "build" if image.definition else "pull"
        mend = f"`dashcam images {verb} {image.name} --images {self.root}` where there is a network"
        if not path.is_file():
            return Check(image, path, "missing", f"{path} is not there: {mend}")
        try:
            sif = Sif.model_validate_json(_record(path).read_bytes())
        except (OSError, ValidationError):
            return Check(image, path, "unknown", f"{_record(path)} is not there or no record: copy it too, or {mend}")
        if sif.image != image.name or sif.digest != image.digest:
            return Check(image, path, "other", f"{path} was made of {sif.reference}: remove it, then {mend}", sif)
        size = path.stat().st_size
        if size != sif.size:
            return Check(image, path, "damaged", f"{path} has {size} bytes of {sif.size}: copy it anew, or {mend}", sif)
        if thorough and sha256(path) != sif.sha256:
            return Check(image, path, "damaged", f"{path} is not what was made: copy it anew, or {mend}", sif)
        return Check(image, path, "good", "", sif)

    def pull(self, image: Image, apptainer: str) -> Sif:
        """Fetch an image that is taken as upstream gives it. Raises ImageError."""
        if image.definition:
            raise ImageError(f"image {image.name} is built, not pulled: `dashcam images build {image.name}`")
        return self._make(
            image, apptainer, lambda out: [apptainer, "pull", "--disable-cache", str(out), image.reference]
        )

    def build(
        self, image: Image, apptainer: str, definition: Path, values: Mapping[str, str], *, fakeroot: bool = False
    ) -> Sif:
        """Build an image of its definition, whose relative paths start in the working directory. Raises ImageError."""
        words = [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]
        more = ["--fakeroot"] if fakeroot else []
        return self._make(image, apptainer, lambda out: [apptainer, "build", *more, *words, str(out), str(definition)])

    def _make(self, image: Image, apptainer: str, command: Callable[[Path], list[str]]) -> Sif:
        path = self.path(image)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(command(temporary), check=False, stdin=subprocess.DEVNULL)
            if done.returncode != 0 or not temporary.is_file():
                raise ImageError(
                    f"image {image.name}: `{' '.join(command(path))}` ended with {done.returncode}: its own words are "
                    "above; it needs a network, and room in $APPTAINER_TMPDIR or /tmp"
                )
            # Who may write into the directory may replace its files, and nobody else.
            temporary.chmod(0o664 if self.root.stat().st_mode & 0o020 else 0o644)
            sif = Sif(
                image=image.name,
                reference=image.reference,
                digest=image.digest,
                version=image.version,
                size=temporary.stat().st_size,
                sha256=sha256(temporary),
                apptainer=version(apptainer),
                made=datetime.now(UTC).replace(microsecond=0),
            )
            temporary.replace(path)
            atomic.write(_record(path), sif.model_dump_json(indent=2) + "\n", mode=path.stat().st_mode & 0o777)
        except OSError as error:
            place = error.filename or self.root
            raise ImageError(
                f"image {image.name}: {place}: {error.strerror}; choose another place by --images"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return sif

    def strangers(self, known: Sequence[Image]) -> Iterator[Path]:
        """Yield SIF files that belong to no image of this release: older ones, mostly."""
        ours = {image.file for image in known}
        for path in sorted(self.root.glob("*.sif")):
            if path.name not in ours:
                yield path


def version(apptainer: str) -> str:
    """Return what `apptainer --version` says, as 1.3.6. Raises ImageError."""
    try:
        done = subprocess.run([apptainer, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(
            f"{apptainer} cannot be run: {error}; load its module (on MeluXina Apptainer/1.3.6-GCCcore-13.3.0)"
        ) from error
    return done.stdout.strip().rpartition(" ")[2] or "unknown"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
