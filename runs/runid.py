"""Run ids: they sort by time and name their recipe."""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

PATTERN = re.compile(r"\d{8}-\d{6}-[a-z0-9-]+-[0-9a-f]{4}")


class UnknownRunError(Exception):
    """No run, or more than one, answers to a reference; the text says which there are."""


def new(name: str, now: datetime | None = None) -> str:
    """Make an id such as 20261123-142207-vllm-a3f9 (UTC, recipe name, four random hex digits)."""
    return f"{(now or datetime.now(UTC)).strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


def find(root: Path, reference: str) -> Path:
    """Return the run directory that `reference` names: an id, a unique prefix, a path, or `last`.

    Raises UnknownRunError.
    """
    as_path = Path(reference)
    if (as_path / "run.json").is_file():
        return as_path.resolve()
    runs = listing(root)
    if reference == "last":
        if runs:
            return runs[-1]
        raise UnknownRunError(f"there is no run in {root}: start one with `dashcam run RECIPE`, or name it with --root")
    matches = [run for run in runs if run.name == reference] or [run for run in runs if run.name.startswith(reference)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownRunError(f"{reference!r} fits {len(matches)} runs: {', '.join(run.name for run in matches[-5:])}")
    raise UnknownRunError(
        f"no run {reference!r} in {root}: `dashcam list` shows what is there, --root names another place"
    )


def listing(root: Path) -> list[Path]:
    """Return the run directories in `root`, oldest first."""
    if not root.is_dir():
        return []
    return sorted(
        path.resolve() for path in root.iterdir() if PATTERN.fullmatch(path.name) and (path / "run.json").is_file()
    )
