"""`ProtectTrack`: a video track of aiortc that shows the frames of another one protected."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from unveil.errors import InvalidParameter
from unveil.live.safe_protector import SafeProtector
from unveil.protection import Protector
from unveil.protection.frames import empty_frame
from unveil.protection.parameters import (
    DEFAULT_EDGE,
    DEFAULT_SMOOTH,
    Background,
    Mode,
    ProtectModel,
)
from unveil.protection.protector import PersonSegmenter
from unveil.video.chunk import Layout
from unveil.video.pixel_format import PlaneReader

logger = logging.getLogger(__name__)


class ProtectTrack(MediaStreamTrack):
    """Protects the frames of a video track; of frames that wait, only the newest is kept.

    Every frame that it gives was protected, or shows the background alone where that failed. The
    protection runs in a thread of its own, so the event loop goes on.

    Parameters
    ----------
    track
        The track to protect. It is read from the first `recv` on, and stopped with this one.
    mode, background, blur, model, edge, smooth, every, threads, careful, segmenter
        As in `unveil.Protector`.

    Attributes
    ----------
    n_frames, n_dropped, n_failed
        Frames that were protected, those that newer ones replaced before that, and those of the
        first that show the background alone because something failed.

    Raises
    ------
    InvalidParameter
        The track is none of video.
    UnveilError
        As `unveil.Protector`.

    Notes
    -----
    Making it loads networks, which takes part of a second. If the kernels are not in the cache,
    the first `recv` waits until they are compiled.
    """

    kind = "video"

    def __init__(
        self,
        track: MediaStreamTrack,
        mode: Mode | None = None,
        *,
        background: Background | None = None,
        blur: int | None = None,
        model: ProtectModel = "auto",
        edge: float = DEFAULT_EDGE,
        smooth: int = DEFAULT_SMOOTH,
        every: int = 1,
        threads: int | None = None,
        careful: bool = False,
        segmenter: PersonSegmenter | None = None,
    ) -> None:
        super().__init__()
        if track.kind != "video":
            raise InvalidParameter(f"track: is one of {track.kind}, not of video")
        self.n_frames = self.n_dropped = self.n_failed = 0
        self._source = track
        self._protector = SafeProtector(
            lambda: Protector(
                mode,
                background=background,
                blur=blur,
                model=model,
                edge=edge,
                smooth=smooth,
                every=every,
                threads=threads,
                careful=careful,
                segmenter=segmenter,
            )
        )
        self._reader = PlaneReader()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="unveil-protect")
        self._newest: av.VideoFrame | None = None
        self._arrived = asyncio.Event()
        self._prepared = self._source_ended = False
        self._reading: asyncio.Task[None] | None = None

    async def recv(self) -> av.VideoFrame:
        """Wait for the next protected frame, with the time of its original.

        Raises
        ------
        MediaStreamError
            One of the tracks has ended.
        """
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        # Before the first frame is read, which would else grow old meanwhile.
        if not self._prepared:
            await loop.run_in_executor(self._thread, self._protector.prepare)
            self._prepared = True
        if self._reading is None:
            self._reading = loop.create_task(self._read())
        while self._newest is None:
            if self._source_ended or self.readyState != "live":
                self.stop()
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        frame, self._newest = self._newest, None
        return await loop.run_in_executor(self._thread, self._protect, frame)

    def stop(self) -> None:
        """Stop both tracks and free what protects; further calls do nothing."""
        if self.readyState != "live":
            return
        super().stop()
        self._source.stop()
        if self._reading is not None:
            self._reading.cancel()
        self._arrived.set()
        self._thread.submit(self._protector.close)
        self._thread.shutdown(wait=False)

    async def _read(self) -> None:
        """Keep the newest frame of the source: its own queue would grow."""
        try:
            while True:
                frame = await self._source.recv()
                assert isinstance(frame, av.VideoFrame)  # of a track of video
                self.n_dropped += self._newest is not None
                self._newest = frame
                self._arrived.set()
        except MediaStreamError:
            pass
        except Exception:
            logger.exception("the track to protect failed")
        finally:
            self._source_ended = True
            self._arrived.set()

    def _protect(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Protect a frame, in the thread that protects."""
        try:
            layout = self._reader.layout_of(frame)
            luma, cb, cr = layout.empty(1)
            planes = luma[0], cb[0], cr[0]
            self._reader.copy_into(frame, (luma, cb, cr), 0)
        except Exception:
            logger.debug("a frame cannot be read", exc_info=True)
            layout = Layout(frame.height, frame.width, 1, 1)
            shown, target = empty_frame(layout)
            self._protector.show_background(layout, target)
            self.n_failed += 1
        else:
            shown, target = empty_frame(layout)
            protected = self._protector.protect(planes, layout, target)
            self.n_failed += protected.failure is not None
        self.n_frames += 1
        shown.pts = frame.pts
        if frame.time_base is not None:
            shown.time_base = frame.time_base
        return shown
