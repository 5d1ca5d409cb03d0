"""The file that gets the report of a protected video, beside the video."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

from unveil.errors import OutputExists, OutputUnwritable
from unveil.files import is_there, refuse_unwritable_name, write_json
from unveil.protection.sinks import Output
from unveil.redaction import printable


def report_file(output: Output, *, force: bool) -> Path | None:
    """Choose the file for an output's report; None for a pipe and a camera.

    It is NAME.report.json for NAME.mp4, or NAME.mp4.report.json where the former is the report of
    another output, such as NAME.webm, or any other file. A report tells by its `output.name`
    whose it is. The report of another output is never replaced.

    Raises
    ------
    OutputExists
        The output's own earlier report is there and `force` is not set, or both names are taken.
    OutputUnwritable
        The name is too long, or no file's.
    """
    if not output.has_report:
        return None
    candidates = [
        output.path.with_name(f"{stem}.report.json") for stem in (output.label, output.path.name)
    ]
    own = next((path for path in candidates if _belongs(path, output)), None)
    if own is not None and not force:
        raise OutputExists(
            f"{printable(str(own))}: exists, the report of an earlier {output.file_name}; choose "
            "another name, or --force to replace it"
        )
    chosen = own or next((path for path in candidates if not is_there(path)), None)
    if chosen is None:
        raise OutputExists(
            f"{printable(str(candidates[-1]))}: exists, and is no report of {output.file_name}; "
            "choose another name for the output"
        )
    refuse_unwritable_name(chosen)
    return chosen


def write_report(output: Output, report: dict[str, Any]) -> None:
    """Write the report of an output that is complete.

    Raises
    ------
    OutputExists, OutputUnwritable
        It cannot be written; an earlier output's report is then removed.
    """
    # Chosen again: another run may have taken the name meanwhile.
    path = report_file(output, force=True)
    if path is None:
        return
    try:
        write_json(path, report)
    except OutputUnwritable:
        path.unlink(missing_ok=True)  # it would tell of an output that is no more
        raise


def _belongs(path: Path, output: Output) -> bool:
    """Whether a file is the report of an output of this name."""
    try:
        name = json.loads(path.read_bytes())["output"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return isinstance(name, str) and PurePath(name).name == output.file_name
