"""A WHIP server with Galene's answers, which receives the video and keeps what it saw.

In this process (`serving`), or as a program that can be killed:
`python -m tests.protection.whip.server PORT`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import av
import ifaddr
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

TOKEN = "s3cr3t-token"
PATH = "/group/test/.whip"


def own_address() -> str | None:
    """Return an address of this machine that is not loopback."""
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str) and not ip.ip.startswith("127."):
                return ip.ip
    return None


@dataclass
class WhipServer:
    """What the server was asked, and the frames that it received.

    `answer` changes an answer: it gets the request and the SDP answer (None for a request
    that is refused) and gives a response, or None to leave it as it is.
    """

    token: str | None = TOKEN
    codecs: tuple[str, ...] = ("video/VP8", "video/H264")
    answer: Callable[[web.Request], web.Response | None] = lambda request: None
    rewrite: Callable[[str], str] = lambda sdp: sdp
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    frames: list[av.VideoFrame] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)
    sessions: dict[str, RTCPeerConnection] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    max_frames: int = 200
    tasks: list[Any] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def application(self) -> web.Application:
        """Make the application."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_shutdown.append(self._close_all)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path, dict(request.headers)))
        changed = self.answer(request)
        if changed is not None:
            return changed
        if request.method == "DELETE":
            return await self._delete(request)
        if request.path != PATH:
            return web.Response(status=404, text="<p>not found</p>", content_type="text/html")
        if request.method != "POST":
            return web.Response(status=405)
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if request.content_type != "application/sdp":
            return web.Response(status=415)
        return await self._publish(await request.text())

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.token is None:
            return None
        sent = request.headers.get("Authorization")
        if sent is None:
            return web.Response(status=403)
        if sent == "Bearer expired":
            return web.Response(status=401)
        if sent != f"Bearer {self.token}":
            return web.Response(status=404, text="<p>not found</p>", content_type="text/html")
        return None

    async def _publish(self, offer: str) -> web.Response:
        self.offers.append(offer)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

        @peer.on("track")
        def received(track: Any) -> None:
            self.tasks.append(asyncio.ensure_future(self._receive(track)))

        try:
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            (transceiver,) = peer.getTransceivers()
            transceiver._codecs = [
                codec for codec in transceiver._codecs if codec.mimeType in self.codecs
            ]
            await peer.setLocalDescription(await peer.createAnswer())
        except Exception:
            await peer.close()
            return web.Response(status=500)
        name = f"{PATH}/session-{len(self.sessions)}"
        self.sessions[name] = peer
        return web.Response(
            status=201,
            text=self.rewrite(peer.localDescription.sdp),
            content_type="application/sdp",
            headers={"Location": name, "ETag": '"*"'},
        )

    async def _receive(self, track: Any) -> None:
        try:
            while True:
                frame = await track.recv()
                if len(self.frames) < self.max_frames:
                    self.frames.append(frame)
        except Exception:
            return

    async def _delete(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        peer = self.sessions.pop(request.path, None)
        if peer is None:
            return web.Response(status=404)
        self.ended.append(request.path)
        await peer.close()
        return web.Response(status=200)

    async def _close_all(self, app: web.Application) -> None:
        for peer in self.sessions.values():
            await peer.close()


@contextmanager
def serving(server: WhipServer, port: int = 0) -> Iterator[WhipServer]:
    """Run a server in a thread with an event loop of its own."""
    ready: Future[int] = Future()
    stop = threading.Event()

    async def run() -> None:
        runner = web.AppRunner(server.application())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        ready.set_result(runner.addresses[0][1])
        while not stop.is_set():
            await asyncio.sleep(0.05)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    server.port = ready.result(10)
    try:
        yield server
    finally:
        stop.set()
        thread.join(10)
