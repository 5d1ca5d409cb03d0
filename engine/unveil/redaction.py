"""Descriptions of inputs and outputs that are safe to share: one line, without secrets.

Reports, messages, log lines and names of folders leave the machine. Addresses hold passwords,
tokens, signatures and stream keys, and paths hold names of people. Whatever is stored or shown
about a source comes from this module.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import Final
from urllib.parse import quote, unquote

HIDDEN: Final = "..."
"""Stands for what an address has in a place that is not shown."""

# FFmpeg's nested protocols ("cache:https://...") belong to the address; so do brackets of IPv6.
_ADDRESS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.,-]*(?::[A-Za-z][A-Za-z0-9+.,-]*)*):(?P<slashes>//)"
    r"(?P<rest>[^\s'\"<>`]*)"
)
_TRAILING: Final = ":;,.!)]"
"""Punctuation of the sentence around an address, not part of it."""

_HOST: Final = re.compile(r"(?:[\w.~%-]*|\[[0-9A-Fa-f:.%\w]*\])(?::\d*)?")
_NAME_END: Final = re.compile(r"[?#;&]")
"""What follows is a query, a fragment or a parameter; also where it was percent-encoded."""

_MAX_ENCODINGS: Final = 3
"""An address that is a part of another one is encoded twice."""

_SHOWN_AS_IS: Final = "+,=@()!*~'"

_KEYED: Final = re.compile(r"(?i)rtmp|whip")
"""The last part of such an address is, or may be, the stream's key."""


def printable(text: str) -> str:
    """Escape characters that break a line or cannot be encoded; file names may have any."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def address_name(address: str) -> str:
    """Return the last name in an address's path, decoded; empty where there is none to show."""
    match = _parts(address)
    if match is None or _KEYED.search(match["scheme"]):
        return ""
    path = re.split(r"[?#]", match["rest"], maxsplit=1)[0].partition("/")[2]
    name = path.rstrip("/").rpartition("/")[2]
    for _ in range(_MAX_ENCODINGS):
        name = unquote(name)
    return printable(_NAME_END.split(name, maxsplit=1)[0].rpartition("/")[2])


def address_host(address: str) -> str:
    """Return host and port of an address, without user and password."""
    match = _parts(address)
    if match is None:
        return ""
    authority = re.split(r"[/?#]", match["rest"], maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    # No host and port: the rest of a password that has a slash or a question mark.
    return host if _HOST.fullmatch(host) else HIDDEN


def described_address(address: str) -> str:
    """Describe an address by its scheme, its host and the last name of its path.

    User, password, folders, query and fragment are left out. A description describes itself.
    """
    match = _parts(address)
    if match is None:
        return printable(address)
    described = f"{match['scheme']}://{address_host(address)}"
    name = quote(address_name(address), safe=_SHOWN_AS_IS)
    if not name:
        return described
    folders = match["rest"].split("?", 1)[0].strip("/").count("/") > 1
    return f"{described}/{HIDDEN}/{name}" if folders else f"{described}/{name}"


def redacted(text: str) -> str:
    """Replace every address in a text by its description; the rest stays as it is."""

    def description(match: re.Match[str]) -> str:
        address = match[0].rstrip(_TRAILING)
        return described_address(address) + match[0][len(address) :]

    return _ADDRESS.sub(description, text)


def described(argument: str | os.PathLike[str]) -> str:
    """Describe what a user named, an address or a path, in one line; a path stays whole.

    For messages to the user who named it.
    """
    text = os.fspath(argument)
    match = _ADDRESS.search(text)
    if match is None:
        return printable(text)
    return printable(text[: match.start()]) + described_address(text[match.start() :])


def file_name(argument: str | os.PathLike[str]) -> str:
    """Name a file without its folder, or describe an address; for what is stored."""
    text = os.fspath(argument)
    if _ADDRESS.search(text):
        return described(text)
    return printable(PurePath(text).name or text)


def _parts(address: str) -> re.Match[str] | None:
    """Take an address apart; one that is given alone may have spaces and quotes."""
    return _ADDRESS.match(re.sub(r"[\s'\"<>`]", "_", address.strip()))
