"""The local server: serves the page, its WebSocket, pictures and uploads, on one address."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from unveil.errors import CannotListen, UnreadableImage
from unveil.interruption import POLL_SECONDS, StopRequested, never
from unveil.live.messages import MAX_MESSAGE_BYTES
from unveil.live.security import Guard, add_headers, authority, is_wildcard
from unveil.live.service import PICTURE_URL, LiveService
from unveil.live.session import Session
from unveil.live.uploads import MAX_UPLOAD_BYTES

logger = logging.getLogger(__name__)

PAGE: Final = Path(__file__).parent / "page"

CONTENT_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""Files of the page that are served, by suffix."""

UPLOAD_SECONDS: Final = 60.0
"""An upload that takes longer is refused."""

HEARTBEAT_SECONDS: Final = 10.0
"""A page that is silent for so long is asked for a sign of life."""

SHUTDOWN_SECONDS: Final = 2.0


class LiveServer:
    """Serves one page at a time.

    Parameters
    ----------
    service
        What protects the frames; it is prepared.
    sockets
        Those on which to listen; they are closed with the server.
    host
        The name or address under which they were asked for.
    token
        What a browser must know; None on a loopback address.
    send_seconds
        Longest time for which a message to the page may wait.
    """

    def __init__(
        self,
        service: LiveService,
        sockets: list[socket.socket],
        host: str,
        *,
        token: str | None = None,
        send_seconds: float | None = None,
    ) -> None:
        self._service = service
        self._sockets = sockets
        self._send = {} if send_seconds is None else {"send_seconds": send_seconds}
        self._session: Session | None = None
        self._uploading = asyncio.Lock()
        self._page = {
            path.relative_to(PAGE).as_posix(): path
            for path in sorted(PAGE.rglob("*"))
            if path.suffix in CONTENT_TYPES
        }
        guard = Guard(host, token)
        app = web.Application(middlewares=[guard.middleware], client_max_size=MAX_UPLOAD_BYTES)
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._close_session)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/page/{name:.+}", self._page_file),
                web.get("/session", self._open_session),
                web.post("/backgrounds", self._upload),
                web.get("/backgrounds/{id}.jpg", self._thumbnail),
                web.get(PICTURE_URL, self._room_picture),
                web.get("/health", self._health),
            ]
        )
        # What aiohttp logs of requests has their first lines, and the token is in one of them.
        # Failures of handlers are logged by the guard.
        silent = logging.Logger("unveil.live.http")
        silent.disabled = True
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=silent,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        address, bound = sockets[0].getsockname()[:2]
        if is_wildcard(address):
            host = "::1" if sockets[0].family == socket.AF_INET6 else "127.0.0.1"
        self.url = f"http://{authority(host, bound)}/"

    async def start(self) -> None:
        """Answer requests from now on."""
        await self._runner.setup()
        for listening in self._sockets:
            await web.SockSite(self._runner, listening).start()

    async def close(self) -> None:
        """End the session and all connections, then everything behind them."""
        await self._runner.cleanup()
        for listening in self._sockets:
            listening.close()
        await self._service.close()

    async def _close_session(self, app: web.Application) -> None:
        if self._session is not None:
            self._session.stop()

    # Requests

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return self._file("index.html")

    async def _page_file(self, request: web.Request) -> web.StreamResponse:
        return self._file(request.match_info["name"])

    def _file(self, name: str) -> web.StreamResponse:
        path = self._page.get(name)
        if path is None:
            return web.Response(status=404, text="there is no such file\n")
        body = path.read_bytes()
        return web.Response(
            body=body, content_type=CONTENT_TYPES[path.suffix], charset=_charset(path)
        )

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _open_session(self, request: web.Request) -> web.StreamResponse:
        if self._session is not None:
            return web.Response(status=409, text="another page uses the camera; close it first\n")
        answer = web.WebSocketResponse(
            compress=False,
            # aiohttp refuses messages of this size, too.
            max_msg_size=MAX_MESSAGE_BYTES + 1,
            heartbeat=HEARTBEAT_SECONDS,
        )
        session = Session(answer, request.transport, self._service, **self._send)
        # Before the first wait: of two requests at once, one is refused.
        self._session = session
        try:
            await answer.prepare(request)
            await session.run()
        finally:
            self._session = None
        return answer

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        too_large = f"background: has more than {MAX_UPLOAD_BYTES // 1_000_000} MB; scale it down"
        if (request.content_length or 0) > MAX_UPLOAD_BYTES:
            return _refused(413, too_large)
        try:
            # One at a time bounds the memory.
            async with asyncio.timeout(UPLOAD_SECONDS), self._uploading:
                data = await request.read()
                entry = await self._service.add_background(data)
        except TimeoutError:
            return _refused(408, f"background: the upload took over {UPLOAD_SECONDS:g} s")
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, too_large)
        except UnreadableImage as error:
            return _refused(400, str(error))
        return web.json_response(entry.as_dict())

    async def _thumbnail(self, request: web.Request) -> web.StreamResponse:
        entry = self._service.backgrounds.find(request.match_info["id"])
        if entry is None:
            return web.Response(status=404, text="there is no such background\n")
        return web.Response(body=entry.thumbnail, content_type="image/jpeg")

    async def _room_picture(self, request: web.Request) -> web.StreamResponse:
        picture = self._service.room_picture
        if picture is None:
            return web.Response(status=404, text="the leak meter has no picture yet\n")
        return web.Response(body=picture, content_type="image/png")


def _refused(status: int, message: str) -> web.Response:
    response = web.json_response({"error": message}, status=status)
    # What is left of the upload is not read.
    response.force_close()
    return response


def _charset(path: Path) -> str | None:
    return "utf-8" if path.suffix in (".css", ".html", ".js", ".json") else None


def listen(host: str, port: int) -> list[socket.socket]:
    """Open sockets that listen on all addresses of a host; port 0 takes any free one.

    Raises
    ------
    CannotListen
        The port is in use, or the host is none of this machine.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            if sys.platform != "win32":  # there it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = port or (sockets[0].getsockname()[1] if len(sockets) > 1 else 0)
            listening.bind((address[0], chosen, *address[2:]))
            listening.listen(128)
            listening.setblocking(False)
    except (OSError, UnicodeError, OverflowError) as error:
        for listening in sockets:
            listening.close()
        raise CannotListen(_reason(host, port, error)) from error
    return sockets


def _reason(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} of {host}: is in use; choose another --port"
    if number == errno.EACCES:
        return f"port {port}: needs more permissions; choose a --port from 1024 on"
    if isinstance(error, socket.gaierror | UnicodeError) or number == errno.EADDRNOTAVAIL:
        return f"host {host!r}: is no address of this machine; choose another --host"
    return f"{host}, port {port}: cannot be listened on ({error})"


async def serve(
    server: LiveServer, *, ready: Callable[[], object], stop: StopRequested = never
) -> None:
    """Serve until `stop` asks to end; `ready` is called when requests are answered."""
    try:
        await server.start()
        ready()
        while not stop():
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await server.close()
