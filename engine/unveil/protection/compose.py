"""Person before background, on the native planes of frames of one layout."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, U8, U16
from unveil.parallel import Bands
from unveil.protection.framing import landmark_cells
from unveil.video.chunk import Layout, Planes
from unveil_kernels import blur, matte

MIN_CELLS: Final = 240
"""Cells of the opacity along the frame's shorter side, at least; the networks' masks have 144 to
256 for a person. At 1080p a cell is 4 pixels wide."""

SOFTNESS: Final = 0.15
"""How far in probability the blend reaches to either side of the edge."""

BLUR_PASSES: Final = 3
"""Box blurs in a row: close to a Gaussian, whose standard deviation is about the box's radius."""

BLUR_STEPS: Final = 4
"""Blocks that the blur's radius spans at least, unless a block is as small as can be."""


class Cut:
    """Which opacity a probability becomes: a smooth step around the edge.

    Attributes
    ----------
    table
        (matte.ONE + 1,) uint8: opacity of a level.
    clear, solid
        The highest level of opacity 0 and the lowest of opacity 255.
    """

    def __init__(self, edge: float) -> None:
        softness = min(SOFTNESS, edge * 0.9, (1 - edge) * 0.9)
        level = np.arange(matte.ONE + 1) / matte.ONE
        part = np.clip((level - edge + softness) / (2 * softness), 0.0, 1.0)
        self.table: U8 = np.rint(255 * part * part * (3 - 2 * part)).astype(np.uint8)
        self.clear = int(np.flatnonzero(self.table == 0)[-1])
        self.solid = int(np.flatnonzero(self.table == 255)[0])


class Compositor:
    """Blends frames of one layout; holds the opacity and all buffers.

    Not thread-safe: use one per thread. `bands` spreads each step over threads; the result
    does not depend on their number.

    Parameters
    ----------
    layout
        Of the frames.
    bands
        Threads to work with.
    edge
        Probability at which a pixel is half the person's.
    smooth
        Frames over which the opacity rises; it falls at once.
    """

    def __init__(self, layout: Layout, bands: Bands, *, edge: float, smooth: int) -> None:
        self.layout = layout
        self._bands = bands
        self._cut = Cut(edge)
        # Where the mask is older than the frame, only what is surely the person is shown.
        self._close_cut = Cut((1 + edge) / 2)
        self._rise = max(1, round(512 / (max(smooth, 1) + 1)))
        self._step = cell_side(layout)
        rows, columns = _ceil(layout.height, self._step), _ceil(layout.width, self._step)
        self.opacity: U16 = np.zeros((rows, columns), np.uint16)
        self._placed = False
        self._reached = np.empty((rows, columns), np.uint8)
        self._stack = np.empty(rows * columns, np.int32)
        shifts = (layout.chroma_shift_y, layout.chroma_shift_x)
        self._sizes = np.array(
            [[layout.height, layout.width], *[[layout.chroma_height, layout.chroma_width]] * 2]
        )
        self._steps = _per_plane(self._step, shifts)
        self._same_rows: I64 = np.ones(3, np.int64)
        self._blur: _Blur | None = None

    @property
    def shows_somebody(self) -> bool:
        """Whether anything of a person is shown."""
        return self._placed

    def place(
        self,
        probability: F32,
        to_mask: F64,
        landmarks: F32 | None = None,
    ) -> None:
        """Take the mask of the frame that comes next, as `unveil.person.Mask` has it.

        Where there are landmarks, only what is joined to a visible one is kept: a lamp that the
        network takes for a part of the person is none.
        """
        probability = np.ascontiguousarray(probability, np.float32)
        to_mask = np.ascontiguousarray(to_mask, np.float64)
        if probability.ndim != 2 or not probability.size or to_mask.shape != (2, 3):
            raise ValueError(
                f"mask of shape {probability.shape} with a map of shape {to_mask.shape}"
            )
        rise = self._rise if self._placed else 256
        self._bands.run(
            lambda first, last: matte.place_mask(
                probability,
                to_mask,
                self.layout.height,
                self.layout.width,
                self._step,
                rise,
                self.opacity,
                first,
                last,
            ),
            len(self.opacity),
        )
        if landmarks is not None:
            self._keep_joined(landmarks)
        self._placed = bool(self.opacity.max() > self._cut.clear)

    def _keep_joined(self, landmarks: F32) -> None:
        matte.keep_joined(
            landmark_cells(landmarks, 1 / self._step, 1 / self._step),
            self._cut.clear,
            self.opacity,
            self._reached,
            self._stack,
        )

    def clear(self) -> None:
        """Show the background alone from here on, until a mask is placed."""
        self.opacity[:] = 0
        self._placed = False

    def over(
        self, source: Planes, backdrop: Planes, target: tuple[U8, ...], *, stale: bool
    ) -> None:
        """Write the person before `backdrop`.

        Parameters
        ----------
        source, backdrop
            Planes (h, w), (ch, cw), (ch, cw), C-contiguous.
        target
            Planes that may have more columns; a fourth one gets the opacity, 0 to 255.
        stale
            Whether the mask belongs to an earlier frame.
        """
        cut = self._close_cut if stale else self._cut
        self._blend(source, backdrop, self._same_rows, target, cut)
        if len(target) == 4:
            self._bands.run(
                lambda first, last: matte.write_opacity(
                    self.opacity,
                    cut.table,
                    cut.clear,
                    cut.solid,
                    self._step,
                    self.layout.height,
                    self.layout.width,
                    target[3],
                    first,
                    last,
                ),
                len(self.opacity) + 1,
            )

    def before_blur(
        self, source: Planes, radius: int, target: tuple[U8, ...], *, stale: bool
    ) -> None:
        """Write the person before the frame's own background, blurred by `radius` pixels.

        Where nobody is placed that is the whole frame, blurred. `source`, `target` and `stale`
        are as for `over`.
        """
        cut = self._close_cut if stale else self._cut
        if self._blur is None or self._blur.radius != radius:
            self._blur = _Blur(self.layout, radius)
        blurred = self._blur
        blurred.run(self._bands, source, self._sizes, self.opacity, self._step, cut.clear)
        self._blend(source, blurred.wides, blurred.factors_y, target, cut)

    def _blend(
        self, source: Planes, backdrop: Planes, factors: I64, target: tuple[U8, ...], cut: Cut
    ) -> None:
        self._bands.run(
            lambda first, last: matte.blend(
                source,
                backdrop,
                factors,
                target[:3],
                self._sizes,
                self._steps,
                self.opacity,
                cut.table,
                cut.clear,
                cut.solid,
                first,
                last,
            ),
            len(self.opacity) + 1,
        )


