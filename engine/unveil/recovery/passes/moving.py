"""Recovery behind a background that pans or loops, by further passes over the recording.

A pixel of a moving background has no fixed colour, but its picture can be predicted: one picture
that shifts by a constant number of pixels, or one for each phase of a loop. The prediction is
learned from the first frames, outside the person, and is updated afterwards. Samples that differ
from it are the person's edge and leaks. The room's colour is the one that explains most of these
samples as blends with the background (`unveil_kernels.lines`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from unveil.counting.colour_times import ColourTimes, SampleGrid, bits_of_all
from unveil.parallel import Bands
from unveil.recovery.background.motion_model import PREFIX_FRAMES, Loop, MotionSurvey, Pan
from unveil.recovery.decide.claims import SAME_ROOM, levels_of, neighbour_agreement
from unveil.recovery.decide.finalise import MOVING
from unveil.recovery.leak_times import LeakTimes
from unveil.recovery.parameters import Parameters
from unveil.recovery.passes.plan import Pass
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Layout
from unveil.video.colour import ciede2000, to_lab, to_rgb
from unveil_kernels import lines
from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT
from unveil_kernels.moving import MaskedFrame, RingPicture, learn_background

MAX_PHASES: Final = 64
"""Pictures kept of a loop, 4 bytes a pixel each; in a longer loop neighbouring phases share one."""

MAX_PANORAMA: Final = 4
"""Largest length of the panning picture that is kept, in frame lengths."""

FAR_LEVELS: Final = 12
"""A sample that differs from the prediction by more levels than this is not the background."""

SEEN_SLOTS: Final = 8
"""Colours remembered per pixel."""

NOISE_WEIGHT: Final = 1
"""Slots with at most this weight are discarded as noise: one sample of a frame without a fresh
mask."""

EXPLAINED_SHARE: Final = 0.7
"""Smallest share of the samples unlike the background that the room's colour must explain."""

MIN_EXPLAINED: Final = 24
"""Smallest weight of the explained samples. With both limits the mean F of three calls of known
truth was 0.32; with the least-squares intersection of a pixel's lines it was 0.27."""

MOST_CONFIDENT: Final = 0.49
"""Confidence of a claim with which all neighbours agree. It is below that of a strong claim: behind
a moving background at most about half of the claims were right on calls of known truth."""


