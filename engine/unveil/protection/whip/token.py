"""Secret tokens, from a file or the environment and never from a command line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from unveil.errors import InvalidParameter, MissingInput
from unveil.redaction import described

VARIABLE: Final = "UNVEIL_WHIP_TOKEN"
"""Environment variable that holds the token of a WHIP server."""

_MAX_BYTES: Final = 16384
_TOKEN: Final = re.compile(r"[!-~]+")


def read_token(
    token_file: str | os.PathLike[str] | None = None, variable: str | None = VARIABLE
) -> str | None:
    """Read a token from a file, or else from an environment variable; None if there is neither.

    Messages do not repeat it.

    Raises
    ------
    MissingInput
        The file cannot be read.
    InvalidParameter
        It is empty, too long, or has characters that no token has.
    """
    if token_file is None:
        if variable is None or not (text := os.environ.get(variable, "")):
            return None
        return _checked(text, variable)
    name = described(token_file)
    try:
        with Path(token_file).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise MissingInput(f"{name}: the token cannot be read ({reason})") from error
    if len(content) > _MAX_BYTES:
        raise InvalidParameter(f"{name}: is too long for a token; it holds nothing else")
    return _checked(content.decode("utf-8-sig", errors="replace"), name)


def _checked(text: str, name: str) -> str:
    token = text.strip()
    if not token:
        raise InvalidParameter(f"{name}: is empty; it holds the token alone")
    if _TOKEN.fullmatch(token) is None:
        raise InvalidParameter(
            f"{name}: is no token, which is one line of letters, digits and signs without spaces"
        )
    return token
