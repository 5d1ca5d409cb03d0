"""Compositing of the person over a background, on the native planes of one layout."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, U8, U16
from unveil.parallel import Bands
from unveil.protection.careful import Agreement
from unveil.protection.framing import landmark_cells
from unveil.video.chunk import Layout, Planes
from unveil_kernels import blur, matte

MIN_CELLS: Final = 240
"""Smallest number of opacity cells along the frame's shorter side. The networks' masks have 144 to
256. At 1080p a cell is 4 pixels wide."""

SOFTNESS: Final = 0.15
"""Half of the range of probabilities, around the edge, over which the opacity rises."""

CAREFUL_WIDTH: Final = 1 / 6
"""With `careful`, the part of that range in which the opacity rises, at its upper end. The edge is
a pixel wide nevertheless, because probabilities are interpolated between cells."""

BLUR_PASSES: Final = 3
"""Successive box blurs. They approximate a Gaussian whose standard deviation is about the box's
radius."""

BLUR_STEPS: Final = 4
"""Smallest number of blocks in the blur's radius, unless blocks have their smallest size."""


_AT_ONCE: Final = 256
"""Rise, in 256ths of the way per frame."""


class AlphaLut:
    """Lookup table from probability to opacity: a smooth step around the edge.

    Parameters
    ----------
    edge
        Probability with an opacity of one half.
    careful
        The step is steep, and lies at the upper end of the smooth one: what is blended otherwise
        does not show.

    Attributes
    ----------
    table
        (matte.ONE + 1,) uint8, opacity by probability level.
    alpha_zero_max
        Highest level with opacity 0.
    alpha_one_min
        Lowest level with opacity 255.
    """

    def __init__(self, edge: float, *, careful: bool = False) -> None:
        softness = min(SOFTNESS, edge * 0.9, (1 - edge) * 0.9)
        level = np.arange(matte.ONE + 1) / matte.ONE
        # The upper end stays: no probability then shows more than without `careful`.
        width = 2 * softness * (CAREFUL_WIDTH if careful else 1)
        part = np.clip((level - edge - softness + width) / width, 0.0, 1.0)
        self.table: U8 = np.rint(255 * part * part * (3 - 2 * part)).astype(np.uint8)
        self.alpha_zero_max = int(np.flatnonzero(self.table == 0)[-1])
        self.alpha_one_min = int(np.flatnonzero(self.table == 255)[0])


