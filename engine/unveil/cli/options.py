"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import typer

from unveil.errors import InvalidParameter
from unveil.recovery.parameters import Parameters

DEFAULTS: Final = Parameters()
"""Defaults of a recovery."""

Input = Annotated[str, typer.Argument(metavar="INPUT", help="A recorded call.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output instead of a table.")
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", show_default="all cores", help="Threads for decoding and counting."),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="TIME",
        show_default="0",
        help="Start of the part to read: seconds or h:mm:ss.",
    ),
]
End = Annotated[
    str | None,
    typer.Option(
        "--end",
        metavar="TIME",
        show_default="the end",
        help="End of the part to read: seconds or h:mm:ss.",
    ),
]
Stream = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="the default one",
        help="Read the N-th video stream, from 0; cover pictures do not count.",
    ),
]
CropOption = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="W:H:X:Y",
        show_default="the whole picture",
        help="Read this part of the displayed picture: width, height and upper left pixel, rounded "
        "down to whole chroma samples; without X and Y the middle.",
    ),
]
Stride = Annotated[int, typer.Option(metavar="N", help="Read every N-th frame.")]
# Repeated here, because the modules that define them import slowly.
Model = Literal["lite", "full", "heavy", "selfie", "selfie-landscape"]
LiveModel = Literal["auto", "lite", "full", "heavy", "selfie", "selfie-landscape"]
ProtectModel = Literal["auto", "agreeing", "lite", "full", "heavy", "selfie", "selfie-landscape"]


def place(text: str) -> tuple[int, int]:
    """Parse X,Y."""
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", text)
    if match is None:
        raise InvalidParameter(f"at: {text!r} is not X,Y, two whole numbers such as 320,180")
    return int(match[1]), int(match[2])


_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


def n_bytes(name: str, text: str | None) -> int | None:
    """Parse a number of bytes: 2000000000, 1500M, 2G or 2GiB, in powers of 1024."""
    if text is None:
        return None
    match = _BYTES.fullmatch(text.strip())
    if match is None or not (parsed := int(float(match[1]) * 1024 ** " KMGT".index(_unit(match)))):
        raise InvalidParameter(f"{name}: {text!r} is not a size; write bytes, 1500M or 2G")
    return parsed


def _unit(match: re.Match[str]) -> str:
    return match[2].upper() or " "


def seconds(name: str, text: str | None) -> float | None:
    """Parse seconds, m:ss or h:mm:ss; `name` is the option's, for the error."""
    if text is None:
        return None
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if match is None:
        raise InvalidParameter(
            f"{name}: {text!r} is not a time; write seconds (90.5) or h:mm:ss (0:01:30.5)"
        )
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3])
