"""The program: `python -m unveil`, and the command `unveil`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C prints no traceback even while it is being loaded."""
    try:
        from unveil.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
