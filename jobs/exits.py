"""Exit codes: what a run that ended stands for, told by the supervisor and by the command line alike."""

from runs.manifest import Manifest

VALID, FAILED, USAGE, INVALID, INTERRUPTED = 0, 1, 2, 3, 130


def of(manifest: Manifest) -> int:
    """Return the exit code that an ended run stands for."""
    if manifest.ending == "cancelled":
        return INTERRUPTED
    if manifest.ending != "completed" or manifest.verdict is None:
        return FAILED
    return VALID if manifest.verdict.valid else INVALID
