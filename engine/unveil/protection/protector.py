"""`Protector`: replaces the background of frames; if a step fails, only background shows."""

from __future__ import annotations

import logging
import math
import warnings
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeAlias

import av
import numpy as np

from unveil.arrays import U8
from unveil.errors import InvalidParameter, ProtectionFailed, UnveilError, explain
from unveil.parallel import Bands
from unveil.protection.agreement import AGREEING_MODELS, AgreeingSegmenter
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
from unveil.protection.tally import ProtectTally
from unveil.video.chunk import Layout, Planes
from unveil.video.pixel_format import PlaneReader

if TYPE_CHECKING:
    from unveil.person import Mask

logger = logging.getLogger(__name__)

MAX_FAILURES_IN_A_ROW: Final = 30
"""Number of consecutive failed frames, about a second, after which the run ends with an error."""


class PersonSegmenter(Protocol):
    """Segments the person in frames; `unveil.person.Segmenter` is one."""

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask | None:
        """Segment planes (h, w), (ch, cw), (ch, cw). None or presence 0: no person was found."""

    def reset(self) -> None:
        """Forget earlier frames."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The mask of a frame.

    Attributes
    ----------
    mask
        None if no person was found, or if `stale`.
    stale
        Whether the network did not run on this frame, so that the last mask applies.
    model
        Name of the network, None if unknown.
    """

    mask: Mask | None = None
    stale: bool = False
    model: str | None = None


@dataclass(frozen=True, slots=True)
class DetectionFailed:
    """The error because of which a frame has no mask."""

    error: Exception


Detection: TypeAlias = Detected | DetectionFailed


