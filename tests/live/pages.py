"""A live server in this process, and a client that talks to it as the page does."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt

from tests import sitter
from tests.sitter import OUTSIDE, Watcher, picture
from unveil.live.backgrounds import Backgrounds
from unveil.live.meter import LeakMeter
from unveil.live.pipeline import MakeSegmenter, Pipeline
from unveil.live.server import LiveServer, listen
from unveil.live.service import LiveService, MakeMeter, MakePublisher
from unveil.live.settings import LiveSettings
from unveil.live.virtual_camera import VirtualCamera

U8 = npt.NDArray[np.uint8]

WHITE = LiveSettings("replace", background="#ffffff", smooth=1)
WHITE_LUMA = 235

WAIT_SECONDS = 30

HEADER = struct.Struct("<IHHd")
"""Written here anew, so that a change of the protocol shows."""


@dataclass
class Live:
    """A running server and what is behind it."""

    server: LiveServer
    service: LiveService
    pipeline: Pipeline
    watcher: Watcher
    http: aiohttp.ClientSession

    @property
    def origin(self) -> str:
        """Origin of the server's page."""
        return self.server.url.rstrip("/")

    @asynccontextmanager
    async def page(self, **options: Any) -> AsyncIterator[Page]:
        """Open a session as the page does."""
        async with self.http.ws_connect(
            self.server.url + "session", origin=self.origin, max_msg_size=0, **options
        ) as socket:
            yield Page(socket)


@asynccontextmanager
async def running(
    watcher: Watcher | None = None,
    *,
    settings: LiveSettings = WHITE,
    make_segmenter: MakeSegmenter | None = None,
    host: str = "127.0.0.1",
    token: str | None = None,
    send_seconds: float | None = None,
    make_publisher: MakePublisher | None = None,
    virtual_camera: VirtualCamera | None = None,
    make_meter: MakeMeter = LeakMeter,
) -> AsyncIterator[Live]:
    """Run a server whose segmenter is a `Watcher`."""
    watcher = watcher or Watcher()
    backgrounds = Backgrounds()
    pipeline = Pipeline(
        settings, backgrounds, make_segmenter=make_segmenter or (lambda settings: watcher)
    )
    pipeline.prepare()
    watcher.n_asked = watcher.n_resets = 0
    service = LiveService(
        pipeline,
        backgrounds,
        make_publisher=make_publisher,
        virtual_camera=virtual_camera,
        make_meter=make_meter,
    )
    server = LiveServer(service, listen(host, 0), host, token=token, send_seconds=send_seconds)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Live(server, service, pipeline, watcher, http)
    finally:
        await server.close()


@dataclass
class Answered:
    """An answer to a frame."""

    sequence: int
    width: int
    height: int
    timestamp_us: float
    luma: U8
    cb: U8
    cr: U8


@dataclass
class Page:
    """The page's end of a session."""

    socket: aiohttp.ClientWebSocketResponse
    texts: list[dict[str, Any]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    async def say(self, **message: Any) -> None:
        """Send a text message."""
        await self.socket.send_str(json.dumps(message))

    async def send(self, number: int = 0, timestamp_us: float | None = None) -> None:
        """Send the frame of the sitter with this number."""
        await self.socket.send_bytes(frame_message(number, timestamp_us))

    async def answer(self) -> Answered:
        """Wait for the next binary message."""
        await self._until(lambda: bool(self.answers))
        return parsed(self.answers.pop(0))

    async def protected(self, number: int = 0) -> Answered:
        """Send a frame and wait for its answer."""
        await self.send(number)
        return await self.answer()

    async def text(
        self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda message: True
    ) -> dict[str, Any]:
        """Wait for a text message of a type, and forget those before it."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            while self.texts and not found:
                message = self.texts.pop(0)
                if message["type"] == kind and fits(message):
                    found.append(message)
            return bool(found)

        await self._until(is_there)
        return found[0]

    async def settled(self, **settings: Any) -> dict[str, Any]:
        """Change settings, and wait until they apply."""
        await self.say(type="settings", **settings)
        return await self.text(
            "state",
            lambda state: (
                state["busy"] is None
                and all(state["settings"][name] == value for name, value in settings.items())
            ),
        )

    async def _until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not happened():
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.texts.append(json.loads(message.data))
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self.answers.append(message.data)
                else:
                    raise ConnectionError(f"the server ended the session: {message}")


def planes_of(number: int) -> bytes:
    """Planes of the sitter's frame: luma of a noisy room, and even chroma."""
    chroma = sitter.HEIGHT * sitter.WIDTH // 4
    return picture(number).tobytes() + bytes([90]) * chroma + bytes([160]) * chroma


def frame_message(number: int, timestamp_us: float | None = None) -> bytes:
    """Write the message of the sitter's frame."""
    time = 40_000.0 * number if timestamp_us is None else timestamp_us
    return HEADER.pack(number, sitter.WIDTH, sitter.HEIGHT, time) + planes_of(number)


def header_of(width: int, height: int, timestamp_us: float = 0.0) -> bytes:
    """Write the header of frame 9, for a picture of any size."""
    return HEADER.pack(9, width, height, timestamp_us)


def parsed(message: bytes) -> Answered:
    """Read an answer."""
    sequence, width, height, timestamp_us = HEADER.unpack_from(message)
    assert len(message) == HEADER.size + width * height * 3 // 2
    samples = np.frombuffer(message, np.uint8, offset=HEADER.size)
    luma, cb, cr = np.split(samples, [width * height, width * height * 5 // 4])
    return Answered(
        sequence,
        width,
        height,
        timestamp_us,
        luma.reshape(height, width),
        cb.reshape(height // 2, width // 2),
        cr.reshape(height // 2, width // 2),
    )


def assert_room_is_white(shown: Answered) -> None:
    """Check that nothing of the room is shown."""
    for outside in OUTSIDE:
        assert (shown.luma[outside] == WHITE_LUMA).all()
