"""`AutoSegmenter`: chooses the network for each frame by how closely the caller is framed.

In close-ups the selfie model keeps hair and shoulders, which the pose model misses; elsewhere the
pose model is better, and it tracks one person among several.

While the pose model is in use, every frame has landmarks. If they show a close-up, the selfie model
runs too, and must mark only the same person.

While the selfie model is in use, the pose model runs on every `CHECK_EVERY`-th frame, and at once
if its last landmarks no longer lie on the person.

`CONSISTENT` consecutive results start a change of networks, during which both run on every frame.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from unveil.arrays import F32
from unveil.person import Mask, ModelName
from unveil.person.framing import framing_of
from unveil.protection.agreement import drawn
from unveil.protection.compose import AlphaLut, cell_side
from unveil.protection.framing import (
    is_alone,
    is_close_up,
    joined_to_landmarks,
    landmark_cells,
    stray_share,
)
from unveil.video.chunk import Layout, Planes
from unveil_kernels import matte

POSE_MODEL: Final[ModelName] = "full"
SELFIE_MODEL: Final[ModelName] = "selfie-landscape"

CHECK_EVERY: Final = 8
"""The network that is not in use runs on every N-th frame."""

CONSISTENT: Final = 5
"""Consecutive results, one per frame, that start a change."""

FADE: Final = 24
"""Frames in which pixels that only the old network marks fade out; in as many further frames,
pixels that only the new one marks fade in. The opacity of a still picture changes by at most
1.5 / (2 * `SOFTNESS` * `FADE`) per frame, a fifth, and the visible part takes a quarter of a
second."""

SELFIE_ODDS: Final = 2.5
"""Factor on the selfie model's odds of the person. The default edge, 0.6, then corresponds to a
probability of 0.375 of that model: measured by `bench/matte.py`."""


class NetworkSegmenter(Protocol):
    """Segments the person with one network; `unveil.person.Segmenter` is one."""

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Segment the person."""

    def reset(self) -> None:
        """Forget earlier frames."""


class AutoSegmenter:
    """Segments the caller with a pose model or, in close-ups, with a selfie model.

    Of several people, the caller is the one whom the pose model tracks: at first the one with the
    highest detection score. Separate regions that the selfie model marks are dropped; if it marks
    people who touch the caller, the pose model stays in use.

    In doubt it shows less. If the pose model finds nobody, nobody is shown, or a change to nobody
    starts, even if the selfie model marks somebody. If the selfie model is in use and marks
    nobody, nobody is shown. During a change, no pixel shows more than the old network marks, and
    then no more than the new one marks.

    The same frames give the same masks. Not thread-safe: use one per thread.

    Parameters
    ----------
    pose, selfie
        The two networks.
    edge
        Probability at which a pixel has half opacity, as for `Compositor`.
    """

    def __init__(self, pose: NetworkSegmenter, selfie: NetworkSegmenter, *, edge: float) -> None:
        self._pose = pose
        self._selfie = selfie
        self._edge = edge
        self._clear = AlphaLut(edge).alpha_zero_max / matte.ONE
        self.reset()

    def reset(self) -> None:
        """Forget earlier frames: the next frame alone decides which network is used."""
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
        """Segment the caller.

        Returns
        -------
        The mask of the network in use; its `model` names the network. With the selfie model,
        `landmarks` are those of the pose model, at most `CHECK_EVERY` frames old.
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
        """Run every step once, so that later frames need not wait; then forget the frame."""
        pose, selfie = self._pose_mask(planes, layout), self._selfie_mask(planes, layout)
        self._faded(pose, selfie, layout)
        stray_share(selfie, replace(pose, landmarks=np.zeros((33, 3), np.float32)))
        self.reset()

    def _by_pose(self, planes: Planes, layout: Layout) -> Mask:
        pose = self._pose_mask(planes, layout)
        framing = framing_of(pose)
        appears, self._shows_nobody = self._shows_nobody, framing is None
        if framing is None or not is_close_up(framing, already=False):
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
            # No fade: nobody was shown before.
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
                and is_close_up(framing, already=True)
                and is_alone(selfie, pose, already=True)
            ):
                self._n_consistent = 0
                self._next_check = self._frame + CHECK_EVERY
            else:
                if self._n_consistent == 0:
                    # After a fast movement the pose model may keep tracking the wrong place;
                    # a reset runs its detector on the next frame.
                    self._pose.reset()
                self._n_consistent += 1  # the next frame is checked as well
                if self._n_consistent >= CONSISTENT:
                    return self._faded(pose, selfie, layout)
        return replace(selfie, landmarks=self._landmarks)

    def _faded(self, pose: Mask, selfie: Mask, layout: Layout) -> Mask:
        """Return the mask of the next frame of a change, on the grid of the opacity."""
        self._fade_frame += 1
        step = cell_side(layout)
        drawn_pose = self._drawn(pose, pose.landmarks, step)
        drawn_selfie = self._drawn(selfie, self._landmarks, step)
        old, new = (drawn_selfie, drawn_pose) if self._selfie_in_use else (drawn_pose, drawn_selfie)
        fading_in = self._fade_frame > FADE
        by_selfie = self._selfie_in_use != fading_in
        part = np.float32((self._fade_frame - FADE * fading_in) / FADE)
        # The limit moves linearly over the whole range, 1 to 0 and back: opacity is interpolated
        # between cells, so a jump of the probability, even where it is invisible, shows at edges.
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
        """Resample a mask to the grid of the opacity and keep the regions with landmarks."""
        picture = drawn(mask, step)
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
        """Whether any landmark lies on the person that the selfie model marks."""
        rows, columns = selfie.probability.shape
        row, column = landmark_cells(
            self._landmarks, rows / selfie.height, columns / selfie.width
        ).T
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return bool((selfie.probability[row[inside], column[inside]] > self._edge).any())
