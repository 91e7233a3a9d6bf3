"""On a node that a run leaves: `python -P -m jobs.leaving RUN_ID SCRATCH`.

What still carries the run's id is ended (a step whose daemon was killed leaves its program behind), and its scratch
directory goes.
"""

import shutil
import sys

from jobs import identity


def main(argv: list[str]) -> int:
    """Leave nothing; returns 1 where something could not be ended, which is said."""
    run_id, scratch = argv
    left = identity.kill_tagged(run_id)
    shutil.rmtree(scratch, ignore_errors=True)
    if left:
        print("still running:", ", ".join(f"{name} ({pid})" for pid, name in left), file=sys.stderr)  # noqa: T201
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
