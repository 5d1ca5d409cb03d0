"""The process's side: receives the camera, protects it with `ProtectTrack`, sends it back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from unveil.live import ProtectTrack
from unveil.live.backgrounds import Backgrounds

PAGE = Path(__file__).parent


async def serve(model: Any, background: str) -> None:
    """Serve the page; print its address, then the figures that it sends."""
    picture = Backgrounds().source(background)
    peers = set()

    async def offer(request: web.Request) -> web.Response:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.add(peer)

        @peer.on("track")
        def protect(track: Any) -> None:
            peer.addTrack(ProtectTrack(track, "replace", background=picture, model=model))

        await peer.setRemoteDescription(RTCSessionDescription(**await request.json()))
        await peer.setLocalDescription(await peer.createAnswer())
        return web.json_response(
            {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
        )

    async def figures(request: web.Request) -> web.Response:
        print(json.dumps(await request.json()), flush=True)
        return web.Response()

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / (request.path.lstrip("/") or "index.html"))

    app = web.Application()
    app.add_routes([web.get("/", file), web.get("/page.js", file)])
    app.add_routes([web.post("/offer", offer), web.post("/figures", figures)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()
