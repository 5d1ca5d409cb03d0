"""A WHIP server with Galene's answers, which receives the video and keeps what it saw.

In this process (`serving`), or in one of its own, which can be killed (`server_process`).
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aioice.ice
import av
import ifaddr
from aiohttp import web
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

TOKEN = "s3cr3t-token"
PATH = "/group/test/.whip"


def own_address() -> str | None:
    """Return an address of this machine that is not loopback."""
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str) and not ip.ip.startswith("127."):
                return ip.ip
    return None


def use_loopback_if_alone() -> None:
    """Let aioice, which leaves loopback out, take it where the machine has no other address."""
    if own_address() is None:
        vars(aioice.ice)["get_host_addresses"] = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


@dataclass
class WhipServer:
    """A server, what it was asked, and the frames that it received.

    `answer` may give another response to a request than its own, and `rewrite` changes the SDP of
    an answer. `tell` is called with a line for each frame and each end; at most `max_frames` frames
    are kept.
    """

    token: str | None = TOKEN
    codecs: tuple[str, ...] = ("video/VP8", "video/H264")
    answer: Callable[[web.Request], web.Response | None] = lambda request: None
    rewrite: Callable[[str], str] = lambda sdp: sdp
    tell: Callable[[str], object] = lambda line: None
    max_frames: int = 200
    scheme: str = "http"
    port: int = 0
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    frames: list[av.VideoFrame] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)
    sessions: dict[str, RTCPeerConnection] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    tasks: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"{self.scheme}://127.0.0.1:{self.port}{PATH}"

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
            transceiver = peer.addTransceiver("video", direction="recvonly")
            known = RTCRtpReceiver.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in known if c.mimeType in self.codecs])
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
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
                self.tell(f"frame {frame.width}x{frame.height}")
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
        self.tell("ended")
        await peer.close()
        return web.Response(status=200)

    async def _close_all(self, app: web.Application) -> None:
        for peer in self.sessions.values():
            await peer.close()


@contextmanager
def serving_application(
    app: web.Application, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve an application in a thread with an event loop of its own; give its port."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        stop = asyncio.Event()
        started.set_result((runner.addresses[0][1], asyncio.get_running_loop(), stop))
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    own_port, loop, stop = started.result(10)
    try:
        yield own_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@contextmanager
def serving(
    server: WhipServer, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[WhipServer]:
    """Run a server in a thread, with TLS if there is a context."""
    server.scheme = "http" if tls is None else "https"
    with serving_application(server.application(), port, tls) as server.port:
        yield server


@contextmanager
def server_process(port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server in a process of its own, which prints what it tells; give its address."""
    command = [sys.executable, "-m", "tests.protection.whip.server", str(port)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, line_of(process)
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a server prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def main(port: int) -> None:
    """Serve, and print the address and what the server tells, until the process is killed."""
    use_loopback_if_alone()
    server = WhipServer(max_frames=0, tell=lambda line: print(line, flush=True))
    with serving(server, port):
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
