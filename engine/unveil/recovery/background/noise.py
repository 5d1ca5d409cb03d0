"""Detection of noise in the pixels of a virtual background, a countermeasure of zoomg (2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F64, I64, U8, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.dilation import dilated_by_steps
from unveil.recovery.background.median import RADIUS, median_filtered
from unveil.video.chunk import Chunk, Layout

EVERY_FRAMES: Final = 16
"""Distance of two frames that are looked at."""

FAR_LEVELS: Final = 12
"""A pixel of luma that differs by more levels from what it showed before is far."""

MIN_CHANGED: Final = 1 / 64
"""Share of far pixels in a patch, at least one, from which the patch may have noise."""

MAX_LASTING: Final = 0.5
"""It has noise if fewer than this share of the far pixels are so with a median filter, too."""

NOISY_PATCHES: Final = 0.2
"""A frame has noise if this share of its patches has. It was 0.27 to 0.83 in calls with noise that
lowers F, and 0 to 0.06 in calls without, in which room leaks, people move and a codec is coarse."""

NOISY_FRAMES: Final = 0.5
"""A background has noise if this share of the frames looked at has."""

MIN_FRAMES: Final = 4
"""Fewest frames for an answer."""

_EXCHANGED: Final = 0.25
"""If the median patch has a larger share of far pixels with the filter, the background is another
one, and what it showed before is forgotten."""

_PATCH: Final = 8
"""Side of a patch in pixels, without the margin that the filter needs."""

_SIDE: Final = _PATCH + 2 * RADIUS
_ROWS, _COLUMNS = 12, 20
"""Patches that are looked at, evenly spread over the picture."""

_PERSON_MARGIN: Final = 4
"""Blocks beside the person in which no patch lies: what changes there is a leak."""

_MIN_PATCHES: Final = 8
"""Fewest patches outside the person in a frame that is looked at."""

_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PixelNoise:
    """Noise in the pixels of a background.

    Attributes
    ----------
    changed_share
        Mean share of the pixels that differ by more than `FAR_LEVELS` from what they showed first,
        of those that do not with a median filter.
    """

    changed_share: float


class NoiseSurvey:
    """Counts in how many frames pixels far from the person change that a median filter restores.

    The memory is that of some patches of one frame: what each showed when it was first seen outside
    the person.
    """

    def __init__(self, layout: Layout) -> None:
        tops, lefts = (
            grid.ravel()
            for grid in np.meshgrid(
                _places(layout.height, _ROWS), _places(layout.width, _COLUMNS), indexing="ij"
            )
        )
        within = np.arange(_SIDE)
        self._ys, self._xs = tops[:, None, None] + within[:, None], lefts[:, None, None] + within
        middle, size = _SIDE // 2, layout.block_size
        self._blocks = (tops + middle) // size, (lefts + middle) // size
        self._margin = _PERSON_MARGIN + -(-middle // size)
        self._shown = np.zeros((len(tops), _SIDE, _SIDE), np.uint8)
        self._known = np.zeros(len(tops), np.bool_)
        self._n_frames = self._n_looked = self._n_noisy = self._changed = 0

    def find(self) -> PixelNoise | None:
        """Return the noise; None if there is none, or too few frames to tell."""
        if self._n_looked < MIN_FRAMES or self._n_noisy < NOISY_FRAMES * self._n_looked:
            return None
        return PixelNoise(self._changed / _MILLION / self._n_noisy)

    def add(self, chunk: Chunk) -> None:
        """Look at frames of a chunk with a person mask."""
        assert chunk.person is not None
        for luma, person in zip(chunk.planes[0], chunk.person, strict=True):
            if self._n_frames % EVERY_FRAMES == 0 and len(self._known):
                near = dilated_by_steps(person > 0, self._margin)
                self._look(luma[self._ys, self._xs], ~near[self._blocks])
            self._n_frames += 1

    def _look(self, patches: U8, outside: Bool) -> None:
        """Compare patches, (n, `_SIDE`, `_SIDE`), with what they showed when first seen."""
        both = outside & self._known
        if np.count_nonzero(both) >= _MIN_PATCHES:
            now, before = patches[both], self._shown[both]
            changed = _far_share(now, before)
            lasting = _far_share(median_filtered(now), median_filtered(before))
            noisy = (changed >= MIN_CHANGED) & (lasting < MAX_LASTING * changed)
            self._n_looked += 1
            if noisy.mean() >= NOISY_PATCHES:
                self._n_noisy += 1
                restored = np.maximum(changed - lasting, 0).mean()
                self._changed += round(_MILLION * float(restored))
            if np.median(lasting) > _EXCHANGED:
                self._known[:] = False
        new = outside & ~self._known
        self._shown[new] = patches[new]
        self._known |= new

    def merge(self, later: NoiseSurvey) -> None:
        """Add the survey of the frames after these."""
        for name in ("_n_frames", "_n_looked", "_n_noisy", "_changed"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self._shown[later._known] = later._shown[later._known]
        self._known |= later._known

    @staticmethod
    def specification(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`."""
        survey = NoiseSurvey(layout)
        return {
            "noise_patches": ArraySpec(survey._shown.shape, np.uint8),
            "noise_known": ArraySpec(survey._known.shape, np.bool_),
            "noise_frames": ArraySpec((4,), np.int64),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        numbers = self._n_frames, self._n_looked, self._n_noisy, self._changed
        return {
            "noise_patches": self._shown,
            "noise_known": self._known,
            "noise_frames": np.array(numbers),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of a survey.
        """
        n_frames, n_looked, n_noisy, changed = (int(number) for number in arrays["noise_frames"])
        if not (0 <= n_noisy <= n_looked <= n_frames and 0 <= changed <= _MILLION * n_noisy):
            raise ValueError("the noise of the background does not fit together")
        self._n_frames, self._n_looked, self._n_noisy = n_frames, n_looked, n_noisy
        self._changed = changed
        self._shown, self._known = arrays["noise_patches"], arrays["noise_known"]


def _places(length: int, n: int) -> I64:
    """Return the first pixels of up to `n` patches that lie within a length."""
    n = min(n, length // _SIDE)
    places: I64 = np.linspace(0, length - _SIDE, n).astype(np.int64) if n else np.zeros(0, np.int64)
    return places


def _far_share(now: U8, before: U8) -> F64:
    """Return the share of far pixels in each patch, without its margin; (n,) float64."""
    inner = slice(RADIUS, -RADIUS)
    far = np.abs(now[:, inner, inner].astype(np.int16) - before[:, inner, inner]) > FAR_LEVELS
    share: F64 = far.mean((1, 2))
    return share
