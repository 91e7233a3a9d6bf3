"""The runs of a sweep: told by their manifests, since some may be on other nodes, waiting, or refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runs import runid
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError, Place
from runs.runid import UnknownRunError
from runs.variants import Variant


@dataclass(frozen=True)
class Member:
    """A run of a sweep."""

    run: RunDirectory
    manifest: Manifest
    place: Place


@dataclass(frozen=True)
class Sweep:
    """The runs that there are of a sweep, in its order, and how many were asked for."""

    id: str
    of: int
    members: tuple[Member, ...]

    @property
    def missing(self) -> list[int]:
        """Numbers of the runs that were never made."""
        there = {member.place.number for member in self.members}
        return [number for number in range(1, self.of + 1) if number not in there]


def plan(variants: Sequence[Variant]) -> list[Place | None]:
    """Return where each run stands in the sweep that a recipe asks for; None: it asks for one run and no sweep.

    The runs' ids are the sweep's with their numbers behind.
    """
    if len(variants) == 1 and not variants[0].values:
        return [None]
    sweep = runid.new(variants[0].recipe.name)
    return [
        Place(id=sweep, number=number, of=len(variants), values=variant.values, repeat=variant.repeat)
        for number, variant in enumerate(variants, 1)
    ]


def run_id(place: Place) -> str:
    """Return the id of a run of a sweep."""
    return f"{place.id}-{place.number:04}"


def find(root: Path, reference: str) -> Sweep:
    """Return the sweep that an id, a unique prefix, a run of it, or `last` names. Raises UnknownRunError."""
    found: dict[str, list[Member]] = {}
    for path in runid.listing(root):
        run = RunDirectory(path)
        try:
            manifest = Manifest.load(run.manifest)
        except ManifestError:
            continue
        if manifest.sweep is not None:
            found.setdefault(manifest.sweep.id, []).append(Member(run, manifest, manifest.sweep))
    if reference == "last" and found:
        chosen = [max(found)]
    else:
        name = Path(reference).name
        chosen = [key for key in found if name == key or any(name == member.run.id for member in found[key])]
        chosen = chosen or [key for key in found if key.startswith(name)]
    if len(chosen) == 1:
        members = sorted(found[chosen[0]], key=lambda member: member.place.number)
        return Sweep(chosen[0], members[0].place.of, tuple(members))
    if chosen:
        raise UnknownRunError(f"{reference!r} fits {len(chosen)} sweeps: {', '.join(chosen[-5:])}")
    there = f"there are {', '.join(sorted(found)[-5:])}" if found else "there is none"
    raise UnknownRunError(f"no sweep {reference!r} in {root}: {there}; --root names another place")
