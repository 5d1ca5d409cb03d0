"""`python -m unveil` is the command `unveil`."""

from __future__ import annotations

from unveil.cli import main

if __name__ == "__main__":
    main()
