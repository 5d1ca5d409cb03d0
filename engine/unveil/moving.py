"""Recovery behind a background that pans or loops, by further passes over the recording.

A background that moves has no colour at a pixel, but a picture that can be predicted: one
that shifts by a constant number of pixels, or one for each phase of a loop. It is learned
from the first frames, outside the person, and goes on learning. What differs from it tells
of the room by the lines that `unveil_kernels.lines` gathers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil.bands import Bands
from unveil.chunk import Chunk, Layout
from unveil.colour import ciede2000, to_lab, to_rgb
from unveil.decision.decided import neighbour_agreement
from unveil.finalise import MOVING
from unveil.parameters import Parameters
from unveil.recording import Recording
from unveil.recovery import Recovery
from unveil.trajectory import PREFIX_FRAMES, Loop, MotionSurvey, Pan
from unveil_kernels import lines

MAX_PHASES: Final = 64
"""Pictures of a loop that are kept, 4 bytes a pixel each; in a longer one neighbours share one."""

MAX_WORLD: Final = 4
"""Length of the picture that pans, in frame lengths, which is kept at most."""

FAR_LEVELS: Final = 12
"""Levels beyond which a sample is not the predicted background."""


MOST_CONFIDENT: Final = 0.49
"""Confidence of a claim with which all neighbours agree, less than a strong one: behind a moving
background about half of the claims, at best, were right on calls of known truth."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Which meeting points count as room: found on calls of known truth, apart for each motion.

    `residual` is the distance, in levels, by which the lines miss the point they share;
    `samples` how many lines there must be; `spread` how unlike their directions: the smallest
    eigenvalue of their matrix, as a share of their weight.
    """

    residual: float
    samples: int
    spread: float = 0.003


TRUST: Final = {Pan: Trust(8.0, 12), Loop: Trust(3.0, 8)}


class Prediction:
    """The picture of a moving background, and where a frame shows it.

    Parameters
    ----------
    layout
        Of the frames.
    motion
        What was found.
    n_frames
        About how many frames there are: a pan's picture need not be longer.
    """

    def __init__(self, layout: Layout, motion: Pan | Loop, n_frames: int) -> None:
        height, width = layout.height, layout.width
        self.motion = motion
        self._layout = layout
        n_pictures = 1
        if isinstance(motion, Loop):
            # Frames that follow each other differ little.
            self._share = -(-motion.frames // MAX_PHASES)
            n_pictures = -(-motion.frames // self._share)
        else:
            travel = int(np.ceil(abs(motion.pixels_per_frame) * n_frames)) + 1
            if motion.axis == "horizontal":
                width = min(width + travel, MAX_WORLD * width)
            else:
                height = min(height + travel, MAX_WORLD * height)
            length = width if motion.axis == "horizontal" else height
            # The line of the endless picture that a place of the ring holds.
            self._holds = np.full(length, np.iinfo(np.int64).min)
        self.pictures = np.zeros((n_pictures, 3, height, width), np.uint8)
        self.votes = np.zeros((n_pictures, height, width), np.uint8)

    def place(self, frame: int) -> tuple[int, int, int]:
        """Return picture, row and column that the first pixel of a frame shows.

        Places of the ring that come into sight with another line of the endless picture than
        they hold are forgotten.
        """
        if isinstance(self.motion, Loop):
            return frame % self.motion.frames // self._share, 0, 0
        down, right = self.motion.offset(frame)
        horizontal = self.motion.axis == "horizontal"
        length = self._layout.width if horizontal else self._layout.height
        shown = np.arange(length) - (right if horizontal else down)
        places = shown % len(self._holds)
        stale = self._holds[places] != shown
        if stale.any():
            forgotten = places[stale]
            self.votes[(..., forgotten) if horizontal else (slice(None), forgotten)] = 0
            self._holds[forgotten] = shown[stale]
        return 0, -down % self.pictures.shape[2], -right % self.pictures.shape[3]

    def learn(self, chunk: Chunk, index: int, frame: int, bands: Bands, tolerance: int) -> None:
        """Learn from a frame of a chunk, number `frame` of the recording."""
        assert chunk.person is not None
        arguments = self._arguments(chunk, index)
        picture, down, right = self.place(frame)

        def step(first: int, last: int) -> None:
            lines.learn_background(
                *arguments,
                first,
                last,
                chunk.layout.chroma_shift_y,
                chunk.layout.chroma_shift_x,
                tolerance,
                down,
                right,
                self.pictures[picture],
                self.votes[picture],
            )

        bands.run(step, chunk.layout.height)

    def gather(
        self, chunk: Chunk, index: int, frame: int, bands: Bands, sums: npt.NDArray[np.float64]
    ) -> None:
        """Add the lines of a frame to `sums`, (h, w, TERMS)."""
        arguments = self._arguments(chunk, index)
        picture, down, right = self.place(frame)

        def step(first: int, last: int) -> None:
            lines.gather_lines(
                *arguments,
                first,
                last,
                chunk.layout.chroma_shift_y,
                chunk.layout.chroma_shift_x,
                FAR_LEVELS,
                down,
                right,
                self.pictures[picture],
                self.votes[picture],
                sums,
            )

        bands.run(step, chunk.layout.height)

    def _arguments(self, chunk: Chunk, index: int) -> tuple[Any, ...]:
        if chunk.person is None:
            raise ValueError("a chunk does not tell where the person is")
        luma, cb, cr = (plane[index] for plane in chunk.planes)
        return luma, cb, cr, chunk.person[index], chunk.layout.cell

    def shown(self, frame: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the background behind a frame, (h, w, 3) RGB, and where it is known."""
        picture, down, right = self.place(frame)
        rows = (down + np.arange(self._layout.height)) % self.pictures.shape[2]
        columns = (right + np.arange(self._layout.width)) % self.pictures.shape[3]
        levels = self.pictures[picture][:, rows[:, None], columns]
        rgb = to_rgb(
            np.moveaxis(levels, 0, -1).reshape(-1, 3).astype(np.float64), self._layout.colour
        )
        known = self.votes[picture][rows[:, None], columns] > 1
        return rgb.reshape(*known.shape, 3), known


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the lines of each pixel meet.

    Attributes
    ----------
    levels
        (h, w, 3) float64, the point, in the levels of the frames' planes.
    residual
        (h, w) float64, root of the weighted mean square distance of the lines from it.
    samples
        (h, w) int64, the number of lines.
    trusted
        (h, w) bool, whether it is taken for the room.
    """

    levels: npt.NDArray[np.float64]
    residual: npt.NDArray[np.float64]
    samples: npt.NDArray[np.int64]
    trusted: npt.NDArray[np.bool_]


def meeting_points(sums: npt.NDArray[np.float64], trust: Trust) -> Meeting:
    """Solve for the point nearest to the lines of each pixel.

    Parameters
    ----------
    sums
        (h, w, TERMS) as `unveil_kernels.lines.gather_lines` adds them.
    """
    shape = sums.shape[:2]
    levels = np.zeros((*shape, 3))
    residual = np.zeros(shape)
    trusted = np.zeros(shape, np.bool_)
    samples = np.rint(sums[..., 11]).astype(np.int64)
    for row, column in _stretches(shape):
        block = sums[row, column]
        enough = samples[row, column] >= trust.samples
        if not enough.any():
            continue
        terms = block[enough]
        weight = terms[:, 10]
        matrix = terms[:, [0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(-1, 3, 3)
        spread = np.linalg.eigvalsh(matrix)[:, 0] / weight
        solvable = spread > trust.spread
        point = np.zeros((len(terms), 3))
        side = terms[:, 6:9]
        point[solvable] = np.linalg.solve(matrix[solvable], side[solvable, :, None])[..., 0]
        square = terms[:, 9] - 2 * (point * side).sum(1)
        square += np.einsum("ni,nij,nj->n", point, matrix, point)
        miss = np.sqrt(np.maximum(0, square / weight))
        levels[row, column][enough] = np.clip(point + 128, 0, 255)
        residual[row, column][enough] = miss
        trusted[row, column][enough] = solvable & (miss < trust.residual)
    return Meeting(levels, residual, samples, trusted)


def _stretches(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Cut a picture into bands of rows, to bound the memory of their matrices."""
    rows = max(1, (1 << 16) // max(1, shape[1]))
    for first in range(0, shape[0], rows):
        yield slice(first, first + rows), slice(None)


def recover_moving(
    recovery: Recovery,
    recording: Recording,
    layout: Layout,
    parameters: Parameters,
    on_frame: Callable[[int], object],
) -> Recovery:
    """Recover behind a background that moves, as far as its motion can be told.

    Three more passes: the first frames tell the motion, then the picture; then all frames
    are compared with it.

    Parameters
    ----------
    recovery
        What `unveil.finalise` made of a background that moves, without any claim.
    recording, layout, parameters
        What it was made of.
    on_frame
        Called with the number of the frame that was compared.

    Returns
    -------
    The recovery, as it was where the motion is neither a pan nor a loop.
    """
    bands = Bands(parameters.n_threads)
    survey = MotionSurvey()
    for _, chunk in recording.chunks(PREFIX_FRAMES):
        survey.add(chunk)
    motion = survey.motion()
    if motion is None:
        return recovery
    prediction = Prediction(layout, motion, survey.n_frames)
    for first, chunk in recording.chunks(PREFIX_FRAMES):
        for i in range(len(chunk)):
            prediction.learn(chunk, i, first + i, bands, parameters.tolerance)
    n_learned = first + len(chunk)
    sums = np.zeros((layout.height, layout.width, lines.TERMS))
    for first, chunk in recording.chunks():
        for i in range(len(chunk)):
            if first + i >= n_learned:
                prediction.learn(chunk, i, first + i, bands, parameters.tolerance)
            prediction.gather(chunk, i, first + i, bands, sums)
        on_frame(first + len(chunk))
    meeting = meeting_points(sums, TRUST[type(motion)])
    return _decided(recovery, meeting, prediction, layout, bands)


def _decided(
    recovery: Recovery, meeting: Meeting, prediction: Prediction, layout: Layout, bands: Bands
) -> Recovery:
    """Put the meeting points into a recovery."""
    behind, known = prediction.shown(0)
    claimed = meeting.trusted
    rgb = to_rgb(meeting.levels, layout.colour)
    lab = to_lab(rgb).astype(np.float32)
    agreement = neighbour_agreement(lab, claimed, bands)
    confidence = np.where(claimed, np.maximum(MOST_CONFIDENT * agreement, 1 / 255), 0)
    confidence = confidence.astype(np.float32)
    room = np.dstack([np.rint(rgb), np.rint(255 * confidence)]).astype(np.uint8)
    room[~claimed] = 0
    distance = ciede2000(to_lab(rgb), to_lab(behind)).astype(np.float32)
    counts = replace(
        recovery.counts,
        room_count=np.where(claimed, meeting.samples, 0).astype(np.uint32),
        ciede2000=np.where(claimed, distance, np.float32(0)),
    )
    motion = prediction.motion
    pixels = claimed.size
    report = {
        **recovery.report,
        "background": "pans" if isinstance(motion, Pan) else "loops",
        "background_motion": motion.as_dict(),
        "recovered_pixels": int(np.count_nonzero(claimed)),
        "coverage": float(np.count_nonzero(claimed) / pixels),
        "mean_confidence": float(confidence.sum() / max(1, np.count_nonzero(claimed))),
        "background_coverage": float(np.count_nonzero(known) / pixels),
        "warnings": [text for text in recovery.report["warnings"] if text != MOVING],
    }
    background = np.dstack([np.rint(behind), 255 * known]).astype(np.uint8)
    return replace(
        recovery,
        room=room,
        background=background,
        confidence=confidence,
        counts=counts,
        report=report,
    )
