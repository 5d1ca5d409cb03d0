"""`LiveService`: what lasts from page to page: pipeline, backgrounds, meter, publishing, camera."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from unveil.errors import InvalidParameter
from unveil.live.backgrounds import BackgroundEntry, Backgrounds
from unveil.live.messages import MAX_HEIGHT, MAX_WIDTH, FrameMessage
from unveil.live.meter import LeakMeter, Reading
from unveil.live.pipeline import Answer, Pipeline, TakesFrames
from unveil.live.settings import LIVE_MODELS
from unveil.live.virtual_camera import VirtualCamera
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

PublishState: TypeAlias = Literal["off", "waiting", "connecting", "live", "failed"]

PICTURE_URL: Final = "/meter/room.png"


@dataclass(frozen=True, slots=True)
class PublishStatus:
    """How publishing stands.

    Attributes
    ----------
    state
        "waiting" is for the first protected frame.
    message
        What a user should know of it; without secrets.
    """

    state: PublishState = "off"
    message: str = ""


class Publishes(TakesFrames, Protocol):
    """Publishes protected frames to a server; `push` never waits."""

    @property
    def status(self) -> PublishStatus:
        """How it stands; may be read at any time."""

    def start(self, url: str) -> None:
        """Begin to publish to an address; connects after the first frame.

        Raises
        ------
        UnveilError
            The address is not allowed.
        """

    def push(self, planes: Planes, layout: Layout, timestamp: float) -> None:
        """Take a protected frame; must not wait, nor change the planes. `timestamp`: seconds."""

    def close(self) -> None:
        """End publishing; `start` may follow. May wait for the server for a few seconds."""


class LiveService:
    """Everything that lives longer than the page's connection; used on the event loop.

    Parameters
    ----------
    pipeline, backgrounds
        Protect the frames.
    publisher
        Publishes them, None if nothing can.
    virtual_camera
        Shows them to other programs, None if that is not wanted.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        backgrounds: Backgrounds,
        *,
        publisher: Publishes | None = None,
        virtual_camera: VirtualCamera | None = None,
    ) -> None:
        self.backgrounds = backgrounds
        self._pipeline = pipeline
        self._publisher = publisher
        self._virtual_camera = virtual_camera
        self._publish_url = ""
        self._meter: LeakMeter | None = None
        self._picture: bytes | None = None
        self._n_pictures = 0
        self._seen: object = None
        self._changed: Callable[[], object] = lambda: None
        self._tell: Callable[[Mapping[str, Any]], object] = lambda message: None
        pipeline.on_change = self._settings_changed
        pipeline.on_error = self._tell_error
        self._settings = pipeline.settings
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
        pipeline, camera = self._pipeline, self._virtual_camera
        publishing = self._publisher.status if self._publisher else PublishStatus()
        return {
            "settings": pipeline.wanted.as_dict(),
            "models": list(LIVE_MODELS),
            "backgrounds": [entry.as_dict() for entry in self.backgrounds.entries()],
            "busy": pipeline.busy,
            "meter": self._meter is not None,
            "publish": {
                "on": bool(self._publish_url),
                "url": self._publish_url,
                "status": publishing.state,
                "message": publishing.message,
            },
            "publish_available": self._publisher is not None,
            "virtual_camera": camera.state() if camera else {"on": False, "message": ""},
            "limits": {
                "max_width": MAX_WIDTH,
                "max_height": MAX_HEIGHT,
                "edge": [MIN_EDGE, MAX_EDGE],
                "blur": [MIN_BLUR, MAX_BLUR],
                "smooth": [MIN_SMOOTH, MAX_SMOOTH],
            },
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
            loop = asyncio.get_running_loop()
            meter: LeakMeter

            def read(reading: Reading) -> None:
                loop.call_soon_threadsafe(self._read_meter, meter, reading)

            def fail(message: str) -> None:
                loop.call_soon_threadsafe(self._meter_failed, meter, message)

            self._meter = meter = LeakMeter(read, fail)
        self._connect_outputs()
        self._changed()

    async def switch_publishing(self, *, on: bool, url: str = "") -> None:
        """Begin to publish to an address, or end it.

        Raises
        ------
        UnveilError
            The address is not allowed.
        """
        if self._publisher is None:
            raise InvalidParameter("publish: this server was started without a publisher")
        if self._publish_url:
            self._publish_url = ""
            self._connect_outputs()
            await asyncio.to_thread(self._publisher.close)
        if on:
            self._publisher.start(url)
            self._publish_url = url
            self._connect_outputs()
        self._changed()

    @property
    def room_picture(self) -> bytes | None:
        """The meter's last picture, a PNG."""
        return self._picture

    def look_at_outputs(self) -> None:
        """Tell the page if the state of an output has changed by itself; called now and then."""
        state = self.state()
        seen = (state["publish"], state["virtual_camera"])
        if seen != self._seen:
            if self._seen is not None:
                self._changed()
            self._seen = seen

    async def close(self) -> None:
        """End everything."""
        self.switch_meter(on=False)
        if self._publisher is not None and self._publish_url:
            await asyncio.to_thread(self._publisher.close)
        if self._virtual_camera is not None:
            await asyncio.to_thread(self._virtual_camera.close)
        await self._pipeline.close()

    def _connect_outputs(self) -> None:
        outputs: list[TakesFrames] = []
        if self._publisher is not None and self._publish_url:
            outputs.append(self._publisher)
        if self._virtual_camera is not None:
            outputs.append(self._virtual_camera)
        if self._meter is not None:
            outputs.append(self._meter)
        self._pipeline.outputs = outputs

    def _settings_changed(self) -> None:
        if self._pipeline.settings != self._settings:
            self._settings = self._pipeline.settings
            if self._meter is not None:
                self._meter.begin_anew()
        self._changed()

    def _read_meter(self, meter: LeakMeter, reading: Reading) -> None:
        if meter is not self._meter:
            return
        self._picture = reading.picture
        self._n_pictures += 1
        url = f"{PICTURE_URL}?n={self._n_pictures}"
        self._tell({"type": "meter", **reading.as_dict(), "picture_url": url})

    def _meter_failed(self, meter: LeakMeter, message: str) -> None:
        if meter is self._meter:
            self.switch_meter(on=False)
            self._tell_error(message)

    def _tell_error(self, message: str) -> None:
        self._tell({"type": "error", "message": message})
