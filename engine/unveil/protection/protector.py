"""`Protector`: frames in, frames without the room out. What goes wrong shows the background."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias

import av
import numpy as np

from unveil.arrays import U8
from unveil.errors import InvalidParameter, ProtectionFailed, UnveilError, explain
from unveil.parallel import Bands
from unveil.protection.auto import POSE_MODEL, SELFIE_MODEL, AutoSegmenter
from unveil.protection.backdrop import Backdrop, Colour, as_colour, make_backdrop
from unveil.protection.compose import Compositor
from unveil.protection.frames import empty_frame
from unveil.protection.parameters import (
    DEFAULT_EDGE,
    DEFAULT_SMOOTH,
    Background,
    Mode,
    ProtectModel,
    ProtectParameters,
)
from unveil.video.chunk import Layout, Planes
from unveil.video.pixel_format import PlaneReader

if TYPE_CHECKING:
    from unveil.person import Mask

logger = logging.getLogger(__name__)

MAX_FAILURES_IN_A_ROW: Final = 30
"""After so many frames that failed one after the other, about a second, the run ends."""


class Segments(Protocol):
    """What finds the person; `unveil.person.Segmenter` is one."""

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask | None:
        """Find the person in planes (h, w), (ch, cw), (ch, cw); None or presence 0: nobody."""

    def reset(self) -> None:
        """Forget earlier frames."""


@dataclass(slots=True)
class ProtectTally:
    """How many frames came out, and how many of them show the background alone, and why.

    `models` tells by which network's mask how many frames were shown; one that was changed over
    from belongs to it until nothing shows that it alone marks.

    `nobody_found` frames show no person. In `segmentation_failed` frames the network failed, in
    `composition_failed` frames blending or the background did; `last_error` says how, last.
    """

    frames: int = 0
    nobody_found: int = 0
    segmentation_failed: int = 0
    composition_failed: int = 0
    last_error: str | None = None
    models: dict[str, int] = field(default_factory=dict)

    @property
    def failed_closed(self) -> int:
        """Frames that show the background alone."""
        return self.nobody_found + self.segmentation_failed + self.composition_failed

    def as_dict(self) -> dict[str, Any]:
        """All counts, ready for JSON."""
        return {
            "frames": self.frames,
            "frames_failed_closed": self.failed_closed,
            "nobody_found": self.nobody_found,
            "segmentation_failed": self.segmentation_failed,
            "composition_failed": self.composition_failed,
            "last_error": self.last_error,
            "models": dict(self.models),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The mask of a frame; `stale` where it is an earlier frame's, None where nobody is there.

    `model` names the network that looked, where it is known.
    """

    mask: Mask | None = None
    stale: bool = False
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a frame has no mask."""

    error: Exception


Sighting: TypeAlias = Found | Failed


class Protector:
    """Removes, blurs or replaces the background of frames, one after the other.

    The room is never shown by accident. A frame in which nobody is found comes out as background
    alone (in mode "blur": blurred as a whole), and so does one in which something failed; both
    are counted in `tally`. When `MAX_FAILURES_IN_A_ROW` frames failed, an error is raised. A
    frame is never passed through.

    Parameters
    ----------
    mode, background, blur, model, edge, smooth, every, threads
        As in `ProtectParameters`.
    transparent
        For mode "remove": whether frames come out with a plane of opacity. Their colours are
        those of the person before black, so that a viewer that ignores opacity sees no room.
    segmenter
        Finds the person; None takes `unveil.person.Segmenter` with `model`, or an `AutoSegmenter`.

    Attributes
    ----------
    parameters : ProtectParameters
    tally : ProtectTally

    Raises
    ------
    InvalidParameter
        A value lies outside its range, or does not fit the mode.
    UnreadableImage, UnreadableVideo
        The background cannot be shown.
    DamagedModel
        The model's file is damaged.

    Notes
    -----
    Not thread-safe, but that `sight` may run in another thread than `compose`.

    Examples
    --------
    >>> with Protector("replace", background="beach.jpg") as protector:  # doctest: +SKIP
    ...     for frame in frames:  # av.VideoFrame
    ...         show(protector.frame(frame))
    """

    def __init__(
        self,
        mode: Mode | None = None,
        *,
        background: Background | None = None,
        blur: int | None = None,
        model: ProtectModel = "auto",
        edge: float = DEFAULT_EDGE,
        smooth: int = DEFAULT_SMOOTH,
        every: int = 1,
        threads: int | None = None,
        transparent: bool = False,
        segmenter: Segments | None = None,
    ) -> None:
        self.parameters = ProtectParameters(
            mode, background, blur, model, edge, smooth, every, threads
        )
        chosen = self.parameters.chosen_mode
        if transparent and (chosen != "remove" or background is not None):
            raise InvalidParameter("transparent: only mode remove without a background is")
        self.transparent = transparent
        self.tally = ProtectTally()
        self._safe = Colour(0, 0, 0) if transparent else Colour(128, 128, 128)
        self._backdrop: Backdrop | None = None
        if transparent:
            self._backdrop = self._safe
        elif chosen == "remove":
            self._backdrop = self._safe = as_colour(background)
        elif background is not None:
            self._backdrop = make_backdrop(background)
        self._segmenter = segmenter or _make_segmenter(self.parameters)
        self._bands = Bands(self.parameters.n_threads)
        self._compositor: Compositor | None = None
        self._reader = PlaneReader()
        self._buffer: tuple[Layout, Planes] | None = None
        self._sighted_layout: Layout | None = None
        self._n_sighted = 0
        self._model: str | None = None
        self._n_failures_in_a_row = 0

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free the background; a second time does nothing."""
        if self._backdrop is not None:
            self._backdrop.close()

    def reset(self) -> None:
        """Forget earlier frames: the next one has nothing to do with them."""
        self._segmenter.reset()
        self._n_sighted = 0
        if self._compositor is not None:
            self._compositor.clear()

    def frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Protect a frame.

        Parameters
        ----------
        frame
            In any pixel format, in main memory. It is not changed.

        Returns
        -------
        protected
            A new frame of the same size and time, 8 bits, in the frame's own chroma resolution
            and colours, RGB as gbrp; with opacity where `transparent`.

        Raises
        ------
        ProtectionFailed
            `MAX_FAILURES_IN_A_ROW` frames failed.
        av.error.FFmpegError
            The frame's pixel format cannot be read.
        """
        layout = self._reader.layout_of(frame)
        if self._buffer is None or self._buffer[0] != layout:
            self._buffer = layout, layout.empty(1)
        luma, cb, cr = self._buffer[1]
        self._reader.copy_into(frame, (luma, cb, cr), 0)
        planes = luma[0], cb[0], cr[0]
        protected, target = empty_frame(layout, alpha=self.transparent)
        seconds = math.nan
        if frame.pts is not None and frame.time_base:
            seconds = float(frame.pts * frame.time_base)
        self.compose(planes, layout, self.sight(planes, layout), target, seconds)
        protected.pts = frame.pts
        if frame.time_base is not None:
            protected.time_base = frame.time_base
        return protected

    def planes(self, planes: Planes, layout: Layout, seconds: float = math.nan) -> Planes:
        """Protect a frame given as native planes; faster than `frame`.

        Parameters
        ----------
        planes
            uint8 (h, w), (ch, cw), (ch, cw), C-contiguous; not changed.
        layout
            Shape and colour of the planes.
        seconds
            Time of the frame, for a background that plays; NaN: one 30th after the last one.

        Returns
        -------
        protected
            New planes of the same layout.

        Raises
        ------
        ProtectionFailed
            `MAX_FAILURES_IN_A_ROW` frames failed.
        """
        if self.transparent:
            raise InvalidParameter("transparent: planes hold no opacity; use frame")
        luma, cb, cr = layout.empty(1)
        protected = luma[0], cb[0], cr[0]
        self.compose(planes, layout, self.sight(planes, layout), protected, seconds)
        return protected

    def sight(self, planes: Planes, layout: Layout) -> Sighting:
        """Look for the person; the first half of `planes`, for pipelines that overlap the two.

        Frames must come in their order. It does not raise: `compose` is told what failed.
        """
        try:
            if layout != self._sighted_layout:
                self._segmenter.reset()
                self._sighted_layout, self._n_sighted = layout, 0
            number = self._n_sighted
            self._n_sighted += 1
            if number % self.parameters.every:
                return Found(stale=True, model=self._model)
            mask = self._segmenter.mask_planes(planes, layout)
            self._model = None if mask is None else mask.model
            if mask is None or not mask.presence > 0:
                return Found(model=self._model)
            return Found(mask, model=self._model)
        except Exception as error:
            logger.debug("segmentation failed", exc_info=True)
            self._n_sighted = 0  # the next frame is looked at, whatever its turn
            return Failed(error)

    def compose(
        self,
        planes: Planes,
        layout: Layout,
        sighting: Sighting,
        target: tuple[U8, ...],
        seconds: float = math.nan,
    ) -> None:
        """Write a protected frame, given what `sight` said of it; the second half of `planes`.

        Parameters
        ----------
        planes, layout, seconds
            As for `planes`.
        sighting
            What `sight` returned for this very frame.
        target
            Planes to write, which may have more columns than the picture; with a fourth one for
            the opacity if `transparent`.

        Raises
        ------
        ProtectionFailed
            `MAX_FAILURES_IN_A_ROW` frames failed. What `target` holds must not be shown.
        """
        tally = self.tally
        error: Exception | None = None
        if isinstance(sighting, Failed):
            error = sighting.error
            tally.segmentation_failed += 1
        try:
            alone = not self._blend(planes, layout, sighting, target, seconds)
        except Exception as failure:
            logger.debug("composition failed", exc_info=True)
            if self._compositor is not None:
                self._compositor.clear()  # what it holds may be half of something
            self._fill(layout, target)
            if error is None:
                tally.composition_failed += 1
            error = failure
        else:
            if error is None and alone:
                tally.nobody_found += 1
        tally.frames += 1
        if error is None:
            self._n_failures_in_a_row = 0
            if isinstance(sighting, Found) and sighting.model is not None:
                tally.models[sighting.model] = tally.models.get(sighting.model, 0) + 1
            return
        tally.last_error = explain(error)
        self._n_failures_in_a_row += 1
        if self._n_failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            said = tally.last_error
            hint = "" if isinstance(error, UnveilError) else "; try another --model"
            raise ProtectionFailed(
                f"{self._n_failures_in_a_row} frames in a row could not be protected: {said}{hint}"
            ) from error

    def _blend(
        self,
        planes: Planes,
        layout: Layout,
        sighting: Sighting,
        target: tuple[U8, ...],
        seconds: float,
    ) -> bool:
        """Write the frame; return whether anybody may show."""
        compositor = self._compositor
        if compositor is None or compositor.layout != layout:
            chosen = self.parameters
            compositor = self._compositor = Compositor(
                layout, self._bands, edge=chosen.edge, smooth=chosen.smooth
            )
        stale = isinstance(sighting, Found) and sighting.stale
        if isinstance(sighting, Found) and sighting.mask is not None:
            mask = sighting.mask
            compositor.place(mask.probability, mask.to_mask, mask.landmarks)
        elif not stale:
            compositor.clear()
        if self._backdrop is None:
            radius = self.parameters.blur_radius(layout.height)
            compositor.before_blur(planes, radius, target, stale=stale)
        else:
            if math.isnan(seconds):
                seconds = self.tally.frames / 30
            backdrop = self._backdrop.planes(layout, seconds)
            compositor.over(planes, backdrop, target, stale=stale)
        return compositor.shows_somebody

    def _fill(self, layout: Layout, target: tuple[U8, ...]) -> None:
        """Write the plainest background there is."""
        for plane, colour in zip(target, self._safe.planes(layout, 0.0), strict=False):
            plane[:, : colour.shape[1]] = colour
        if len(target) == 4:
            target[3][:] = 0


def _make_segmenter(parameters: ProtectParameters) -> Segments:
    from unveil.person import Segmenter

    if parameters.model != "auto":
        return Segmenter(parameters.model, threads=parameters.threads)
    return AutoSegmenter(
        Segmenter(POSE_MODEL, threads=parameters.threads),
        Segmenter(SELFIE_MODEL, threads=parameters.threads),
        edge=parameters.edge,
    )


def prepare(protector: Protector) -> None:
    """Load the kernels that a protector needs, compiling those that are not in the cache."""
    layout = Layout(16, 16, 1, 1)
    luma, cb, cr = layout.empty(1)
    planes: Planes = (luma[0], cb[0], cr[0])
    for plane in planes:
        plane[:] = 128
    with suppress(Exception):  # what fails here is counted when it fails on a frame
        if isinstance(protector._segmenter, AutoSegmenter):
            protector._segmenter.prepare(planes, layout)
        else:
            protector._segmenter.mask_planes(planes, layout)
            protector._segmenter.reset()
    chosen = protector.parameters
    compositor = Compositor(layout, Bands(1), edge=chosen.edge, smooth=chosen.smooth)
    landmarks = np.zeros((1, 3), np.float32)
    compositor.place(np.zeros((4, 4), np.float32), 0.25 * np.eye(2, 3), landmarks)
    _, target = empty_frame(layout, alpha=protector.transparent)
    if chosen.chosen_mode == "blur":
        compositor.before_blur(planes, 4, target, stale=False)
    else:
        compositor.over(planes, planes, target, stale=False)
