"""A site profile: what is to be known of a cluster, from `sites/` or from a file of one's own."""

import importlib.resources
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from runs.strict import Name, Strict

DEFAULT = "generic-slurm"


class SiteError(Exception):
    """There is no such profile, or it cannot be used; the text says all that is wrong with it."""


class Login(Strict):
    """The host that people reach by ssh. `jump`: it lets them go on to a node on which they have a job."""

    host: str = Field(min_length=1, pattern=r"^[^-\s][^\s@]*$")
    port: int = Field(22, ge=1, le=65535)
    user: str | None = Field(
        None, min_length=1, pattern=r"^[^-\s][^\s@]*$", description="default: the user's name here"
    )
    jump: bool = True


class Site(Strict):
    """One cluster."""

    name: Name
    login: Login | None = None


def load(which: str) -> Site:
    """Return the profile of that name, or that file's. Raises SiteError."""
    path = Path(which)
    if path.suffix in {".yaml", ".yml"} or "/" in which:
        try:
            return parse(path.read_text(encoding="utf-8"), which)
        except (OSError, UnicodeDecodeError) as error:
            raise SiteError(f"the site profile {which} cannot be read: {error}") from error
    known = names()
    if which not in known:
        raise SiteError(f"no site profile {which!r}: there are {', '.join(known)}; or give the path of a YAML file")
    file = importlib.resources.files("sites") / f"{which}.yaml"
    return parse(file.read_text(encoding="utf-8"), f"sites/{which}.yaml")


def names() -> list[str]:
    """Return the names of the profiles that come with dashcam."""
    files = importlib.resources.files("sites").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def parse(text: str, source: str) -> Site:
    """Read a profile. Raises SiteError."""
    try:
        return Site.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise SiteError(f"the site profile {source} is not valid YAML: {error}") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'it'}: {item['msg']}" for item in error.errors()]
        raise SiteError("\n".join([f"the site profile {source} cannot be used:", *lines])) from error
