"""Removal of what a killed process has left: temporary files that no process will complete."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

TEMPORARY: Final = re.compile(r"\..*\.[0-9a-z_]{8}\.part(\.[^.]*)?", re.DOTALL)
"""Names of the temporary files and folders of `unveil.files.Replacement` and `Staging`."""


def remove_temporaries(folder: Path) -> None:
    """Remove temporary files and folders of `unveil.files` from a folder.

    No process may be writing into it. What cannot be removed stays.
    """
    try:
        left = [path for path in folder.iterdir() if TEMPORARY.fullmatch(path.name)]
    except OSError:  # no such folder
        return
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
