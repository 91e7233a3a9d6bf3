"""Definition files (.def): read as Apptainer 1.3 does, and held against what this project asks of one.

Format: https://apptainer.org/docs/user/1.3/definition_files.html
"""

import importlib.resources
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from apptainer.image import Image, ImageError

_HEADER = re.compile(r"^([A-Za-z]\w*)\s*:\s*(.+)$")
_SECTION = re.compile(r"^%(\w+)(.*)$")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BOOTSTRAPS = {"docker": "docker://", "docker-archive": "", "oci-archive": "", "localimage": ""}
_SECTIONS = {"arguments", "environment", "files", "help", "labels", "post", "runscript", "startscript", "test", "setup"}
_SECRET = re.compile(r"(?i)\b\w*(password|passwd|token|secret|api_?key)\w*\s*=\s*['\"]?[^\s'\"$]")
_FETCH = re.compile(r"\b(curl|wget|git\s+clone)\b")


class DefinitionError(ImageError):
    """A definition file cannot be read; the text says where and why."""


@dataclass(frozen=True)
class Section:
    """One section: its lines, without those that are empty or a comment; each with its number in the file."""

    line: int
    arguments: str = ""
    lines: tuple[tuple[int, str], ...] = ()

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(line for _, line in self.lines)


@dataclass(frozen=True)
class Definition:
    """A definition of one stage."""

    header: Mapping[str, str]
    sections: Mapping[str, Section]
    variables: frozenset[str] = field(default=frozenset())
    """Names in {{ }} anywhere in the file."""

    @property
    def defaults(self) -> dict[str, str]:
        """Values that %arguments gives variables."""
        section = self.sections.get("arguments")
        pairs = (line.partition("=") for _, line in section.lines) if section else ()
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def needed(self) -> list[str]:
        """Variables without a default: each needs a --build-arg."""
        return sorted(self.variables - self.defaults.keys())


@dataclass
class _Reader:
    header: dict[str, str] = field(default_factory=dict)
    sections: dict[str, tuple[int, str, list[tuple[int, str]]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _lines: list[tuple[int, str]] | None = None

    def take(self, number: int, raw: str) -> None:
        line = raw.strip()
        if not line or line.startswith("#"):
            return
        if match := _SECTION.match(raw):
            self._begin(number, match[1], match[2].strip())
        elif self._lines is not None:
            self._lines.append((number, line))
        elif match := _HEADER.match(line):
            self._key(number, match[1], match[2].strip())
        else:
            self.wrong.append(f"line {number}: {line!r} is neither `Key: value` of the header nor in a section")

    def _begin(self, number: int, name: str, arguments: str) -> None:
        if name not in _SECTIONS:
            self.wrong.append(f"line {number}: no section %{name}: there are {', '.join(sorted(_SECTIONS))}")
        elif name in self.sections:
            self.wrong.append(f"line {number}: %{name} is there twice")
        self._lines = []
        self.sections[name] = (number, arguments, self._lines)

    def _key(self, number: int, key: str, value: str) -> None:
        if key.lower() in self.header:
            self.wrong.append(f"line {number}: {key} is there twice (one stage is all that is read here)")
        self.header[key.lower()] = value


def parse(text: str, source: str) -> Definition:
    """Read a definition. Raises DefinitionError with every line that is wrong."""
    reader = _Reader()
    for number, raw in enumerate(text.splitlines(), 1):
        reader.take(number, raw)
    if reader.wrong:
        raise DefinitionError("\n".join([f"{source}:", *(f"  {each}" for each in reader.wrong)]))
    sections = {name: Section(line, words, tuple(lines)) for name, (line, words, lines) in reader.sections.items()}
    return Definition(reader.header, sections, frozenset(_VARIABLE.findall(text)))


def check(definition: Definition, image: Image) -> Iterator[str]:
    """Yield what is wrong with the definition of an image, each with its line where it has one."""
    yield from _origin(definition, image)
    if "setup" in definition.sections:
        yield f"line {definition.sections['setup'].line}: %setup runs on the building machine, outside of the image"
    for needed in ("post", "runscript", "test", "labels", "help"):
        if needed not in definition.sections:
            yield f"%{needed} is missing"
    yield from _post(definition)
    runscript = definition.sections.get("runscript")
    if runscript and not any(line.startswith("exec ") for _, line in runscript.lines):
        yield f"line {runscript.line}: %runscript has no `exec`: signals would end at a shell"
    for section in definition.sections.values():
        for number, line in section.lines:
            if _SECRET.search(line):
                yield f"line {number}: looks like a secret, and an image is read by everybody"


def _origin(definition: Definition, image: Image) -> Iterator[str]:
    bootstrap, base = definition.header.get("bootstrap", ""), definition.header.get("from", "")
    if bootstrap not in _BOOTSTRAPS:
        yield f"Bootstrap: {bootstrap or 'missing'}: use one of {', '.join(_BOOTSTRAPS)}"
    if not base:
        yield "From: missing"
    elif image.digest and not base.endswith(f"@{image.digest}"):
        yield f"From: {base} is not pinned by the image's own digest {image.digest}"
    elif image.source.rpartition("/")[2] not in base:
        yield f"From: {base} is not the image's source {image.source}"


def _post(definition: Definition) -> Iterator[str]:
    post = definition.sections.get("post")
    if post is None:
        return
    if not any(line.startswith("set -e") for _, line in post.lines[:1]):
        yield f"line {post.line}: %post begins with `set -eu`, so that a step that failed ends the build"
    for number, line in post.lines:
        if _FETCH.search(line) and "sha256sum" not in post.text:
            yield f"line {number}: what is fetched is not checked by sha256sum"
        if re.search(r"\bpip3? install\b", line) and not re.search(r"--require-hashes|--no-deps", line):
            yield f"line {number}: pip without --require-hashes (or --no-deps for our own wheel)"


def load(image: Image) -> Definition:
    """Return the definition of an image. Raises DefinitionError, ImageError."""
    if image.definition is None:
        raise ImageError(f"image {image.name} is taken as upstream gives it: `dashcam images pull {image.name}`")
    return parse(text(image), f"apptainer/definitions/{image.definition}")


def text(image: Image) -> str:
    """Return the definition file of an image that has one. Raises ImageError."""
    file = importlib.resources.files("apptainer") / "definitions" / str(image.definition)
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ImageError(f"apptainer/definitions/{image.definition} cannot be read: {error.strerror}") from error
