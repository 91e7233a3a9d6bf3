"""`python -m exporters NAME...`."""

import sys

from exporters.cli import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