class Prediction:
    """Predicts the background of any frame from the picture of a moving background.

    Parameters
    ----------
    layout
        Layout of the frames.
    motion
        The background's motion.
    n_frames
        Approximate number of frames; it limits the length of a pan's picture.
    """

    def __init__(self, layout: Layout, motion: Pan | Loop, n_frames: int) -> None:
        height, width = layout.height, layout.width
        self.motion = motion
        self._layout = layout
        n_pictures = 1
        if isinstance(motion, Loop):
            # Consecutive frames differ little.
            self._share = -(-motion.frames // MAX_PHASES)
            n_pictures = -(-motion.frames // self._share)
        else:
            travel = int(np.ceil(abs(motion.pixels_per_frame) * n_frames)) + 1
            if motion.axis == "horizontal":
                width = min(width + travel, MAX_PANORAMA * width)
            else:
                height = min(height + travel, MAX_PANORAMA * height)
            length = width if motion.axis == "horizontal" else height
            # A pan's picture is a ring buffer: the line of the endless picture in each place.
            self._holds = np.full(length, np.iinfo(np.int64).min)
        self.pictures = np.zeros((n_pictures, 3, height, width), np.uint8)
        self.votes = np.zeros((n_pictures, height, width), np.uint8)

    def holds(self, n_frames: int) -> bool:
        """Whether the picture has room for all that the first `n_frames` frames show.

        A fast pan passes more lines than its ring holds. At its end the ring no longer holds what
        the first frames showed, so a prediction learned ahead would be useless to them.
        """
        if isinstance(self.motion, Loop):
            return True
        travel = max(abs(moved) for moved in self.motion.offset(max(0, n_frames - 1)))
        length = self._layout.width if self.motion.axis == "horizontal" else self._layout.height
        return length + travel <= len(self._holds)

    def place(self, frame: int) -> tuple[int, int, int]:
        """Return picture, row and column that the first pixel of a frame shows.

        Places of the ring buffer that the frame needs for other lines than they hold are cleared.
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
            cleared = places[stale]
            self.votes[(..., cleared) if horizontal else (slice(None), cleared)] = 0
            self._holds[cleared] = shown[stale]
        return 0, -down % self.pictures.shape[2], -right % self.pictures.shape[3]

    def learn(self, chunk: Chunk, index: int, frame: int, bands: Bands, tolerance: int) -> None:
        """Learn from a frame of a chunk, number `frame` of the recording."""
        self._run(learn_background, chunk, index, frame, bands, tolerance)

    def count(self, chunk: Chunk, index: int, frame: int, bands: Bands, seen: Seen) -> None:
        """Store the colours of a frame's samples that are not the background."""
        weight = _sample_weight(chunk, index)
        own = seen.tolerance, FAR_LEVELS, weight, frame, seen.slots
        self._run(lines.count_seen, chunk, index, frame, bands, *own)

    def explain(self, chunk: Chunk, index: int, frame: int, bands: Bands, seen: Seen) -> None:
        """Count the samples of a frame that the stored colours explain."""
        weight = _sample_weight(chunk, index)
        own = FAR_LEVELS, weight, seen.slots, seen.explained, seen.total
        self._run(lines.count_explained, chunk, index, frame, bands, *own)

    def shown_colours(
        self, chunk: Chunk, index: int, frame: int, grid: SampleGrid, seen: Seen
    ) -> npt.NDArray[np.bool_]:
        """Return which stored colours a frame shows at the sampled pixels, outside the person.

        Returns
        -------
        (rows, columns, SEEN_SLOTS) bool; never a colour that is the background's just then.
        """
        masked, ring = self._frame_and_background(chunk, index, frame)
        shown = np.empty((*grid.shape, SEEN_SLOTS), np.bool_)
        own = seen.tolerance, FAR_LEVELS, seen.slots, shown
        lines.flag_shown(masked, grid.rows, grid.columns, ring, *own)
        return shown

    def _run(
        self,
        kernel: Callable[..., None],
        chunk: Chunk,
        index: int,
        frame: int,
        bands: Bands,
        *own: object,
    ) -> None:
        """Run a kernel over a frame and its background; `own` are the kernel's last arguments."""
        masked, ring = self._frame_and_background(chunk, index, frame)
        bands.run(lambda first, last: kernel(masked, first, last, ring, *own), self._layout.height)

    def _frame_and_background(
        self, chunk: Chunk, index: int, frame: int
    ) -> tuple[MaskedFrame, RingPicture]:
        if chunk.person is None:
            raise ValueError("the chunk has no person mask")
        layout = chunk.layout
        luma, cb, cr = (plane[index] for plane in chunk.planes)
        masked = MaskedFrame(
            luma,
            cb,
            cr,
            chunk.person[index],
            layout.block_size,
            layout.chroma_shift_y,
            layout.chroma_shift_x,
        )
        picture, down, right = self.place(frame)
        return masked, RingPicture(self.pictures[picture], self.votes[picture], down, right)

    def shown(self, frame: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the background of a frame, (h, w, 3) RGB, and where it is known, (h, w)."""
        picture, down, right = self.place(frame)
        rows = (down + np.arange(self._layout.height)) % self.pictures.shape[2]
        columns = (right + np.arange(self._layout.width)) % self.pictures.shape[3]
        levels = self.pictures[picture][:, rows[:, None], columns]
        rgb = to_rgb(
            np.moveaxis(levels, 0, -1).reshape(-1, 3).astype(np.float64), self._layout.colour
        )
        known = self.votes[picture][rows[:, None], columns] > 1
        return rgb.reshape(*known.shape, 3), known


def _sample_weight(chunk: Chunk, index: int) -> int:
    """Return the weight of a frame's samples: a fresh mask is more reliable."""
    return FRESH_MASK_WEIGHT if chunk.mask_is_fresh[index] else 1


class Seen:
    """The colours of each pixel that are not the background, and how much each of them explains.

    Attributes
    ----------
    slots
        (h, w, SEEN_SLOTS) `unveil_kernels.lines.SEEN_SLOT`.
    explained
        (h, w, SEEN_SLOTS) uint16, weight of the samples that each colour explains.
    total
        (h, w) uint16, weight of all samples unlike the background.
    """

    def __init__(self, layout: Layout, tolerance: int) -> None:
        shape = layout.height, layout.width
        self.tolerance = tolerance
        self.slots = np.zeros((*shape, SEEN_SLOTS), lines.SEEN_SLOT)
        self.explained = np.zeros((*shape, SEEN_SLOTS), np.uint16)
        self.total = np.zeros(shape, np.uint16)

    def best(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
        """Choose the colour of each pixel that explains the largest share of its samples.

        Returns
        -------
        levels, explained, trusted
            (h, w, 3) float64 colours, (h, w) uint16 weight of the samples that they explain, and
            (h, w) bool, whether that is enough to claim them as the room.
        """
        total = np.maximum(1, self.total)[..., None]
        share = np.divide(self.explained, total, dtype=np.float32)
        share[self.slots["count"] <= NOISE_WEIGHT] = -1
        place = share.argmax(-1)[..., None]
        chosen = np.take_along_axis(self.slots, place, -1)[..., 0]
        explained = np.take_along_axis(self.explained, place, -1)[..., 0]
        trusted = (share.max(-1) >= EXPLAINED_SHARE) & (explained >= MIN_EXPLAINED)
        levels = np.stack([chosen[name] for name in ("c0", "c1", "c2")], -1).astype(np.float64)
        return levels, explained, trusted


class MovingBackground:
    """Recovers behind a background that moves, where its motion is a pan or a loop.

    Four passes: over the first frames to find the motion and to learn the picture, then over
    all frames to collect the colours in front of it and to count which of them explain the others.

    Parameters
    ----------
    recovery
        What the finaliser made of a background that moves, without any claim.
    layout, parameters
        Of the frames and of the counting.
    """

    def __init__(self, recovery: Recovery, layout: Layout, parameters: Parameters) -> None:
        self._recovery = recovery
        self._layout = layout
        self._tolerance = parameters.tolerance
        self._bands = Bands(parameters.n_threads)
        self._survey = MotionSurvey()
        self._n_learned = self._n_frames = 0
        self._seen: Seen | None = None
        self._prediction: Prediction | None = None
        self._times = ColourTimes(layout, SEEN_SLOTS)

    def passes(self) -> Iterator[Pass]:
        """Yield the passes; only the first one where the motion is neither a pan nor a loop."""
        yield Pass("find the motion", self._find_motion, end_frame=PREFIX_FRAMES)
        motion = self._survey.motion()
        if motion is None:
            return
        prediction = Prediction(self._layout, motion, self._survey.n_frames)
        if prediction.holds(self._survey.n_frames):
            learn = partial(self._learn, prediction)
            yield Pass("learn the background", learn, end_frame=PREFIX_FRAMES)
            self._n_learned = self._survey.n_frames
        seen = self._seen = Seen(self._layout, self._tolerance)
        # What a pan's ring holds at the beginning is gone at the end; the pictures of a loop stay.
        again = deepcopy(prediction) if isinstance(motion, Pan) else prediction
        self._prediction = again
        for name, predicted, step in (
            ("collect colours", prediction, Prediction.count),
            ("explain colours", again, self._explain),
        ):
            yield Pass(name, partial(self._compare, predicted, step, seen))

    def _find_motion(self, first_frame: int, chunk: Chunk) -> None:
        self._survey.add(chunk)

    def _learn(self, prediction: Prediction, first_frame: int, chunk: Chunk) -> None:
        # A chunk may reach beyond the survey; what is learned must not depend on its size.
        for i in range(min(len(chunk), self._survey.n_frames - first_frame)):
            prediction.learn(chunk, i, first_frame + i, self._bands, self._tolerance)

    def _compare(
        self,
        prediction: Prediction,
        step: Callable[[Prediction, Chunk, int, int, Bands, Seen], None],
        seen: Seen,
        first_frame: int,
        chunk: Chunk,
    ) -> None:
        """Compare the frames of a chunk with the prediction, which goes on learning."""
        for i in range(len(chunk)):
            frame = first_frame + i
            if frame >= self._n_learned:
                prediction.learn(chunk, i, frame, self._bands, self._tolerance)
            step(prediction, chunk, i, frame, self._bands, seen)
        self._n_frames = first_frame + len(chunk)

    def _explain(
        self,
        prediction: Prediction,
        chunk: Chunk,
        index: int,
        frame: int,
        bands: Bands,
        seen: Seen,
    ) -> None:
        """Count what the colours explain, and mark in which time bins they show themselves."""
        prediction.explain(chunk, index, frame, bands, seen)
        times = self._times
        second = int(times.append(chunk.pts_seconds[index : index + 1]).second[1])
        times.mark(second, prediction.shown_colours(chunk, index, frame, times.grid, seen))

    def recovery(self) -> Recovery | None:
        """Return the recovery with its claims, None where the motion was not found."""
        if self._seen is None or self._prediction is None:
            return None
        # The ring of a fast pan no longer holds what the first frame showed.
        shown = 0 if self._prediction.holds(self._n_frames) else self._n_frames - 1
        background = self._prediction.shown(shown)
        motion = self._prediction.motion
        return _decided(
            self._recovery,
            self._seen,
            self._times,
            motion,
            background,
            self._layout,
            self._bands,
        )


def _decided(
    recovery: Recovery,
    seen: Seen,
    times: ColourTimes,
    motion: Pan | Loop,
    background: tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]],
    layout: Layout,
    bands: Bands,
) -> Recovery:
    """Return a recovery that claims the colours that explain most; `background` as of `shown`."""
    behind, known = background
    levels, explained, claimed = seen.best()
    rgb = to_rgb(levels, layout.colour)
    lab = to_lab(rgb).astype(np.float32)
    agreement = neighbour_agreement(lab, claimed, bands)
    confidence = np.where(claimed, np.maximum(MOST_CONFIDENT * agreement, 1 / 255), 0)
    confidence = confidence.astype(np.float32)
    room = np.dstack([np.rint(rgb), np.rint(255 * confidence)]).astype(np.uint8)
    room[~claimed] = 0
    distance = ciede2000(to_lab(rgb), to_lab(behind)).astype(np.float32)
    counts = replace(
        recovery.counts,
        room_count=np.where(claimed, explained, 0).astype(np.uint32),
        ciede2000=np.where(claimed, distance, np.float32(0)),
    )
    slots = seen.slots[np.ix_(times.grid.rows, times.grid.columns)]
    slot_lab = to_lab(to_rgb(levels_of(slots).reshape(-1, 3), layout.colour))
    slot_lab = slot_lab.reshape(*slots.shape, 3)
    room_lab = times.grid.of_picture(lab)[:, :, None]
    from_room = ciede2000(slot_lab, np.broadcast_to(room_lab, slot_lab.shape))
    leak_times = LeakTimes.of(times, bits_of_all(times.seen, from_room <= SAME_ROOM), confidence)
    pixels = claimed.size
    report = {
        **recovery.report,
        "background": "pans" if isinstance(motion, Pan) else "loops",
        "background_motion": motion.as_dict(),
        "recovered_pixels": int(np.count_nonzero(claimed)),
        "coverage": float(np.count_nonzero(claimed) / pixels),
        "mean_confidence": float(confidence.sum() / max(1, np.count_nonzero(claimed))),
        "background_coverage": float(np.count_nonzero(known) / pixels),
        "leak_times": None if leak_times is None else leak_times.as_dict(),
        "warnings": [text for text in recovery.report["warnings"] if text != MOVING],
    }
    return replace(
        recovery,
        room=room,
        background=np.dstack([np.rint(behind), 255 * known]).astype(np.uint8),
        confidence=confidence,
        counts=counts,
        report=report,
        leak_times=leak_times,
    )
