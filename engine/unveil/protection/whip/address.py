"""The address of a WHIP endpoint: which ones are taken, and what may be shown of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final

from unveil.errors import InvalidParameter

# Strict, so that no other parser of addresses finds another host in it.
_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\s\x00-\x20/?#@\\:\[\]%]+)"
    r"(?::(?P<port>\d{1,5}))?(?P<path>/[^\s\\?#]*)?(?P<query>\?[^\s\\#]*)?(?:#\S*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class WhipAddress:
    """A checked address.

    Attributes
    ----------
    url
        The whole of it, without a fragment; its path or query may be secret.
    host
        Host, and port where one is named: all that messages and reports show.
    """

    url: str = field(repr=False)
    host: str


def whip_address(text: str) -> WhipAddress:
    """Check the address of a WHIP endpoint.

    Raises
    ------
    InvalidParameter
        It is no http or https address, has a user or password, or is http to a public host. The
        message does not repeat it.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        if re.match(r"(?i)https?://[^/?#]*@", text):
            raise InvalidParameter(
                "WHIP address: has a user or password; leave it out, and give the token by "
                "--token-file or UNVEIL_WHIP_TOKEN"
            )
        raise InvalidParameter(
            "WHIP address: is no web address; write https, host and path (for Galene the path is "
            "/group/NAME/.whip)"
        )
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    if port is not None and not 0 < int(port) < 65536:
        raise InvalidParameter(f"WHIP address: port {port} is outside 1 to 65535")
    if not _is_host(host):
        raise InvalidParameter(
            "WHIP address: the host is neither a name nor an address; correct it"
        )
    shown = host if port is None else f"{host}:{port}"
    if scheme == "http" and not _is_own_network(host):
        raise InvalidParameter(
            f"WHIP address: http to {shown} would send token and video's keys unencrypted; use "
            "https (http is for this computer and private networks)"
        )
    path, query = match["path"] or "/", match["query"] or ""
    return WhipAddress(f"{scheme}://{shown}{path}{query}", shown)


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return isinstance(ip_address(host.strip("[]")), IPv6Address)
        except ValueError:
            return False
    try:
        return len(host.encode("idna")) <= 253
    except UnicodeError:  # an empty label, or one that is too long
        return False


def _is_own_network(host: str) -> bool:
    """Whether a host is this computer, or a literal address that is private or for tests."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_private or address.is_link_local