class _Blur:
    """Buffers of a blur on planes of fewer rows and columns."""

    def __init__(self, layout: Layout, radius: int) -> None:
        self.radius = radius
        shifts = (layout.chroma_shift_y, layout.chroma_shift_x)
        self._block = 1 << max(*shifts, 1)
        while self._block * 2 * BLUR_STEPS <= radius:
            self._block *= 2
        self._block_radius = max(1, round(radius / self._block))
        self._factors = _per_plane(self._block, shifts)
        self.factors_y: I64 = np.ascontiguousarray(self._factors[:, 0])
        self._factors_x: I64 = np.ascontiguousarray(self._factors[:, 1])
        rows, columns = _ceil(layout.height, self._block), _ceil(layout.width, self._block)
        self._values = np.empty((rows, columns, 4), np.float32)
        self._transposed = np.empty((columns, rows, 4), np.float32)
        luma, chroma = (rows, layout.width), (rows, layout.chroma_width)
        self.wides: Planes = (
            np.empty(luma, np.uint8),
            np.empty(chroma, np.uint8),
            np.empty(chroma, np.uint8),
        )
        self._widths = np.array([layout.width, layout.chroma_width, layout.chroma_width])

    def run(
        self, bands: Bands, source: Planes, sizes: I64, opacity: U16, step: int, clear: int
    ) -> None:
        """Blur a frame's background into `wides`."""
        rows, columns, _ = self._values.shape
        bands.run(
            lambda first, last: blur.shrink(
                source,
                sizes,
                self._factors,
                opacity,
                step,
                self._block,
                clear,
                self._values,
                first,
                last,
            ),
            rows,
        )
        for _ in range(BLUR_PASSES):
            bands.run(self._blur_rows, rows)
            bands.run(self._blur_columns, columns)
        bands.run(
            lambda first, last: blur.widen(
                self._values, self._widths, self._factors_x, self.wides, first, last
            ),
            rows,
        )

    def _blur_rows(self, first: int, last: int) -> None:
        blur.box_rows(self._values, self._block_radius, self._transposed, first, last)

    def _blur_columns(self, first: int, last: int) -> None:
        blur.box_rows(self._transposed, self._block_radius, self._values, first, last)


def cell_side(layout: Layout) -> int:
    """Side of a cell in pixels: a power of two, at least as coarse as the chroma."""
    side = 1 << max(layout.chroma_shift_y, layout.chroma_shift_x)
    while min(layout.height, layout.width) >= 2 * side * MIN_CELLS:
        side *= 2
    return side


def _per_plane(side: int, shifts: tuple[int, int]) -> I64:
    """Rows and columns that a square of luma covers in each plane: (3, 2)."""
    chroma = [side >> shifts[0], side >> shifts[1]]
    return np.array([[side, side], chroma, chroma])


def _ceil(length: int, side: int) -> int:
    return -(-length // side)
