"""`Segmenter` finds the person mask of each frame of a video."""

from __future__ import annotations

from typing import Final

import av
import numpy as np

from unveil.arrays import F32, F64, U8
from unveil.errors import check_choice, check_positive
from unveil.parallel import available_cores
from unveil.person import sampling
from unveil.person.detector import Detector
from unveil.person.mask import Mask
from unveil.person.models import MODELS, Model, ModelName
from unveil.person.network import Network
from unveil.person.region import Region, inverse, moved
from unveil.video.chunk import Colour, Layout, Planes
from unveil.video.pixel_format import PlaneReader

MIN_PRESENCE: Final = 0.5
"""Below this presence a pose model has lost the person."""

MAX_THREADS: Final = 4
"""Default number of threads at most: these networks are too small to use more cores."""

N_LANDMARKS: Final = 33
_CENTRE, _TOP = 33, 34
"""Auxiliary landmarks, which define the circle around the person."""
_VALUES_PER_LANDMARK: Final = 5  # x, y, z, visibility, presence
_LANDMARKS, _PRESENCE, _MASK = 0, 1, 2  # outputs of a pose model

_MAX_LOGIT: Final = 40.0
"""Beyond this a float32 sigmoid is 0 or 1, and the exponential would overflow."""


class Segmenter:
    """Finds the person in the frames of one video, in their order.

    The pose models ("lite", "full", "heavy") see a square region around one person and track that
    person by the landmarks of the last frame. At the start, and when the person is lost, a
    detector searches the whole frame. Of several people it takes the one with the highest score;
    the others do not count as the person. The selfie models see the whole frame, keep no state
    between frames, and mark all people.

    The same frames give the same masks, with any number of threads. A pose model's mask depends
    on the frames before; `reset` clears that state. Not thread-safe: use one per thread.

    Parameters
    ----------
    model
        One of `MODELS`.
    threads
        Threads of the network; None uses one per core, at most four.

    Raises
    ------
    InvalidParameter
        There is no such model, or `threads` is not positive.
    DamagedModel
        A network's file is missing or has been changed.
    MissingRuntime
        LiteRT is not installed, or not available for this machine.
    """

    def __init__(self, model: ModelName = "full", *, threads: int | None = None) -> None:
        check_choice("model", model, MODELS)
        if threads is not None:
            check_positive("threads", threads)
        n_threads = threads or min(available_cores(), MAX_THREADS)
        self.model: ModelName = model
        self._model: Model = MODELS[model]
        self._network = Network(self._model, n_threads)
        self._detector = Detector(n_threads) if self._model.tracks else None
        self._region: Region | None = None
        self._frame_size: tuple[int, int] | None = None
        self._plane_reader = PlaneReader()
        self._buffer: tuple[Layout, Planes] | None = None

    def mask(self, frame: av.VideoFrame | U8) -> Mask:
        """Find the person in a frame.

        Parameters
        ----------
        frame
            A frame of any pixel format, or RGB as (h, w, 3) uint8.

        Raises
        ------
        ValueError
            The frame is neither.
        av.error.FFmpegError
            The frame's pixel format cannot be converted.
        """
        if isinstance(frame, av.VideoFrame):
            layout = self._plane_reader.layout_of(frame)
            planes = self._planes(layout)
            self._plane_reader.copy_into(frame, planes, 0)
        elif isinstance(frame, np.ndarray):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
                raise ValueError(
                    f"{frame.dtype} array of shape {frame.shape}: "
                    "an RGB frame is uint8 of shape (h, w, 3)"
                )
            height, width, _ = frame.shape
            layout = Layout(height, width, colour=Colour("rgb", full_range=True))
            planes = self._planes(layout)
            for plane, channel in zip(planes, (1, 2, 0), strict=True):  # green, blue, red
                plane[0] = frame[..., channel]
        else:
            raise ValueError(f"{type(frame).__name__}: a frame is an av.VideoFrame or an array")
        luma, cb, cr = planes
        return self.mask_planes((luma[0], cb[0], cr[0]), layout)

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Find the person in a frame given as its native planes.

        Parameters
        ----------
        planes
            uint8 of shape (h, w), (ch, cw), (ch, cw) by `layout`; C-contiguous avoids a copy.
        layout
            Shape and colour encoding of the frame.

        Raises
        ------
        ValueError
            The planes do not fit the layout.
        """
        luma, cb, cr = planes
        chroma_shape = (layout.chroma_height, layout.chroma_width)
        if luma.shape != (layout.height, layout.width) or not luma.size:
            raise ValueError(f"luma plane of shape {luma.shape} does not fit {layout}")
        if cb.shape != chroma_shape or cr.shape != chroma_shape:
            raise ValueError(f"chroma planes {cb.shape}, {cr.shape} do not fit {layout}")
        if self._detector is None:
            return self._whole_frame(planes, layout)
        if self._frame_size != (layout.height, layout.width):
            self.reset()  # the region is in pixels of frames of another size
            self._frame_size = layout.height, layout.width
        if self._region is not None:
            found = self.look_at(self._region, planes, layout)
            if found is not None:
                mask, self._region = found
                return mask
        region = self._detector.find(planes, layout)
        found = None if region is None else self.look_at(region, planes, layout)
        if found is None:
            self._region = None
            return self._nobody(layout)
        mask, self._region = found
        return mask

    def count_people(self, planes: Planes, layout: Layout) -> int | None:
        """Count the people in a frame, whoever is followed; None for a model that marks them all.

        Parameters
        ----------
        planes, layout
            As for `mask_planes`.
        """
        return None if self._detector is None else self._detector.count(planes, layout)

    def detect(
        self, planes: Planes, layout: Layout, to_frame: F64, known: Mask | None
    ) -> Region | None:
        """Search a part of a frame for a person beside a known one, whoever is followed.

        Parameters
        ----------
        planes, layout
            As for `mask_planes`.
        to_frame
            (2, 3) float64, affine map from the detector's input to the frame.
        known
            Mask of the person who is painted over; None: nobody is.

        Returns
        -------
        The region of the surest person, for `look_at`; None if there is none, and for a model
        that marks everybody.
        """
        if self._detector is None:
            return None
        return self._detector.find(planes, layout, to_frame, known)

    def look_at(
        self, region: Region, planes: Planes, layout: Layout
    ) -> tuple[Mask, Region | None] | None:
        """Run a pose model on a region, whoever is followed.

        Parameters
        ----------
        region
            Where the person is about.
        planes, layout
            As for `mask_planes`.

        Returns
        -------
        The mask of the person there and their region for the next frame, None if that is not
        known; None if there is no person.
        """
        to_frame = region.to_frame(self._model.width)
        sampling.fill(self._network.tensor, planes, layout, to_frame, black=0.0, white=1.0)
        self._network.run()
        presence = float(self._network.output(_PRESENCE)[0])
        if not presence >= MIN_PRESENCE:
            return None
        values = self._network.output(_LANDMARKS).reshape(-1, _VALUES_PER_LANDMARK)
        points = moved(to_frame, values[:, :2].astype(np.float64))
        mask = Mask(
            _sigmoid(self._network.output(_MASK)[..., 0]),
            inverse(to_frame),
            layout.height,
            layout.width,
            min(presence, 1.0),
            landmarks=np.column_stack(
                [points[:N_LANDMARKS], _sigmoid(values[:N_LANDMARKS, 3])]
            ).astype(np.float32),
            model=self.model,
        )
        return mask, Region.around(points[_CENTRE], points[_TOP])

    def reset(self) -> None:
        """Stop tracking: call this if the next frame does not continue the last one."""
        self._region = None

    def _whole_frame(self, planes: Planes, layout: Layout) -> Mask:
        """Run a selfie model on the whole frame, stretched to its input."""
        to_frame = self._stretched(layout)
        sampling.fill(self._network.tensor, planes, layout, to_frame, black=0.0, white=1.0)
        self._network.run()
        probability = np.clip(self._network.output(0)[..., 0], 0.0, 1.0)
        presence = float(probability.max())
        return Mask(
            probability,
            inverse(to_frame),
            layout.height,
            layout.width,
            presence,
            landmarks=None,
            model=self.model,
        )

    def _nobody(self, layout: Layout) -> Mask:
        nothing = np.zeros((self._model.height, self._model.width), np.float32)
        to_mask = inverse(self._stretched(layout))
        return Mask(
            nothing, to_mask, layout.height, layout.width, 0.0, landmarks=None, model=self.model
        )

    def _stretched(self, layout: Layout) -> F64:
        """Return the affine map (2, 3) from the network's input to the whole frame."""
        scale_x, scale_y = layout.width / self._model.width, layout.height / self._model.height
        return np.array([[scale_x, 0.0, 0.0], [0.0, scale_y, 0.0]])

    def _planes(self, layout: Layout) -> Planes:
        """Return reused planes for one frame: (1, h, w), (1, ch, cw), (1, ch, cw)."""
        if self._buffer is None or self._buffer[0] != layout:
            self._buffer = layout, layout.empty(1)
        return self._buffer[1]


def _sigmoid(logits: F32) -> F32:
    """Convert logits to probabilities, float32."""
    odds: F32 = np.exp(np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT))
    return odds / (1 + odds)
