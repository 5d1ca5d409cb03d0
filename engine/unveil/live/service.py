"""`LiveService`: what lasts from page to page: pipeline, backgrounds, meter, publishing, camera."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import av

from unveil.errors import InvalidParameter, UnveilError, explain
from unveil.live.backgrounds import BackgroundEntry, Backgrounds
from unveil.live.messages import MAX_HEIGHT, MAX_WIDTH, FrameMessage
from unveil.live.meter import LeakMeter, Reading
from unveil.live.pipeline import Answer, Pipeline, TakesFrames
from unveil.live.settings import LIVE_MODELS
from unveil.live.virtual_camera import VirtualCamera
from unveil.protection.frames import frame_of
from unveil.protection.parameters import (
    MAX_BLUR,
    MAX_EDGE,
    MAX_SMOOTH,
    MIN_BLUR,
    MIN_EDGE,
    MIN_SMOOTH,
)
from unveil.video.chunk import Layout, Planes

logger = logging.getLogger(__name__)

PICTURE_URL: Final = "/meter/room.png"

TICK: Final = Fraction(1, 90_000)
"""Time base of frames that are published, in seconds."""


class PublishStatus(Protocol):
    """How publishing goes."""

    @property
    def state(self) -> str:
        """One word, such as "publishing" or "failed"."""

    @property
    def message(self) -> str:
        """The same in a line for the user; without secrets."""


class Publishes(Protocol):
    """Publishes protected frames to one address; connects after the first frame."""

    @property
    def status(self) -> PublishStatus:
        """How it goes now."""

    def start(self) -> None:
        """Begin to wait for frames."""

    def push(self, frame: av.VideoFrame) -> None:
        """Take a protected frame, which is not changed any more; must not wait."""

    def close(self) -> None:
        """End publishing; may wait for the server for some seconds."""


MakePublisher: TypeAlias = Callable[[str], Publishes]
"""Makes a publisher for an address; raises `UnveilError` if the address is not allowed."""


MakeMeter: TypeAlias = Callable[[Callable[[Reading], object], Callable[[str], object]], LeakMeter]
"""Makes a meter that calls the first function with readings, the second with why it has ended."""


class _Published:
    """Gives a publisher the frames that it takes."""

    def __init__(self, publisher: Publishes) -> None:
        self._publisher = publisher

    def push(self, planes: Planes, layout: Layout, timestamp: float) -> None:
        frame = frame_of(planes, layout)
        frame.pts, frame.time_base = round(timestamp / TICK), TICK
        self._publisher.push(frame)


class LiveService:
    """Everything that lives longer than the page's connection; used on the event loop.

    Parameters
    ----------
    pipeline, backgrounds
        Protect the frames.
    make_publisher
        Makes what publishes them to an address, None if nothing can.
    virtual_camera
        Shows them to other programs, None if that is not wanted.
    make_meter
        Makes the leak meter when it is switched on.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        backgrounds: Backgrounds,
        *,
        make_publisher: MakePublisher | None = None,
        virtual_camera: VirtualCamera | None = None,
        make_meter: MakeMeter = LeakMeter,
    ) -> None:
        self.backgrounds = backgrounds
        self._pipeline = pipeline
        self._make_publisher = make_publisher
        self._publisher: Publishes | None = None
        self._virtual_camera = virtual_camera
        self._publish_url = ""
        self._publishing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._make_meter = make_meter
        self._meter: LeakMeter | None = None
        self._n_meters = 0
        self._picture: bytes | None = None
        self._n_pictures = 0
        self._shown: dict[str, Any] = {}
        self._changed: Callable[[], object] = lambda: None
        self._tell: Callable[[Mapping[str, Any]], object] = lambda message: None
        pipeline.on_change = lambda: self._changed()
        pipeline.on_error = self._tell_error
        pipeline.on_takeover = self._begin_meter_anew
        self._connect_outputs()

    # The page

    def join(
        self,
        *,
        changed: Callable[[], object],
        tell: Callable[[Mapping[str, Any]], object],
    ) -> None:
        """Serve a page.

        Parameters
        ----------
        changed
            Called when `state` has changed.
        tell
            Called with messages for the page.
        """
        self._changed, self._tell = changed, tell
        self.forget()

    def leave(self) -> None:
        """Serve no page: the camera is off, and nobody sees the meter."""
        self._changed, self._tell = lambda: None, lambda message: None
        self.forget()
        self.switch_meter(on=False)

    def state(self) -> dict[str, Any]:
        """Return what the page shows, ready for JSON."""
        self._shown = self._outputs_state()
        return {
            "settings": self._pipeline.wanted.as_dict(),
            "models": list(LIVE_MODELS),
            "backgrounds": [entry.as_dict() for entry in self.backgrounds.entries()],
            "busy": self._pipeline.busy,
            "warning": self._pipeline.warning,
            "meter": self._meter is not None,
            **self._shown,
            "publish_available": self._make_publisher is not None,
            "limits": {
                "max_width": MAX_WIDTH,
                "max_height": MAX_HEIGHT,
                "edge": [MIN_EDGE, MAX_EDGE],
                "blur": [MIN_BLUR, MAX_BLUR],
                "smooth": [MIN_SMOOTH, MAX_SMOOTH],
            },
        }

    def look_at_outputs(self) -> None:
        """Have the page told if an output's state has changed by itself; called now and then."""
        if self._outputs_state() != self._shown:
            self._changed()

    def _outputs_state(self) -> dict[str, Any]:
        publishing = self._publisher.status if self._publisher else None
        camera = self._virtual_camera
        return {
            "publish": {
                "on": publishing is not None,
                "url": self._publish_url,
                "status": publishing.state if publishing else "off",
                "message": publishing.message if publishing else "",
            },
            "virtual_camera": camera.state() if camera else {"on": False, "message": ""},
        }

    # Frames

    async def protect(self, frame: FrameMessage, received_at: float) -> Answer:
        """Protect a frame, as `Pipeline.protect`."""
        return await self._pipeline.protect(frame, received_at)

    def forget(self) -> None:
        """Forget earlier frames, because the camera was switched."""
        self._pipeline.forget()

    # What the page may change

    def change(self, change: Mapping[str, object]) -> None:
        """Change settings.

        Raises
        ------
        InvalidParameter
            There is no such setting, or a value is not allowed.
        """
        self._pipeline.change(self._pipeline.wanted.changed(change, self.backgrounds))
        self._changed()

    async def add_background(self, data: bytes) -> BackgroundEntry:
        """Add an uploaded picture.

        Raises
        ------
        UnreadableImage
            It cannot be used.
        """
        in_use = {self._pipeline.settings.background, self._pipeline.wanted.background}
        entry = await asyncio.to_thread(self.backgrounds.add_upload, data, in_use)
        self._changed()
        return entry

    def switch_meter(self, *, on: bool) -> None:
        """Switch the leak meter on or off."""
        if on == (self._meter is not None):
            return
        if self._meter is not None:
            self._meter.close()
            self._meter = self._picture = None
        else:
            self._n_meters += 1
            loop, number = asyncio.get_running_loop(), self._n_meters

            def on_loop(function: Callable[..., object], argument: object) -> None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(function, number, argument)

            self._meter = self._make_meter(
                partial(on_loop, self._read_meter), partial(on_loop, self._meter_failed)
            )
        self._connect_outputs()
        self._changed()

    def switch_publishing(self, *, on: bool, url: str = "") -> None:
        """Begin to publish to an address, or end it, soon; the page is told if that fails.

        Raises
        ------
        InvalidParameter
            Nothing can publish.
        """
        if self._make_publisher is None:
            raise InvalidParameter("publish: this server was started without a publisher")

        async def switch() -> None:
            try:
                await self.publish(url if on else None)
            except Exception as error:
                if not isinstance(error, UnveilError):
                    logger.exception("publishing cannot begin")
                self._tell_error(f"publish: {explain(error)}")

        # A server may take seconds to answer; frames go on meanwhile.
        task = asyncio.get_running_loop().create_task(switch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def publish(self, url: str | None) -> None:
        """Publish to an address instead of to an earlier one; None ends it.

        Raises
        ------
        UnveilError
            The address is not allowed; an earlier one stays.
        """
        async with self._publishing:
            made = None
            if url is not None:
                assert self._make_publisher is not None
                made = await asyncio.to_thread(self._make_publisher, url)
                made.start()
            ended, self._publisher = self._publisher, made
            self._publish_url = url or self._publish_url
            self._connect_outputs()
            self._changed()
            if ended is not None:
                await asyncio.to_thread(ended.close)

    @property
    def room_picture(self) -> bytes | None:
        """The meter's last picture, a PNG."""
        return self._picture

    async def close(self) -> None:
        """End everything."""
        self.switch_meter(on=False)
        await asyncio.gather(*self._tasks)
        await self.publish(None)
        if self._virtual_camera is not None:
            await asyncio.to_thread(self._virtual_camera.close)
        await self._pipeline.close()

    def _connect_outputs(self) -> None:
        outputs: list[TakesFrames] = []
        if self._publisher is not None:
            outputs.append(_Published(self._publisher))
        if self._virtual_camera is not None:
            outputs.append(self._virtual_camera)
        if self._meter is not None:
            outputs.append(self._meter)
        self._pipeline.outputs = outputs

    def _begin_meter_anew(self) -> None:
        """Let the meter forget; runs in the protecting thread, which also pushes frames."""
        meter = self._meter
        if meter is not None:
            meter.begin_anew()

    def _read_meter(self, number: int, reading: Reading) -> None:
        if self._meter is None or number != self._n_meters:
            return  # of a meter that was switched off
        self._picture = reading.picture
        self._n_pictures += 1
        url = f"{PICTURE_URL}?n={self._n_pictures}"
        self._tell({"type": "meter", **reading.as_dict(), "picture_url": url})

    def _meter_failed(self, number: int, message: str) -> None:
        if number == self._n_meters:
            self.switch_meter(on=False)
            self._tell_error(message)

    def _tell_error(self, message: str) -> None:
        self._tell({"type": "error", "message": message})
