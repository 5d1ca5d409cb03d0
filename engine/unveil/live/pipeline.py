"""`Pipeline`: protects frames on a thread of its own, and changes its settings between frames."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from unveil.errors import UnveilError, explain
from unveil.live.backgrounds import Backgrounds
from unveil.live.messages import FrameMessage, Header
from unveil.live.safe_protector import Protected, SafeProtector
from unveil.live.settings import LiveSettings
from unveil.parallel import available_cores
from unveil.protection import Protector
from unveil.protection.protector import PersonSegmenter
from unveil.video.chunk import Layout, Planes

logger = logging.getLogger(__name__)

WARM_UP_SIZE: Final = (640, 480)
"""Columns and rows of the frame on which networks and kernels run before the first one."""

BROWSER_SHARE: Final = 2
"""Networks and kernels take one of so many cores: the browser needs the others, and a thread that
waits for a core makes a frame later than one thread less does."""

RUN_IN_FRAMES: Final = 2
"""How often a new protector runs on the last frame before it takes over: once to search the person,
once to follow them."""

MakeSegmenter: TypeAlias = Callable[[LiveSettings], PersonSegmenter | None]
"""Makes the segmenter for settings; None stands for the networks of `unveil.person`."""


class TakesFrames(Protocol):
    """What gets the protected frames, besides the page."""

    def push(self, planes: Planes, layout: Layout, timestamp: float) -> None:
        """Take a protected frame; must not wait, nor change the planes. `timestamp`: seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A protected frame, and how it was protected."""

    message: FrameMessage
    protected: Protected
    wait_ms: float


class Pipeline:
    """Protects frames, one after the other, off the event loop.

    New settings are built on another thread, run on the last frame, and take over between two
    frames; until then the old ones stay.

    All methods are called on the event loop, except `prepare`, which is called before there is one.

    Parameters
    ----------
    settings
        The first ones.
    backgrounds
        Those that settings name.
    make_segmenter
        Replaces the networks.

    Attributes
    ----------
    settings
        Those of the next frame.
    busy
        What is being loaded, None if nothing is.
    outputs
        What gets the protected frames.
    on_change, on_error
        Called on the event loop when `settings` or `busy` changed, and with a line about settings
        that could not be applied.
    on_takeover
        Called on the protecting thread when a new protector takes over: what the outputs get from
        then on is protected by it.
    """

    def __init__(
        self,
        settings: LiveSettings,
        backgrounds: Backgrounds,
        *,
        make_segmenter: MakeSegmenter = lambda settings: None,
    ) -> None:
        self.settings = settings
        self.busy: str | None = None
        self.outputs: Sequence[TakesFrames] = ()
        self.on_change: Callable[[], object] = lambda: None
        self.on_error: Callable[[str], object] = lambda message: None
        self.on_takeover: Callable[[], object] = lambda: None
        self._backgrounds = backgrounds
        self._make_segmenter = make_segmenter
        self._protect_thread = ThreadPoolExecutor(1, thread_name_prefix="unveil-protect")
        self._build_thread = ThreadPoolExecutor(1, thread_name_prefix="unveil-build")
        self._protector: SafeProtector | None = None
        self._wanted = settings
        self._build_task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._replacement: SafeProtector | None = None
        self._forgets = False
        self._height: int | None = None
        self._last_frame: tuple[Planes, Layout] | None = None

    def prepare(self) -> None:
        """Make the first protector, and run all its kernels and networks once.

        Raises
        ------
        UnveilError
            It cannot be made.
        """
        protector = self._make(self.settings)
        protector.prepare()
        header = Header(0, *WARM_UP_SIZE, 0.0)
        frame = FrameMessage.answer_to(header)
        for plane in frame.planes:
            plane[:] = 128
        target = FrameMessage.answer_to(header)
        protector.protect(frame.planes, header.layout(), target.planes)
        protector.reset()
        self._protector = protector

    async def protect(self, frame: FrameMessage, received_at: float) -> Answer:
        """Protect a frame and give it to the outputs.

        Parameters
        ----------
        frame
            The camera's frame; it must not be changed any more.
        received_at
            When it came, by `time.perf_counter`.
        """
        loop = asyncio.get_running_loop()
        layout = frame.header.layout(self.settings.matrix)
        if layout.height != self._height:
            self._height = layout.height
            self.on_change()
        return await loop.run_in_executor(
            self._protect_thread, self._protect, frame, layout, received_at
        )

    def change(self, settings: LiveSettings) -> None:
        """Apply other settings as soon as they are ready; of several, the last ones.

        What concerns no protector, such as the matrix, is applied at once.
        """
        self._wanted = settings
        self.settings = replace(self.settings, matrix=settings.matrix)
        if self._build_task is not None and not self._build_task.done():
            return  # it goes on until there is nothing else to build
        if self._applies(settings):
            self.settings = settings
        else:
            self.busy = _loading(self.settings, settings)
            self._build_task = asyncio.get_running_loop().create_task(self._build_wanted())
        self.on_change()

    @property
    def wanted(self) -> LiveSettings:
        """The settings that were last asked for."""
        return self._wanted

    @property
    def warning(self) -> str | None:
        """Why the settings may protect too little, for frames of the size that came last."""
        if self._height is None:
            return None
        return self._wanted.parameters(self._backgrounds).weak_blur(self._height)

    def forget(self) -> None:
        """Forget earlier frames: the next frame is unrelated to them."""
        with self._lock:
            self._forgets = True
            self._last_frame = None

    async def close(self) -> None:
        """End the threads and free the backgrounds."""
        if self._build_task is not None:
            self._build_task.cancel()
            await asyncio.gather(self._build_task, return_exceptions=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._build_thread.shutdown)
        await loop.run_in_executor(None, self._protect_thread.shutdown)
        for protector in (self._protector, self._replacement):
            if protector is not None:
                protector.close()

    def _make(self, settings: LiveSettings) -> SafeProtector:
        parameters = settings.parameters(self._backgrounds)

        def make() -> Protector:
            return Protector(
                parameters.mode,
                background=parameters.background,
                blur=parameters.blur,
                model=parameters.model,
                edge=parameters.edge,
                smooth=parameters.smooth,
                threads=max(1, available_cores() // BROWSER_SHARE),
                careful=parameters.careful,
                segmenter=self._make_segmenter(settings),
            )

        return SafeProtector(make)

    # On the thread that protects

    def _protect(self, frame: FrameMessage, layout: Layout, received_at: float) -> Answer:
        begin = time.perf_counter()
        protector = self._current()
        message = FrameMessage.answer_to(frame.header)
        protected = protector.protect(frame.planes, layout, message.planes)
        with self._lock:
            if not self._forgets:
                self._last_frame = frame.planes, layout
        for output in self.outputs:
            try:
                output.push(message.planes, layout, frame.header.timestamp_us / 1e6)
            except Exception:
                logger.exception("an output does not take frames")
        return Answer(message, protected, 1e3 * (begin - received_at))

    def _current(self) -> SafeProtector:
        """Return the protector of the next frame; a new one takes over here."""
        with self._lock:
            replacement, self._replacement = self._replacement, None
            forgets, self._forgets = self._forgets, False
        if replacement is not None:
            if self._protector is not None:
                # A background video takes a moment to stop.
                self._build_thread.submit(self._protector.close)
            self._protector = replacement
            self.on_takeover()
        assert self._protector is not None  # `prepare` made it
        if forgets:
            self._protector.reset()
        return self._protector

    # Settings

    async def _build_wanted(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._applies(self._wanted):
            wanted = self._wanted
            self.busy = _loading(self.settings, wanted)
            self.on_change()
            try:
                await loop.run_in_executor(self._build_thread, self._build, wanted)
            except Exception as error:
                if not isinstance(error, UnveilError):
                    logger.exception("settings cannot be applied")
                if self._wanted == wanted:
                    self._wanted = self.settings
                self.on_error(f"settings are not applied: {explain(error)}")
            else:
                self.settings = replace(wanted, matrix=self._wanted.matrix)
        self.settings, self.busy = self._wanted, None
        self.on_change()

    def _applies(self, settings: LiveSettings) -> bool:
        """Whether the present protector does what these settings ask for."""
        return settings.choice == self.settings.choice

    def _build(self, settings: LiveSettings) -> None:
        """Make a protector and have it replace the present one, on the thread that builds."""
        made = self._make(settings)
        try:
            made.prepare()
            self._run_in(made)
        except BaseException:
            made.close()
            raise
        with self._lock:
            superseded, self._replacement = self._replacement, made
        if superseded is not None:
            superseded.close()

    def _run_in(self, protector: SafeProtector) -> None:
        """Run a new protector on the last frame, so that its first own frame is no slower.

        It scales the background, allocates buffers and finds the person.
        """
        with self._lock:
            last = self._last_frame
        if last is None:
            return
        planes, layout = last
        luma, cb, cr = layout.empty(1)
        for _ in range(RUN_IN_FRAMES):
            protector.protect(planes, layout, (luma[0], cb[0], cr[0]))


def _loading(old: LiveSettings, new: LiveSettings) -> str:
    if new.model != old.model:
        return f"loading model {new.model}"
    if new.background != old.background and new.mode == "replace":
        return "loading the background"
    return "applying the settings"
