"""Programs of a run in images: which image, and what a program has around it there."""

import dataclasses
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apptainer.cache import VARIABLE, Cache, Sif, directory, version
from apptainer.image import Image, ImageError, find
from apptainer.runtime import Bind, Box, BoxError, command, prefix, strays, variables
from jobs import exposure, identity
from jobs.program import INSIDE, Program
from jobs.services.base import PlanError
from prometheus import replay
from prometheus.client import PrometheusError
from runs import atomic
from runs.directory import RunDirectory
from runs.manifest import ImageFile
from runs.recipe import Recipe
from runs.site import Paths

OLDEST = (1, 1)
"""The first release with --no-eval."""
_PASSED_IN = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TZ")
"""Variables of ours that a program in an image gets, too. Nothing else gets in but what the run tells it."""
_OF_NODE = ("CUDA_VISIBLE_DEVICES",)


@dataclass
class Containers:
    """Finds images and puts programs into them. `used`: the image of each program, for the manifest.

    `binds` are directories of the node that every program sees; those that are not there are left out.
    """

    run: RunDirectory
    scratch: Path
    cache: Cache
    binds: tuple[str, ...] = ()
    used: dict[str, ImageFile] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _own: dict[str, Path] = field(default_factory=dict)
    _program: str = ""

    @classmethod
    def of(cls, run: RunDirectory, recipe: Recipe, scratch: Path, paths: Paths) -> "Containers":
        """Take from the recipe, the site's profile and the environment where images are, and what is to be bound."""
        asked = map(str, recipe.binds) if recipe.binds else map(_expanded, paths.binds)
        return cls(run, scratch, Cache(place(recipe.images, paths)), tuple(path for path in asked if path))

    def service(self, name: str, kind: str | None, own: Path | None) -> Image:
        """Return the image of the service `name`: by its kind's, or a file of one's own. Raises PlanError."""
        if own is None and kind is None:
            raise PlanError(
                f"service {name}: its kind has no image: write `runtime: native`, or the path of a SIF file as `image`"
            )
        try:
            image = find(kind) if kind else _unnamed(name)
            if own is None:
                return _as_made(image, self.cache.get(image)[1])
        except ImageError as error:
            raise PlanError(f"service {name}: {error}") from error
        if not own.is_file():
            raise PlanError(f"service {name}: no image file {own}: give the path of a SIF file")
        key = f"{name}/own"
        self._own[key] = own
        return image.model_copy(update={"name": key, "digest": None, "unpinned": "a file of the recipe"})

    def there(self, name: str) -> Image | None:
        """Return the image of that name where the cache has it; None: it has not."""
        found = self.cache.check(find(name), thorough=False)
        return _as_made(found.image, found.sif) if found.state == "good" and found.sif else None

    def enclose(self, program: Program, gpus: int | None) -> Program:
        """Return the program as what starts it in its image; one without an image as it is. Raises PlanError."""
        if program.image is None:
            return program
        path = self._file(program)
        env = {name: self.environment[name] for name in _PASSED_IN if name in self.environment}
        # The box's own /tmp, on the node's disk.
        env |= {"TMPDIR": "/tmp", **program.env, identity.RUN_VARIABLE: self.run.id}  # noqa: S108 - inside
        env[identity.PROCESS_VARIABLE] = program.name
        try:
            shared = [Bind(path) for path in self.binds if Path(path).is_dir()]
            seen = exposure.of(self.run, self.scratch, program, shared)
            box = Box(
                root=str(self.scratch / exposure.BOXES / program.name),
                env_file=str(self.run.secret(f"{program.name}.env", variables(env, _OF_NODE))),
                binds=(*shared, *seen.binds, *self._reads(program, shared)),
                pwd=program.pwd,
                gpu=bool(gpus) and self._uses_gpu(program.image),
            )
            argv = command(self._apptainer(), str(path), program.argv, box)
            before = prefix(self._apptainer(), str(path), box)
        except (BoxError, ImageError) as error:
            raise PlanError(f"{program.name}: {error}") from error
        except OSError as error:
            raise PlanError(
                f"{program.name}: its files in {self.run.live} cannot be written: {error.strerror}"
            ) from error
        own = (str(self.scratch), str(self.scratch / exposure.BOXES), *seen.directories)
        made = ("mkdir", "-p", "-m", "700", *own, *box.directories)
        touched = (("touch", *box.files),) if box.files else ()
        return dataclasses.replace(
            program,
            argv=argv,
            env={},
            without=(*program.without, *strays(self.environment)),
            prepare=(made, *touched, *(tuple(_expand(words, before)) for words in program.prepare)),
            contained=True,
        )

    def _reads(self, program: Program, shared: Sequence[Bind]) -> list[Bind]:
        """Return what a program is to read beside its run, and where links in it lead to; all is read-only."""
        seen = [str(self.scratch), str(self.run.path), *(bind.source for bind in shared)]
        wanted = dict.fromkeys(each for path in program.reads for each in (path, *_linked(path)))
        reads = [path for path in wanted if not any(_below(path, place) for place in seen)]
        return [
            *(Bind(path, readonly=True, file=Path(path).is_file()) for path in reads),
            *(Bind(source, target, readonly=True) for source, target in program.binds),
        ]

    def _file(self, program: Program) -> Path:
        name = str(program.image)
        if own := self._own.get(name):
            self.used[program.name] = ImageFile(
                image=name, version="unknown", reference=str(own), path=str(own), size=own.stat().st_size
            )
            return own
        try:
            path, sif = self.cache.get(find(name))
        except ImageError as error:
            raise PlanError(f"{program.name}: {error}") from error
        told = sif.model_dump(include={"image", "version", "reference", "digest", "sha256", "size"})
        self.used[program.name] = ImageFile(**told, path=str(path))
        return path

    def _uses_gpu(self, name: str) -> bool:
        return name in self._own or find(name).gpu

    def _apptainer(self) -> str:
        if not self._program:
            found = shutil.which("apptainer", path=self.environment.get("PATH"))
            if found is None:
                raise ImageError("no program apptainer on PATH: load its module (site profile: modules), or install it")
            told = version(found)
            numbers = tuple(map(int, re.findall(r"\d+", told)[:2]))
            if numbers < OLDEST:
                raise ImageError(f"{found} is {told}, older than {OLDEST[0]}.{OLDEST[1]}: load a newer module")
            self._program = found
        return self._program


