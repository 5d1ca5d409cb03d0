"""Who may talk to the server: checks of Host, Origin and token, and headers that bind the page.

A page of another site must not drive the server (its Origin differs), nor may it become this site
by a name that it lets lead to 127.0.0.1 (DNS rebinding: its Host differs).
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

logger = logging.getLogger(__name__)

COOKIE: Final = "unveil-live"

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "unveil",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, which no other machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether an address stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def authority(host: str, port: int) -> str:
    """Return host and port as in an URL and in the header Host."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port == 80 else f"{shown}:{port}"


class Guard:
    """Refuses requests that do not come from the server's own page.

    Parameters
    ----------
    host
        What the server was asked to bind to.
    token
        What a browser must know, None on a loopback address.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self._host = host
        self._token = token
        self._cookie = secrets.token_urlsafe(32)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request; answer a refused one with 403 and a line that says why."""
        refusal = self._refusal(request)
        if refusal is not None:
            logger.info("refused a request: %s", refusal)
            return web.Response(status=403, text=f"{refusal}\n")
        if self._token is not None:
            entered = self._entered(request)
            if entered is not None:
                return entered
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            logger.exception("a request failed")
            return web.Response(status=500, text="the server failed; its log says more\n")

    def _refusal(self, request: web.Request) -> str | None:
        host = request.headers.getall("Host", [])
        if len(host) != 1 or host[0].lower() not in self._authorities(request):
            return "Host: is not an address of this server"
        origins = request.headers.getall("Origin", [])
        if len(origins) > 1 or any(o.lower() != f"http://{host[0].lower()}" for o in origins):
            return "Origin: another site may not use this server"
        writes = request.method not in ("GET", "HEAD")
        upgrades = "upgrade" in request.headers.get("Connection", "").lower()
        if (writes or upgrades) and not origins:
            return "Origin: is missing; only the page of this server may use it"
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        opens_page = request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if site not in ("same-origin", "none") and not opens_page:
            return "Sec-Fetch-Site: another site may not use this server"
        return None

    def _authorities(self, request: web.Request) -> set[str]:
        """Return the values of Host that name the address to which the client is connected."""
        transport = request.transport
        local = transport.get_extra_info("sockname") if transport is not None else None
        if not local:
            return set()
        address, port = str(local[0]).partition("%")[0], int(local[1])
        names = {address}
        if is_loopback(address):
            names.add("localhost")
        if self._host and not is_wildcard(self._host):
            names.add(self._host.lower())
        found = {authority(name, port) for name in names}
        return found | ({f"{name}:80" for name in found} if port == 80 else set())

    def _entered(self, request: web.Request) -> web.StreamResponse | None:
        """Check the cookie; exchange a token for it. None lets the request pass."""
        assert self._token is not None
        cookie = request.cookies.get(COOKIE, "")
        given = request.query.get("token") if request.path == "/" else None
        if given is not None and request.method == "GET":
            if not hmac.compare_digest(_bytes(given), _bytes(self._token)):
                logger.info("refused a wrong token")
                return web.Response(status=403, text="token: is wrong\n")
            answer = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="Strict", path="/")
            return answer
        if hmac.compare_digest(_bytes(cookie), _bytes(self._cookie)):
            return None
        return web.Response(
            status=403, text="token: is missing; open the address with ?token=TOKEN once\n"
        )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to every response, errors included; for `on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers[name] = value


def _bytes(text: str) -> bytes:
    """Encode what a header may hold, bytes that are no text included."""
    return text.encode("utf-8", "surrogateescape")
