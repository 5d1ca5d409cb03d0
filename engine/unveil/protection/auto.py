"""`AutoSegmenter`: the network that suits how closely the caller is framed, frame by frame.

In a close-up the selfie model keeps hair and shoulders, which the pose model loses; elsewhere the
pose model is better, and it follows one person among several.

Pose model in use: every frame has landmarks. While they show a close-up, the selfie model runs,
too, and has to mark the same person alone.

Selfie model in use: the pose model runs in every `CHECK_EVERY`-th frame, and at once where its last
landmarks no longer lie on the person.

`CONSISTENT` findings in a row begin a change, which both networks see in each of its frames.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from unveil.arrays import F32
from unveil.person import Mask, ModelName
from unveil.protection.compose import Cut, cell_side
from unveil.protection.framing import (
    framing_of,
    is_alone,
    joined_to_landmarks,
    landmark_cells,
    stray_share,
)
from unveil.video.chunk import Layout, Planes
from unveil_kernels import matte, warp

POSE_MODEL: Final[ModelName] = "full"
SELFIE_MODEL: Final[ModelName] = "selfie-landscape"

CHECK_EVERY: Final = 8
"""Frames from one look of the network that is not in use to the next."""

CONSISTENT: Final = 5
"""Findings in a row, one a frame, that begin a change."""

FADE: Final = 24
"""Frames in which what only the old network marks fades out; then, in as many, what only the
new one marks fades in. The opacity of a still picture changes by 1.5 / (2 * `SOFTNESS` * `FADE`) a
frame at most, a fifth, and the part that shows takes a quarter of a second."""

SELFIE_ODDS: Final = 2.5
"""The selfie model's odds of the person are multiplied by it, which puts its cut at 0.375 where the
default edge, 0.6, is: measured, `bench/matte.py`."""


class Masks(Protocol):
    """What `unveil.person.Segmenter` does, of a network for each frame."""

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Find the person."""

    def reset(self) -> None:
        """Forget earlier frames."""


