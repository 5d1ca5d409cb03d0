"""Janus, a real meeting server, with its VideoRoom behind a small WHIP endpoint.

Debian's package `janus` has the server. It is spoken to by JSON over HTTP:
https://janus.conf.meetecho.com/docs/rest.html and https://janus.conf.meetecho.com/docs/videoroom.html.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import aiohttp
import av
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

ROOM = 1234

_CONFIGURATION = {
    "janus.jcfg": """
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{folder}/plugins"
    transports_folder = "{folder}/transports"
    events_folder = "{folder}"
    loggers_folder = "{folder}"
    protected_folders = ["/etc"]
}}
""",
    "janus.transport.http.jcfg": """
general: {{ json = "compact"  base_path = "/janus"  http = true  port = {port}  ip = "127.0.0.1" }}
admin: {{ admin_http = false }}
""",
    "janus.plugin.videoroom.jcfg": """
room-{room}: {{ publishers = 6  bitrate = 2000000  videocodec = "vp8,h264" }}
""",
}


def library() -> Path | None:
    """Find the folder of Janus's plugins, None where Janus is not installed."""
    triple = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [Path("/usr/lib", triple, "janus"), Path("/usr/lib/janus")]
    found = [folder for folder in folders if (folder / "plugins").is_dir()]
    return found[0] if found and shutil.which("janus") else None


@contextmanager
def janus_running(folder: Path) -> Iterator[str]:
    """Run Janus with one room, configured in a folder; give the address of its API."""
    found = library()
    assert found is not None
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    for name in ("plugins/libjanus_videoroom.so", "transports/libjanus_http.so"):
        (folder / name).parent.mkdir()
        (folder / name).symlink_to(found / name)  # without all others
    for name, content in _CONFIGURATION.items():
        (folder / name).write_text(content.format(folder=folder, port=port, room=ROOM))
    with (folder / "janus.log").open("wb") as log:
        process = subprocess.Popen(
            ["janus", "-F", str(folder), "-C", str(folder / "janus.jcfg"), "-d", "4"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{port}/janus"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Handle:
    """A session of Janus with a handle of its VideoRoom."""

    def __init__(self, http: aiohttp.ClientSession, api: str) -> None:
        self._http = http
        self._url = api
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self) -> Self:
        """Create the session, which lasts as long as it is polled."""
        created = await self._post({"janus": "create"})
        self._url += f"/{created['data']['id']}"
        attached = await self._post({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        self._poll = asyncio.ensure_future(self._keep_polling(self._url))
        self._url += f"/{attached['data']['id']}"
        return self

    async def ask(self, jsep: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        """Send a request to the room and wait for its event."""
        message: dict[str, Any] = {"janus": "message", "body": body}
        await self._post(message | ({"jsep": jsep} if jsep else {}))
        event = await asyncio.wait_for(self._events.get(), 10)
        failed = event["plugindata"]["data"].get("error")
        assert failed is None, failed
        return event

    async def close(self) -> None:
        """End the session."""
        self._poll.cancel()
        self._url = self._url.rpartition("/")[0]
        await self._post({"janus": "destroy"})

    async def _post(self, message: dict[str, Any]) -> Any:
        async with self._http.post(self._url, json=message | {"transaction": uuid4().hex}) as done:
            return await done.json()

    async def _keep_polling(self, url: str) -> None:
        while True:
            async with self._http.get(url, params={"maxev": 1}) as done:
                event = await done.json()
            if event["janus"] == "event":
                self._events.put_nowait(event)


class JanusEndpoint:
    """A WHIP endpoint in front of a room, and a viewer of the room."""

    path = "/whip"

    def __init__(self, api: str) -> None:
        self._api = api
        self.ended = asyncio.Event()
        self._publisher: Handle | None = None
        self._feed = 0

    def application(self) -> web.Application:
        """Make the application."""
        app = web.Application()
        app.router.add_post(self.path, self._publish)
        app.router.add_delete(self.path, self._end)
        app.cleanup_ctx.append(self._client)
        return app

    async def wait_until_janus_answers(self) -> None:
        """Wait until Janus has started."""
        for _ in range(200):
            try:
                async with aiohttp.ClientSession() as http, http.get(f"{self._api}/info"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
        raise TimeoutError("Janus does not answer")

    async def _client(self, app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as self._http:
            yield

    async def _publish(self, request: web.Request) -> web.Response:
        handle = self._publisher = await Handle(self._http, self._api).open()
        joined = await handle.ask(request="join", ptype="publisher", room=ROOM)
        self._feed = joined["plugindata"]["data"]["id"]
        offer = {"type": "offer", "sdp": await request.text()}
        answered = await handle.ask(offer, request="publish")
        return web.Response(
            status=201,
            text=answered["jsep"]["sdp"],
            content_type="application/sdp",
            headers={"Location": self.path},
        )

    async def _end(self, request: web.Request) -> web.Response:
        assert self._publisher is not None
        await self._publisher.close()
        self.ended.set()
        return web.Response(status=200)

    async def watch(self, seen: Callable[[av.VideoFrame], bool]) -> None:
        """Subscribe to the publisher, as a meeting's page does; show frames until one suffices."""
        handle = await Handle(self._http, self._api).open()
        streams = [{"feed": self._feed}]
        offered = await handle.ask(request="join", ptype="subscriber", room=ROOM, streams=streams)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        tracks: asyncio.Queue[Any] = asyncio.Queue()
        peer.on("track", tracks.put_nowait)
        await peer.setRemoteDescription(RTCSessionDescription(**offered["jsep"]))
        await peer.setLocalDescription(await peer.createAnswer())
        local = peer.localDescription
        await handle.ask({"type": local.type, "sdp": local.sdp}, request="start", room=ROOM)
        track = await tracks.get()
        while not seen(await track.recv()):
            pass
        await peer.close()
        await handle.close()