class Protector:
    """Removes, blurs or replaces the background of frames, in the order of time.

    It fails closed: a frame in which no person is found, or for which a step fails, shows the
    background alone (in mode "blur": the whole frame is blurred). `tally` counts these frames.
    After `MAX_FAILURES_IN_A_ROW` consecutive failures an error is raised. A frame is never passed
    through unchanged.

    Parameters
    ----------
    mode, background, blur, model, edge, smooth, every, threads, careful
        As in `ProtectParameters`.
    transparent
        For mode "remove": whether the protected frames have an alpha plane. Their colours are
        those of the person over black, so that a viewer that ignores alpha shows no room.
    pixel_aspect
        Width of the frames' pixels divided by their height: a background keeps its proportions.
    segmenter
        Segments the person; None uses `unveil.person.Segmenter` with `model`, or an
        `AutoSegmenter` for model "auto".

    Attributes
    ----------
    parameters : ProtectParameters
    tally : ProtectTally

    Raises
    ------
    InvalidParameter
        A value is out of range, or does not fit the mode.
    UnreadableImage, UnreadableVideo
        The background cannot be read.
    DamagedModel
        The model's file is damaged.

    Notes
    -----
    Not thread-safe, except that `detect_person` may run in another thread than `compose`.

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
        careful: bool = False,
        transparent: bool = False,
        pixel_aspect: Fraction = Fraction(1),
        segmenter: PersonSegmenter | None = None,
    ) -> None:
        self.parameters = ProtectParameters(
            mode, background, blur, model, edge, smooth, every, threads, careful
        )
        chosen = self.parameters.chosen_mode
        if transparent and (chosen != "remove" or background is not None):
            raise InvalidParameter("transparent: only mode remove without a background can be")
        self.transparent = transparent
        self.tally = ProtectTally()
        self._safe = Colour(0, 0, 0) if transparent else Colour(128, 128, 128)
        self._backdrop: Backdrop | None = None
        if transparent:
            self._backdrop = self._safe
        elif chosen == "remove":
            self._backdrop = self._safe = as_colour(background)
        elif background is not None:
            self._backdrop = make_backdrop(background, pixel_aspect)
        self._segmenter = segmenter or _make_segmenter(self.parameters)
        self._bands = Bands(self.parameters.n_threads)
        self._compositor: Compositor | None = None
        self._reader = PlaneReader()
        self._buffer: tuple[Layout, Planes] | None = None
        self._layout: Layout | None = None
        self._n_since_reset = 0
        self._model: str | None = None
        self._n_failures_in_a_row = 0

    def __enter__(self) -> Self:
        """Return the protector itself."""
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
        """Free the background; further calls do nothing."""
        if self._backdrop is not None:
            self._backdrop.close()

    def reset(self) -> None:
        """Forget earlier frames: the next frame is unrelated to them."""
        self._segmenter.reset()
        self._n_since_reset = 0
        if self._compositor is not None:
            self._compositor.clear()

    def frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Protect a frame.

        Parameters
        ----------
        frame
            A frame in any pixel format, in main memory; it is not changed.

        Returns
        -------
        protected
            A new frame of the same size and time, with 8 bits per sample and the same chroma
            resolution and colour space (RGB as gbrp); with an alpha plane if `transparent`.

        Raises
        ------
        ProtectionFailed
            `MAX_FAILURES_IN_A_ROW` consecutive frames failed.
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
        self.compose(planes, layout, self.detect_person(planes, layout), target, seconds)
        protected.pts = frame.pts
        if frame.time_base is not None:
            protected.time_base = frame.time_base
        return protected

    def planes(self, planes: Planes, layout: Layout, seconds: float = math.nan) -> Planes:
        """Protect a frame given as decoded planes; faster than `frame`.

        Parameters
        ----------
        planes
            uint8 (h, w), (ch, cw), (ch, cw), C-contiguous; not changed.
        layout
            Shape and colour of the planes.
        seconds
            Time of the frame, for a background video; NaN: a 30th of a second after the last one.

        Returns
        -------
        protected
            New planes of the same layout.

        Raises
        ------
        ProtectionFailed
            `MAX_FAILURES_IN_A_ROW` consecutive frames failed.
        """
        if self.transparent:
            raise InvalidParameter("transparent: planes hold no opacity; use frame")
        luma, cb, cr = layout.empty(1)
        protected = luma[0], cb[0], cr[0]
        self.compose(planes, layout, self.detect_person(planes, layout), protected, seconds)
        return protected

    def detect_person(self, planes: Planes, layout: Layout) -> Detection:
        """Segment the person: the first half of `planes`, for pipelines that overlap the two.

        Frames must be given in the order of time. An error is not raised but returned, and
        `compose` then shows the background alone.
        """
        try:
            if layout != self._layout:
                self._segmenter.reset()
                self._layout, self._n_since_reset = layout, 0
            number = self._n_since_reset
            self._n_since_reset += 1
            if number % self.parameters.every:
                return Detected(stale=True, model=self._model)
            mask = self._segmenter.mask_planes(planes, layout)
            self._model = None if mask is None else mask.model
            if mask is None or not mask.presence > 0:
                return Detected(model=self._model)
            return Detected(mask, model=self._model)
        except Exception as error:
            logger.debug("segmentation failed", exc_info=True)
            self._n_since_reset = 0  # run the network on the next frame, whatever `every` is
            return DetectionFailed(error)

    def sight(self, planes: Planes, layout: Layout) -> Detection:
        """Call `detect_person`; deprecated name."""
        warnings.warn(
            "Protector.sight is deprecated; call Protector.detect_person",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.detect_person(planes, layout)

    def compose(
        self,
        planes: Planes,
        layout: Layout,
        detection: Detection,
        target: tuple[U8, ...],
        seconds: float = math.nan,
    ) -> None:
        """Write a protected frame, given its detection: the second half of `planes`.

        Parameters
        ----------
        planes, layout, seconds
            As for `planes`.
        detection
            The result of `detect_person` for this frame.
        target
            Planes to write; they may have more columns than the picture. If `transparent`, a
            fourth plane takes the alpha.

        Raises
        ------
        ProtectionFailed
            `MAX_FAILURES_IN_A_ROW` consecutive frames failed. `target` must not be shown.
        """
        tally = self.tally
        error: Exception | None = None
        if isinstance(detection, DetectionFailed):
            error = detection.error
            tally.segmentation_failed += 1
        try:
            alone = not self._blend(planes, layout, detection, target, seconds)
        except Exception as failure:
            logger.debug("composition failed", exc_info=True)
            if self._compositor is not None:
                self._compositor.clear()  # its opacity may be incomplete
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
            if isinstance(detection, Detected) and detection.model is not None:
                tally.models[detection.model] = tally.models.get(detection.model, 0) + 1
            return
        tally.last_error = explain(error)
        self._n_failures_in_a_row += 1
        if self._n_failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            hint = "" if isinstance(error, UnveilError) else "; try another --model"
            raise ProtectionFailed(
                f"{self._n_failures_in_a_row} frames in a row could not be protected: "
                f"{tally.last_error}{hint}"
            ) from error

    def _blend(
        self,
        planes: Planes,
        layout: Layout,
        detection: Detection,
        target: tuple[U8, ...],
        seconds: float,
    ) -> bool:
        """Write the frame; return whether it may show a person."""
        compositor = self._compositor
        if compositor is None or compositor.layout != layout:
            chosen = self.parameters
            compositor = self._compositor = Compositor(
                layout,
                self._bands,
                edge=chosen.edge,
                smooth=chosen.smooth,
                careful=chosen.careful,
            )
        stale = isinstance(detection, Detected) and detection.stale
        if isinstance(detection, Detected) and detection.mask is not None:
            mask = detection.mask
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
        """Fill the frame with one colour, fully transparent if it has an alpha plane."""
        for plane, colour in zip(target, self._safe.planes(layout, 0.0), strict=False):
            plane[:, : colour.shape[1]] = colour
        if len(target) == 4:
            target[3][:] = 0


def _make_segmenter(parameters: ProtectParameters) -> PersonSegmenter:
    from unveil.person import Segmenter

    if parameters.model == "agreeing":
        return AgreeingSegmenter(
            [Segmenter(model, threads=parameters.threads) for model in AGREEING_MODELS]
        )
    if parameters.model != "auto":
        return Segmenter(parameters.model, threads=parameters.threads)
    return AutoSegmenter(
        Segmenter(POSE_MODEL, threads=parameters.threads),
        Segmenter(SELFIE_MODEL, threads=parameters.threads),
        edge=parameters.edge,
    )


def prepare(protector: Protector) -> None:
    """Load the kernels of a protector; those that are not in the cache are compiled."""
    layout = Layout(16, 16, 1, 1)
    luma, cb, cr = layout.empty(1)
    planes: Planes = (luma[0], cb[0], cr[0])
    for plane in planes:
        plane[:] = 128
    with suppress(Exception):  # the same failure on a frame is counted
        if isinstance(protector._segmenter, AutoSegmenter):
            protector._segmenter.prepare(planes, layout)
        else:
            protector._segmenter.mask_planes(planes, layout)
            protector._segmenter.reset()
    chosen = protector.parameters
    compositor = Compositor(
        layout, Bands(1), edge=chosen.edge, smooth=chosen.smooth, careful=chosen.careful
    )
    landmarks = np.zeros((1, 3), np.float32)
    compositor.place(np.zeros((4, 4), np.float32), 0.25 * np.eye(2, 3), landmarks)
    _, target = empty_frame(layout, alpha=protector.transparent)
    if chosen.chosen_mode == "blur":
        compositor.before_blur(planes, 4, target, stale=False)
    else:
        compositor.over(planes, planes, target, stale=False)
