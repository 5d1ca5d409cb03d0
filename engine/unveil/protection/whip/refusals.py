"""What the answers of a WHIP endpoint mean, in plain words."""

from __future__ import annotations

from typing import Final

from unveil.errors import OutputUnwritable


class PublishingFailed(OutputUnwritable):
    """Publishing failed, or was refused.

    Attributes
    ----------
    retry_after_seconds
        Time after which to try again; None if that is of no use.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


MAX_RETRY_AFTER_SECONDS: Final = 60.0

_MEANINGS: Final = {
    400: "does not understand the offer; check that the address is a WHIP endpoint",
    401: "the token has expired or is not accepted; get a new one",
    403: "the token does not permit to publish there; check what it is for",
    404: (
        "knows no such place, or the token does not belong to it; check the address and the token "
        "(Galene: the group's name, /group/NAME/.whip)"
    ),
    405: (
        "takes no video at this address; it must be the WHIP endpoint (Galene: /group/NAME/.whip, "
        "not the group's page)"
    ),
    406: "takes no offer at this address; it must be a WHIP endpoint",
    409: "has a publisher at this address already; end the other one",
    410: "the place is closed; check the address",
    413: "the offer is too long for it; check that the address is a WHIP endpoint",
    415: "takes no offer at this address; it must be a WHIP endpoint",
    422: "cannot use the offer; it may allow neither VP8 nor H.264",
    429: "too many attempts; wait a little",
    500: "failed on the offer; its log says why, often a codec that it does not allow",
    502: "the server behind it does not answer",
    503: "is not available now",
    504: "the server behind it does not answer",
}

_WITHOUT_TOKEN: Final = {
    401: "wants a token; give one by --token-file or UNVEIL_WHIP_TOKEN",
    403: "wants a token; give one by --token-file or UNVEIL_WHIP_TOKEN",
    404: "knows no such place; check the address (Galene: the group's name, /group/NAME/.whip)",
}

_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 that pass: a server may hold a lost session for a while."""


def refused(
    host: str, status: int, *, with_token: bool, retry_after: str | None = None
) -> PublishingFailed:
    """Make the error for an answer that is not 201.

    Parameters
    ----------
    host
        What to call the server.
    status
        Status of the answer.
    with_token
        Whether a token was sent.
    retry_after
        The header of this name, in seconds.
    """
    meaning = None if with_token else _WITHOUT_TOKEN.get(status)
    meaning = meaning or _MEANINGS.get(status)
    if meaning is None:
        if 300 <= status < 400:
            meaning = "redirects in a way that WHIP does not have; use the address it leads to"
        elif status < 400:
            meaning = "does not answer as a WHIP endpoint does; check the address"
        elif status < 500:
            meaning = "refuses; check the address"
        else:
            meaning = "fails"
    wait: float | None = None
    if status >= 500 or status in _TRY_AGAIN:
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
        wait = min(seconds, MAX_RETRY_AFTER_SECONDS)
    return PublishingFailed(f"WHIP server {host}: {meaning} (HTTP {status})", wait)
