"""`python -m loadtests PLAN.json`."""

import sys

from loadtests.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
