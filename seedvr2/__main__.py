"""`python -m seedvr2`."""

import sys

from seedvr2.cli import main

if __name__ == "__main__":
    sys.exit(main())
