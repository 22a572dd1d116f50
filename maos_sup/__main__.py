"""`python -m maos_sup`: the command line; `supervise DIR` reaches the supervisor without importing click."""

import sys

from maos_sup.cli import main

if __name__ == "__main__":
    sys.exit(main())
