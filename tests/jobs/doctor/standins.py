"""Programs that no machine of ours has, or that must answer as a site's would: small shell scripts on a PATH."""

from pathlib import Path

from jobs.doctor.base import Context
from runs import document, reader, site
from runs.recipe import Strict


class Anything(Strict):
    """Options of a made-up kind."""

    model_config = Strict.model_config | {"extra": "allow"}


CATALOG = reader.Catalog(
    {"command": Anything, "pgvector": Anything}, {"openai": Anything, "k6": Anything},
    ("node", "cgroup", "process", "gpu", "lustre"),
)  # fmt: skip
REST = "services: {llm: {kind: command}}\nload: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"


def recipe(*sets):
    """Make a recipe with some values of its own."""
    return reader.check(document.parse(f"name: job\n{REST}", "r", sets), CATALOG)[0]


def put(folder: Path, **programs: str):
    """Put scripts into a folder; a_b stands for a-b, and a__b for a_b."""
    for name, body in programs.items():
        path = folder / name.replace("__", "%").replace("_", "-").replace("%", "_")
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)


def context(tmp_path, where="here", profile="generic-slurm", asked=None):
    """Make a context of folders that are there."""
    for name in ("scratch", "shared", "root"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    found = site.load(profile) if isinstance(profile, str) else profile
    return Context(found, asked, tmp_path / "root", where, tmp_path / "scratch", tmp_path / "shared")


def lines(check, *arguments, **keywords):
    """Return what a check says, by what each line is about."""
    found = list(check.look(context(*arguments, **keywords)))
    return {line.what: line for line in found}
