"""Exit codes: what a run that ended stands for, told by the supervisor and by the command line alike."""

from runs.directory import RunDirectory
from runs.manifest import Ending, Manifest

VALID, FAILED, USAGE, INVALID, INTERRUPTED = 0, 1, 2, 3, 130
UNWRITABLE = 74
"""Of a supervisor that could not write its run directory any more, nor thus tell why (EX_IOERR of sysexits.h)."""


def of(manifest: Manifest) -> int:
    """Return the exit code that an ended run stands for."""
    if manifest.ending == "cancelled":
        return INTERRUPTED
    if manifest.ending != "completed" or manifest.verdict is None:
        return FAILED
    return VALID if manifest.verdict.valid else INVALID


def unsealed(run: RunDirectory, code: int) -> tuple[Ending, str]:
    """Return how a run ended whose supervisor ended with `code` (negative: by that signal) before the seal, and why."""
    if code == UNWRITABLE:
        why, mend = "a full disk, or a quota or limit that is used up", "free some space or choose another place"
        return "failed", f"{run.path} could not be written: {why}; {mend} with --root"
    how = f"ended with {code}" if code >= 0 else f"was killed (signal {-code})"
    return "abandoned", f"the supervisor {how}"
