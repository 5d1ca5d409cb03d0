"""`Segmenter`: frames in, masks of the person out."""

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
"""Below it a pose model has lost the person."""

MAX_THREADS: Final = 4
"""Taken where none are asked for: these networks are too small to keep more cores busy."""

N_LANDMARKS: Final = 33
_CENTRE, _TOP = 33, 34
"""Landmarks that stand for no part of the body but for the circle around the person."""
_VALUES_PER_LANDMARK: Final = 5  # x, y, z, visibility, presence
_LANDMARKS, _PRESENCE, _MASK = 0, 1, 2  # outputs of a pose model

_MAX_LOGIT: Final = 40.0
"""Beyond it a float32 sigmoid is 0 or 1 anyway, and the exponential would overflow."""


class Segmenter:
    """Finds the person in the frames of one video, one after the other.

    The pose models ("lite", "full", "heavy") look at a square around one person and follow
    that person from frame to frame by the landmarks they find. Only to begin with, and where
    the person is lost, a detector searches the whole frame; of several people it takes the one
    of whom it is surest, and the others count as not the person. The selfie models look at the
    whole frame, keep nothing from one frame to the next, and mark all people.

    The same frames give the same masks, with any number of threads. A mask of a pose model
    depends on the frames before; `reset` forgets them. Not thread-safe: use one per thread.

    Parameters
    ----------
    model
        One of `MODELS`.
    threads
        Threads of the network; None takes one per core, at most four.

    Raises
    ------
    InvalidParameter
        There is no such model, or `threads` is not positive.
    DamagedModel
        A network's file is missing or has been changed.
    MissingRuntime
        LiteRT is not installed, or not for this machine.
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
            It is neither.
        av.error.FFmpegError
            The frame's pixel format cannot be read.
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
        """Find the person in a frame that is given as its native planes.

        Parameters
        ----------
        planes
            uint8 of shape (h, w), (ch, cw), (ch, cw), as `layout` says; best C-contiguous.
        layout
            The frame's shape and colour.

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
            self.reset()  # the region counts in pixels of frames of another size
            self._frame_size = layout.height, layout.width
        if self._region is not None:
            mask = self._look_at(self._region, planes, layout)
            if mask is not None:
                return mask
        found = self._detector.find(planes, layout)
        mask = None if found is None else self._look_at(found, planes, layout)
        return mask or self._nobody(layout)

    def count_people(self, planes: Planes, layout: Layout) -> int | None:
        """Count the people in a frame, whoever is followed; None for a model that marks them all.

        Parameters
        ----------
        planes, layout
            As for `mask_planes`.
        """
        return None if self._detector is None else self._detector.count(planes, layout)

    def reset(self) -> None:
        """Forget the person who was followed: the next frame has nothing to do with the last."""
        self._region = None

    def _whole_frame(self, planes: Planes, layout: Layout) -> Mask:
        """Let a selfie model see the frame, stretched to its input."""
        to_frame = self._stretched(layout)
        sampling.fill(self._network.tensor, planes, layout, to_frame, black=0.0, white=1.0)
        self._network.run()
        probability = np.clip(self._network.output(0)[..., 0], 0.0, 1.0)
        presence = float(probability.max())
        return Mask(
            probability, inverse(to_frame), layout.height, layout.width, presence, landmarks=None
        )

    def _look_at(self, region: Region, planes: Planes, layout: Layout) -> Mask | None:
        """Let a pose model see a region; without a person there, None and nothing to follow."""
        to_frame = region.to_frame(self._model.width)
        sampling.fill(self._network.tensor, planes, layout, to_frame, black=0.0, white=1.0)
        self._network.run()
        presence = float(self._network.output(_PRESENCE)[0])
        if not presence >= MIN_PRESENCE:
            self._region = None
            return None
        values = self._network.output(_LANDMARKS).reshape(-1, _VALUES_PER_LANDMARK)
        points = moved(to_frame, values[:, :2].astype(np.float64))
        self._region = Region.around(points[_CENTRE], points[_TOP])
        return Mask(
            _sigmoid(self._network.output(_MASK)[..., 0]),
            inverse(to_frame),
            layout.height,
            layout.width,
            min(presence, 1.0),
            landmarks=np.column_stack(
                [points[:N_LANDMARKS], _sigmoid(values[:N_LANDMARKS, 3])]
            ).astype(np.float32),
        )

    def _nobody(self, layout: Layout) -> Mask:
        nothing = np.zeros((self._model.height, self._model.width), np.float32)
        to_mask = inverse(self._stretched(layout))
        return Mask(nothing, to_mask, layout.height, layout.width, 0.0, landmarks=None)

    def _stretched(self, layout: Layout) -> F64:
        """Map the network's input to the whole frame: (2, 3)."""
        scale_x, scale_y = layout.width / self._model.width, layout.height / self._model.height
        return np.array([[scale_x, 0.0, 0.0], [0.0, scale_y, 0.0]])

    def _planes(self, layout: Layout) -> Planes:
        """Planes for one frame, kept from frame to frame: (1, h, w), (1, ch, cw), (1, ch, cw)."""
        if self._buffer is None or self._buffer[0] != layout:
            self._buffer = layout, layout.empty(1)
        return self._buffer[1]


def _sigmoid(logits: F32) -> F32:
    """Turn logits into probabilities, float32."""
    odds: F32 = np.exp(np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT))
    return odds / (1 + odds)
