"""WHIP over HTTP: sends an offer, takes the answer, and ends the session."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp
from yarl import URL

from unveil._version import __version__
from unveil.errors import InvalidParameter
from unveil.protection.whip.address import WhipAddress
from unveil.protection.whip.refusals import PublishingFailed, refused

logger = logging.getLogger(__name__)

SDP: Final = "application/sdp"
_REDIRECTS: Final = frozenset({307, 308})
"""Those that keep method and body; WHIP has no others."""

_MAX_REDIRECTS: Final = 5
_MAX_ANSWER_BYTES: Final = 1 << 18
_ANSWER_SECONDS: Final = 10.0
_END_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Session:
    """What the server made of an offer.

    Attributes
    ----------
    answer
        Its session description.
    url
        The session's address, which ends it; None if the server named none at its own origin.
    """

    answer: str = field(repr=False)
    url: URL | None = field(repr=False)


class WhipClient:
    """An HTTP client for one endpoint; to be used with `async with`, in one event loop.

    Parameters
    ----------
    address
        The endpoint.
    token
        Sent as a bearer token to the endpoint's origin, and nowhere else; None: none is sent.

    Raises
    ------
    InvalidParameter
        The host cannot be the name of one.
    """

    def __init__(self, address: WhipAddress, token: str | None = None) -> None:
        try:
            self._endpoint = URL(address.url)
        except ValueError:
            raise InvalidParameter(
                f"WHIP address: {address.host} cannot be the name of a host; correct it"
            ) from None
        self._host = address.host
        self._has_token = token is not None
        self._headers = {"User-Agent": f"unveil/{__version__}"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def __aenter__(self) -> Self:
        """Open the client."""
        # A connection that was kept, or an address that was looked up before, may be of a server
        # that has been started again since.
        connector = aiohttp.TCPConnector(force_close=True, use_dns_cache=False)
        self._http = aiohttp.ClientSession(
            connector=connector, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.close()

    async def publish(self, offer: str, connect_seconds: float = 10.0) -> Session:
        """Send an offer.

        Redirects (307, 308) are followed within the endpoint's origin. The TCP connection may
        take `connect_seconds`.

        Raises
        ------
        PublishingFailed
            The server cannot be reached, refuses, or does not answer as a WHIP endpoint.
        """
        url = self._endpoint
        timeout = aiohttp.ClientTimeout(
            total=connect_seconds + _ANSWER_SECONDS, sock_connect=connect_seconds
        )
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                async with self._http.post(
                    url,
                    data=offer.encode(),
                    headers={"Content-Type": SDP, "Accept": SDP},
                    allow_redirects=False,
                    timeout=timeout,
                ) as response:
                    if response.status not in _REDIRECTS:
                        return await self._session(response)
                    url = self._redirected(url, response)
        except PublishingFailed:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Not as its cause: the texts of some of them hold the whole address.
            raise self._unreachable(error) from None
        raise PublishingFailed(f"WHIP server {self._host}: redirects in a circle")

    async def end(self, session: Session) -> None:
        """End a session; a server that does not answer ends it by itself later."""
        if session.url is None:
            return
        try:
            async with self._http.delete(
                session.url,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_END_SECONDS),
            ) as response:
                logger.debug("session ended (HTTP %s)", response.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            logger.debug("session not ended (%s)", type(error).__name__)

    async def _session(self, response: aiohttp.ClientResponse) -> Session:
        if response.status != 201:
            raise refused(
                self._host,
                response.status,
                with_token=self._has_token,
                retry_after=response.headers.get("Retry-After"),
            )
        session_url = self._at_own_origin(response.url, response.headers.get("Location"))
        answer = await _limited_text(response)
        session = Session(answer or "", session_url)
        if response.content_type != SDP or answer is None:
            await self.end(session)
            raise PublishingFailed(
                f"WHIP server {self._host}: answers without a session description; check that the "
                "address is a WHIP endpoint"
            )
        return session

    def _redirected(self, url: URL, response: aiohttp.ClientResponse) -> URL:
        target = response.headers.get("Location")
        found = self._at_own_origin(url, target)
        if found is None:
            raise PublishingFailed(
                f"WHIP server {self._host}: redirects to {_shown_origin(url, target)}, which is "
                "another server; if you trust it, use its address instead"
            )
        return found

    def _at_own_origin(self, base: URL, target: str | None) -> URL | None:
        """Resolve an address that the server named, if it belongs to the endpoint's origin."""
        if not target:
            return None
        try:
            url = base.join(URL(target)).with_fragment(None)
        except ValueError:
            return None
        own = self._endpoint
        if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port):
            return None
        return None if url.user is not None or url.password is not None else url

    def _unreachable(self, error: Exception) -> PublishingFailed:
        said = f"WHIP server {self._host}: "
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return PublishingFailed(
                said + "its certificate is not valid for this host; for one of your own, set "
                "SSL_CERT_FILE to its file"
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientSSLError):
            return PublishingFailed(said + "speaks no TLS there; check the port, or use http")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return PublishingFailed(said + "the name is not known; check it, and the network", 0.0)
        if isinstance(error, asyncio.TimeoutError):
            return PublishingFailed(said + "does not answer in time", 0.0)
        if isinstance(error, aiohttp.ClientConnectorError):
            number = error.os_error.errno
            reason = os.strerror(number) if number and number > 0 else "no connection"
            return PublishingFailed(said + f"cannot be reached ({reason}); is it running?", 0.0)
        return PublishingFailed(said + "breaks off without a readable answer", 0.0)


async def _limited_text(response: aiohttp.ClientResponse) -> str | None:
    """Read the body as UTF-8; None if it is too long or no text."""
    content = bytearray()
    async for part in response.content.iter_chunked(1 << 14):
        content += part
        if len(content) > _MAX_ANSWER_BYTES:
            return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _shown_origin(base: URL, target: str | None) -> str:
    """Describe where a redirect leads by scheme, host and port."""
    try:
        return str(base.join(URL(target or "")).origin())
    except ValueError:
        return "no address"