def place(asked: str | Path | None, paths: Paths) -> Path:
    """Return where image files are: as a recipe says, else $DASHCAM_IMAGES, the site's place, the user's cache."""
    return directory(asked, os.environ.get(VARIABLE), _expanded(paths.images))


def shared_scratch(paths: Paths) -> Path | None:
    """Return the site's scratch on its shared file system, where its profile names one."""
    found = _expanded(paths.scratch)
    return Path(found) if found else None


def offer_prometheus(images: str | Path | None = None) -> None:
    """Have recordings opened by the Prometheus of the image where PATH has none, as on clusters.

    `images`: where image files are; default: as `apptainer.cache.directory` says.
    """
    cache = Cache(directory(images))

    def words(home: Path) -> tuple[str, ...] | None:
        image, program = find("prometheus"), shutil.which("apptainer")
        if program is None or cache.check(image, thorough=False).state != "good":
            return None
        box = Box(root=str(home / "box"), env_file=str(home / "variables"), binds=(Bind(str(home)),))
        try:
            started = command(program, str(cache.path(image)), (image.program,), box)
        except BoxError as error:
            raise PrometheusError(f"the image of Prometheus cannot be used: {error}") from error
        for place in box.directories:
            Path(place).mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic.write(home / "variables", "", mode=0o600, sync=False)
        return ("env", *(part for name in strays(os.environ) for part in ("-u", name)), *started)

    replay.also(words)


def _as_made(image: Image, sif: Sif) -> Image:
    """Return the image with the release that its file has: flags and configuration files follow it."""
    return image.model_copy(update={"version": sif.version})


def _unnamed(name: str) -> Image:
    return Image(
        name=name, title="a file of one's own", source="localhost/own", tag="own", digest=None,
        unpinned="a file of the recipe", version="unknown", program="", gpu=True,
    )  # fmt: skip


def _expand(words: tuple[str, ...], before: tuple[str, ...]) -> list[str]:
    return [part for word in words for part in (before if word == INSIDE else (word,))]


def _expanded(path: str | None) -> str | None:
    """Return a path of a site's profile with the variables of this process in it; None where one is unknown."""
    found = os.path.expandvars(path) if path else ""
    return found if found and "$" not in found else None


def _linked(path: str) -> list[str]:
    """Return the directories that links in a directory lead to: a model hub's cache keeps files apart from names."""
    folder = Path(path)
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted({str(entry.resolve().parent) for entry in entries if entry.is_symlink()})


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