class AutoSegmenter:
    """Finds the caller with a pose model or, in a close-up, with a selfie model.

    Of several people it is the one whom the pose model follows: first the one of whom its
    detector is surest, and then the same. What the selfie model marks apart from that person is
    not the person; where it marks others who touch them, the pose model stays in use.

    Whatever is doubtful shows less. Where the pose model finds nobody, nobody is shown, or a
    change to nobody begins, though the selfie model may mark somebody; where the selfie model is
    in use and marks nobody, nobody is shown either. While one network takes over from the other,
    no pixel shows more than the old one marks, and then no more than the new one marks.

    The same frames give the same masks. Not thread-safe: use one per thread.

    Parameters
    ----------
    pose, selfie
        The two networks.
    edge
        Probability at which a pixel is half the person's, as for `Compositor`.
    """

    def __init__(self, pose: Masks, selfie: Masks, *, edge: float) -> None:
        self._pose = pose
        self._selfie = selfie
        self._edge = edge
        self._clear = Cut(edge).clear / matte.ONE
        self.reset()

    def reset(self) -> None:
        """Forget earlier frames: the next one decides at once which network is used."""
        self._pose.reset()
        self._selfie.reset()
        self._selfie_in_use = False
        self._shows_nobody = True
        self._landmarks: F32 | None = None
        self._frame = -1
        self._next_check = 0
        self._n_consistent = 0
        self._fade_frame = 0

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Find the caller.

        Returns
        -------
        The mask of the network in use, as `unveil.person.Mask`, which names it. With the selfie
        model, `landmarks` are the pose model's of at most `CHECK_EVERY` frames before.
        """
        self._frame += 1
        if self._fade_frame:
            return self._faded(
                self._pose_mask(planes, layout), self._selfie_mask(planes, layout), layout
            )
        if self._selfie_in_use:
            return self._by_selfie(planes, layout)
        return self._by_pose(planes, layout)

    def prepare(self, planes: Planes, layout: Layout) -> None:
        """Run all of it once, so that no later frame waits; then forget the frame."""
        pose, selfie = self._pose_mask(planes, layout), self._selfie_mask(planes, layout)
        self._faded(pose, selfie, layout)
        stray_share(selfie, replace(pose, landmarks=np.zeros((33, 3), np.float32)))
        self.reset()

    def _by_pose(self, planes: Planes, layout: Layout) -> Mask:
        pose = self._pose_mask(planes, layout)
        framing = framing_of(pose)
        appears, self._shows_nobody = self._shows_nobody, framing is None
        if framing is None or not framing.is_close_up(already=False):
            self._n_consistent = 0
            return pose
        if self._frame < self._next_check and not appears:
            return pose
        selfie = self._selfie_mask(planes, layout)
        if not is_alone(selfie, pose, already=False):
            self._n_consistent = 0
            self._next_check = self._frame + CHECK_EVERY
            return pose
        self._n_consistent += 1
        if appears:
            # Nothing was shown before, so there is nothing to fade from.
            self._use(selfie=True)
            return replace(selfie, landmarks=self._landmarks)
        if self._n_consistent >= CONSISTENT:
            return self._faded(pose, selfie, layout)
        return pose

    def _by_selfie(self, planes: Planes, layout: Layout) -> Mask:
        selfie = self._selfie_mask(planes, layout)
        if self._frame >= self._next_check or not self._holds_landmarks(selfie):
            pose = self._pose_mask(planes, layout)
            framing = framing_of(pose)
            if (
                framing is not None
                and framing.is_close_up(already=True)
                and is_alone(selfie, pose, already=True)
            ):
                self._n_consistent = 0
                self._next_check = self._frame + CHECK_EVERY
            else:
                if self._n_consistent == 0:
                    # After a quick move the pose model may follow what is left of the person, and
                    # settle there: in the next frame its detector searches anew.
                    self._pose.reset()
                self._n_consistent += 1  # and the next frame is checked, too
                if self._n_consistent >= CONSISTENT:
                    return self._faded(pose, selfie, layout)
        return replace(selfie, landmarks=self._landmarks)

    def _faded(self, pose: Mask, selfie: Mask, layout: Layout) -> Mask:
        """Give the next frame of a change, on the grid of the opacity."""
        self._fade_frame += 1
        step = cell_side(layout)
        drawn_pose = self._drawn(pose, pose.landmarks, step)
        drawn_selfie = self._drawn(selfie, self._landmarks, step)
        old, new = (drawn_selfie, drawn_pose) if self._selfie_in_use else (drawn_pose, drawn_selfie)
        fading_in = self._fade_frame > FADE
        by_selfie = self._selfie_in_use != fading_in
        part = np.float32((self._fade_frame - FADE * fading_in) / FADE)
        # Limits move evenly from 1 to 0 and back: opacity is linear between cells, so at an edge
        # it jumps wherever a probability does, even below what shows.
        if fading_in:
            shown = np.minimum(new, np.maximum(old, part))
        else:
            shown = np.minimum(old, np.maximum(new, 1 - part))
        if self._fade_frame == 2 * FADE:
            self._use(selfie=not self._selfie_in_use)
            self._shows_nobody = framing_of(pose) is None
        return Mask(
            shown,
            np.array([[1 / step, 0.0, 0.0], [0.0, 1 / step, 0.0]]),
            layout.height,
            layout.width,
            presence=float(shown.max()),
            landmarks=None,
            model=(selfie if by_selfie else pose).model,
        )

    def _drawn(self, mask: Mask, landmarks: F32 | None, step: int) -> F32:
        """Draw a mask with a pixel for each cell of the opacity, joined to landmarks."""
        picture = np.empty((-(-mask.height // step), -(-mask.width // step)), np.float32)
        warp.warp_mask(mask.probability, mask.to_mask * np.array([step, step, 1.0]), picture)
        return joined_to_landmarks(picture, landmarks, 1 / step, 1 / step, self._clear)

    def _use(self, *, selfie: bool) -> None:
        self._selfie_in_use = selfie
        self._n_consistent = 0
        self._fade_frame = 0
        self._next_check = self._frame + CHECK_EVERY

    def _pose_mask(self, planes: Planes, layout: Layout) -> Mask:
        mask = self._pose.mask_planes(planes, layout)
        if mask.landmarks is not None:
            self._landmarks = mask.landmarks
        return mask

    def _selfie_mask(self, planes: Planes, layout: Layout) -> Mask:
        mask = self._selfie.mask_planes(planes, layout)
        scaled = np.float32(SELFIE_ODDS) * mask.probability
        return replace(mask, probability=scaled / (scaled + (1 - mask.probability)))

    def _holds_landmarks(self, selfie: Mask) -> bool:
        """Tell whether any landmark lies on what the selfie model shows."""
        rows, columns = selfie.probability.shape
        row, column = landmark_cells(
            self._landmarks, rows / selfie.height, columns / selfie.width
        ).T
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return bool((selfie.probability[row[inside], column[inside]] > self._edge).any())
