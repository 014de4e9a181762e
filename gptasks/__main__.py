"""`python -m gptasks`."""

import sys

from gptasks.cli import main

if __name__ == "__main__":
    sys.exit(main())