class Compositor:
    """Composites frames of one layout; holds the opacity grid and all buffers.

    Not thread-safe: use one per thread. `bands` spreads each step over threads; the result
    does not depend on their number.

    Parameters
    ----------
    layout
        Layout of the frames.
    bands
        Threads that run each step.
    edge
        Probability at which the opacity is one half.
    smooth
        Number of frames over which the opacity rises; it falls within one frame.
    careful
        The edge is steep and inside the person, and of two consecutive masks that disagree the
        smaller one counts, see `unveil.protection.careful`. No pixel shows more than without.
    """

    def __init__(
        self, layout: Layout, bands: Bands, *, edge: float, smooth: int, careful: bool = False
    ) -> None:
        self.layout = layout
        self._bands = bands
        self._alpha_lut = AlphaLut(edge, careful=careful)
        # A mask of an earlier frame may not fit: a higher edge shows less of the room.
        self._stale_alpha_lut = AlphaLut((1 + edge) / 2, careful=careful)
        self._rise = max(1, round(512 / (max(smooth, 1) + 1)))
        self._step = cell_side(layout)
        rows, columns = _ceil(layout.height, self._step), _ceil(layout.width, self._step)
        self.opacity: U16 = np.zeros((rows, columns), np.uint16)
        self._agreement = Agreement(matte.ONE) if careful else None
        self._mask = np.zeros((rows, columns), np.uint16)
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
        """Whether any pixel shows the person."""
        return self._placed

    def place(
        self,
        probability: F32,
        to_mask: F64,
        landmarks: F32 | None = None,
    ) -> None:
        """Set the mask of the next frame, with the fields of `unveil.person.Mask`.

        With landmarks, regions that are not connected to a visible landmark are removed, such as
        a lamp that the network takes for a part of the person.
        """
        probability = np.ascontiguousarray(probability, np.float32)
        to_mask = np.ascontiguousarray(to_mask, np.float64)
        if probability.ndim != 2 or not probability.size or to_mask.shape != (2, 3):
            raise ValueError(
                f"mask of shape {probability.shape} with a map of shape {to_mask.shape}"
            )
        if self._agreement is None:
            rise = self._rise if self._placed else _AT_ONCE
            self._sample(probability, to_mask, rise, self.opacity)
        else:
            # Not at once where the cut alone hides everybody: the opacity without it rises slowly.
            rise = _AT_ONCE if self._agreement.is_first else self._rise
            self._sample(probability, to_mask, _AT_ONCE, self._mask)
            _rise_towards(self._agreement.agreed(self._mask), rise, self.opacity)
        if landmarks is not None:
            self._keep_joined(landmarks)
        self._placed = bool(self.opacity.max() > self._alpha_lut.alpha_zero_max)

    def _sample(self, probability: F32, to_mask: F64, rise: int, opacity: U16) -> None:
        self._bands.run(
            lambda first, last: matte.place_mask(
                probability,
                to_mask,
                self.layout.height,
                self.layout.width,
                self._step,
                rise,
                opacity,
                first,
                last,
            ),
            len(opacity),
        )

    def _keep_joined(self, landmarks: F32) -> None:
        matte.keep_joined(
            landmark_cells(landmarks, 1 / self._step, 1 / self._step),
            self._alpha_lut.alpha_zero_max,
            self.opacity,
            self._reached,
            self._stack,
        )

    def clear(self) -> None:
        """Show only the background until the next call of `place`."""
        self.opacity[:] = 0
        self._placed = False
        if self._agreement is not None:
            self._agreement.reset()

    def over(
        self, source: Planes, backdrop: Planes, target: tuple[U8, ...], *, stale: bool
    ) -> None:
        """Write the person over `backdrop`.

        Parameters
        ----------
        source, backdrop
            Planes (h, w), (ch, cw), (ch, cw), C-contiguous.
        target
            Planes to write, which may have more columns; a fourth one gets the opacity, 0 to 255.
        stale
            Whether the mask was computed from an earlier frame.
        """
        alpha_lut = self._stale_alpha_lut if stale else self._alpha_lut
        self._blend(source, backdrop, self._same_rows, target, alpha_lut)
        if len(target) == 4:
            self._bands.run(
                lambda first, last: matte.write_opacity(
                    self.opacity,
                    alpha_lut.table,
                    alpha_lut.alpha_zero_max,
                    alpha_lut.alpha_one_min,
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
        """Write the person over the frame's own background, blurred by `radius` pixels.

        Without a person the whole frame is blurred. `source`, `target` and `stale` are as for
        `over`.
        """
        alpha_lut = self._stale_alpha_lut if stale else self._alpha_lut
        if self._blur is None or self._blur.radius != radius:
            self._blur = _Blur(self.layout, radius)
        blurred = self._blur
        blurred.run(
            self._bands, source, self._sizes, self.opacity, self._step, alpha_lut.alpha_zero_max
        )
        self._blend(source, blurred.wides, blurred.factors_y, target, alpha_lut)

    def _blend(
        self,
        source: Planes,
        backdrop: Planes,
        factors: I64,
        target: tuple[U8, ...],
        alpha_lut: AlphaLut,
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
                alpha_lut.table,
                alpha_lut.alpha_zero_max,
                alpha_lut.alpha_one_min,
                first,
                last,
            ),
            len(self.opacity) + 1,
        )


class _Blur:
    """Blur on planes that are reduced to block means, and its buffers."""

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
        self, bands: Bands, source: Planes, sizes: I64, opacity: U16, step: int, alpha_zero_max: int
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
                alpha_zero_max,
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


def _rise_towards(levels: U16, rise: int, opacity_inout: U16) -> None:
    """Let an opacity rise by `rise` 256ths of the way to levels, or fall to them at once.

    As `matte.place_mask` does.
    """
    way = levels.astype(np.int32) - opacity_inout
    risen = opacity_inout + ((way * rise + 255) >> 8)
    opacity_inout[:] = np.where(way > 0, risen, levels)


def cell_side(layout: Layout) -> int:
    """Return the side of an opacity cell in pixels: a power of two, not finer than the chroma."""
    side = 1 << max(layout.chroma_shift_y, layout.chroma_shift_x)
    while min(layout.height, layout.width) >= 2 * side * MIN_CELLS:
        side *= 2
    return side


def _per_plane(side: int, shifts: tuple[int, int]) -> I64:
    """Return rows and columns that a square of luma covers in each plane, (3, 2)."""
    chroma = [side >> shifts[0], side >> shifts[1]]
    return np.array([[side, side], chroma, chroma])


def _ceil(length: int, side: int) -> int:
    return -(-length // side)
