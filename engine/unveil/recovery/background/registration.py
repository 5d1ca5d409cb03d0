"""A picture laid over what a call shows of it: place, size, mirroring and colours.

A service scales the picture of a virtual background, cuts what does not fit and encodes it.
Here the picture is brought to the same place. It may be scaled in each direction by itself
and shifted, but not turned: no service does that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from unveil.arrays import F32, F64, Array, Bool
from unveil.errors import BackgroundMismatch
from unveil.video.colour import ciede2000, to_lab

MIN_KNOWN_SHARE: Final = 0.01
"""Share of the call's pixels that must show the background for certain."""

MAX_ERROR: Final = 6.0
"""Median CIEDE2000 over which a picture is not the call's. On two open calls the right ones, scaled
and recoloured, had 0.6 to 1.8, wrong ones 8 to 20."""

SEARCH_SIDE: Final = 64
"""Longer side in pixels of the frame in which places are searched."""

SCALE_STEP: Final = 1.03
"""Ratio of two sizes that are tried one after the other."""

LARGEST: Final = 2.2
"""Largest size that is tried, relative to the one that just covers the frame."""

MIN_OVERLAP: Final = 0.3
"""Share of the known pixels that the picture must cover."""

N_CANDIDATES: Final = 4
"""Places that are refined before one of them is chosen."""

N_STEPS: Final = 12
"""Gauss-Newton steps at each size, at most."""

FINEST_SIDE: Final = 640
"""Longer side at which places are refined at last: to hundredths of a pixel, which is enough."""

STILL: Final = 0.01
"""Pixels by which a step must move a corner of the frame, or it is the last one."""

SAMPLES: Final = 10_000
"""Pixels that colours are fitted to, spread over the frame."""

GAINS: Final = (0.6, 1.6)
"""A service or a camera changes colours no further; a wrong picture would be faded to fit."""

GAIN_PRIOR: Final = 0.25
"""Variance in levels below which a picture's contrast says little about its gain."""

STEADIEST: Final = 6.0
"""Levels below which a difference is never an outlier: at edges, which alone tell the place,
resampling by itself makes so much."""

GROSS: Final = 30.0
"""Levels above which all differences are equally bad when places are compared."""

STANDING_OUT: Final = 12.0
"""Levels by which a pixel differs from the median colour if it is one of the picture's details."""

DETAILED: Final = 0.02
"""Share of the known pixels from which details are asked for: a plain picture has none."""

MIN_EXPLAINED: Final = 0.5
"""Share of the details that the picture must show, too. Half of them may have gone wrong; of a
wrong picture, which plain areas alone would let through, a fifth is right by chance."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in a frame, in pixels of the frame; a mirrored one is mirrored first.

    Attributes
    ----------
    scale_x, scale_y
        Size of a pixel of the picture.
    left, top
        Its upper left corner; negative where it is cut off.
    """

    scale_x: float
    scale_y: float
    left: float
    top: float
    mirrored: bool = False

    def reduced(self, frame: float, picture: float) -> Placement:
        """Tell the same of a frame and a picture that are so many times smaller."""
        return replace(
            self,
            scale_x=self.scale_x * picture / frame,
            scale_y=self.scale_y * picture / frame,
            left=self.left / frame,
            top=self.top / frame,
        )


@dataclass(frozen=True, slots=True)
class Registered:
    """A picture as a call shows it.

    Attributes
    ----------
    picture
        (h, w, 3) float32 RGB in the size of the frames.
    covered
        (h, w) bool, False beside a picture that does not fill the frame.
    placement
        Where it lies.
    gains, offsets
        What its red, green and blue, 0 to 255, are multiplied by, and what is added then.
    error
        Median CIEDE2000 from what the call shows, over the pixels that it is known of.
    explained
        Share of the details that the picture shows, too: of the pixels that stand out from
        the median colour. 1 where there are none.
    """

    picture: F32
    covered: Bool
    placement: Placement
    gains: tuple[float, float, float]
    offsets: tuple[float, float, float]
    error: float
    explained: float

    def as_dict(self) -> dict[str, Any]:
        """All but the pixels, ready for JSON."""
        placed = self.placement
        return {
            "error": self.error,
            "explained": self.explained,
            "scale": [placed.scale_x, placed.scale_y],
            "shift": [placed.left, placed.top],
            "mirrored": placed.mirrored,
            "gains": list(self.gains),
            "offsets": list(self.offsets),
            "covered": float(self.covered.mean()),
        }


def register(picture: Array, shown: F32, known: Bool) -> Registered:
    """Lay a picture over what a call shows of it.

    Sizes from the one that fits into the frame to LARGEST, and the one stretched to it, are
    searched at a small size by normalised correlation, mirrored, too (masked: D. Padfield,
    Masked object registration in the Fourier domain, 2012). The likeliest places are refined
    by Gauss-Newton steps over place and colour, coarse to fine, without what fits worst.

    Parameters
    ----------
    picture
        (m, n, 3) RGB of 0 to 255, any size.
    shown
        (h, w, 3) float32 RGB of 0 to 255, the frame's background.
    known
        (h, w) bool, where `shown` is the background, a few wrong pixels aside.

    Raises
    ------
    BackgroundMismatch
        The picture is nowhere like what is shown, or too little is known to tell.
    """
    share = float(known.mean())
    if share < MIN_KNOWN_SHARE:
        raise BackgroundMismatch(
            f"background: only {share:.1%} of the call's pixels show the background for certain, "
            f"{MIN_KNOWN_SHARE:.0%} are needed to compare it; use more of the call, "
            "or leave the picture out"
        )
    pictures = _sides(np.asarray(picture, np.float32))
    longest = max(known.shape)
    factor = -(-longest // SEARCH_SIDE)
    levels = _levels(shown, known, factor, -(-longest // FINEST_SIDE))
    frame = next(levels)
    fits = [
        _refined(pictures[placement.mirrored], frame, _Fit(placement))
        for placement in _likeliest(pictures, frame, known.shape)
    ]
    fit = min(fits, key=lambda one: one.cost)
    for frame in levels:
        fit = _refined(pictures[fit.placement.mirrored], frame, fit)

    mapped, covered = _placed(pictures[fit.placement.mirrored], known.shape, fit.placement)
    places = np.flatnonzero(known & covered)
    if not len(places):
        raise BackgroundMismatch(
            "background: the picture lies nowhere like what the call shows; choose another "
            "picture, or leave it out"
        )
    places = places[:: 1 + len(places) // 200_000]
    seen, here = mapped.reshape(-1, 3)[places], shown.reshape(-1, 3)[places]
    fitted = _trimmed_colours(seen, here)
    fit = replace(fit, gains=fitted[0], offsets=fitted[1])
    mapped = np.clip(mapped * fit.gains + fit.offsets, 0, 255).astype(np.float32)
    seen = mapped.reshape(-1, 3)[places]
    error = float(np.median(ciede2000(to_lab(seen.astype(float)), to_lab(here.astype(float)))))
    explained = _explained(seen, here)
    if not (error <= MAX_ERROR and explained >= MIN_EXPLAINED):
        raise BackgroundMismatch(
            f"background: the picture is not what the call shows; where it fits best it differs "
            f"by CIEDE2000 {error:.1f} ({MAX_ERROR:g} at most) and shows {explained:.0%} of the "
            f"details ({MIN_EXPLAINED:.0%} at least); choose another picture, or leave it out"
        )
    gains, offsets = ((float(v[0]), float(v[1]), float(v[2])) for v in (fit.gains, fit.offsets))
    return Registered(mapped, covered, fit.placement, gains, offsets, error, explained)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a call shows, made `factor` times smaller: the mean of what is known, (h, w, 3)."""

    shown: F32
    known: Bool
    factor: int


@dataclass(frozen=True, slots=True)
class _Fit:
    """A placement in the whole frame, colours and what remains: levels, limited and averaged."""

    placement: Placement
    gains: F64 = field(default_factory=lambda: np.ones(3))
    offsets: F64 = field(default_factory=lambda: np.zeros(3))
    cost: float = math.inf


def _sides(picture: F32) -> dict[bool, F32]:
    """Give a picture as it is and mirrored."""
    return {False: picture, True: np.ascontiguousarray(picture[:, ::-1])}


def _levels(shown: F32, known: Bool, coarsest: int, finest: int) -> Iterator[_Frame]:
    """Give the frame at each size, the smallest first."""
    factor = coarsest
    while True:
        weight = _block_mean(known.astype(np.float32)[..., None], factor)
        mean = _block_mean(np.where(known[..., None], shown, np.float32(0)), factor)
        mean /= np.maximum(weight, np.float32(1e-6))
        yield _Frame(mean, weight[..., 0] >= 0.5, factor)
        if factor <= finest:
            return
        factor = max(finest, factor // 2)


def _block_mean(picture: F32, factor: int) -> F32:
    """Average squares of so many pixels; what remains at the right and below is left out."""
    if factor == 1:
        return picture
    height, width = (max(1, length // factor) for length in picture.shape[:2])
    rows, columns = (min(factor, length) for length in picture.shape[:2])
    cut = picture[: height * rows, : width * columns]
    mean: F32 = cut.reshape(height, rows, width, columns, -1).mean((1, 3), dtype=np.float32)
    return mean


def _likeliest(pictures: dict[bool, F32], frame: _Frame, shape: tuple[int, ...]) -> list[Placement]:
    """Search all sizes at all places for the highest correlations, one of each size.

    The places at which services put pictures are among the result in any case: a picture
    without contrast correlates with nothing.
    """
    height, width = shape
    rows, columns = pictures[False].shape[:2]
    across, down = width / columns, height / rows
    contained, covering = min(across, down), max(across, down)
    n_sizes = math.ceil(
        math.log(LARGEST * covering / contained * SCALE_STEP) / math.log(SCALE_STEP)
    )
    sizes = [
        (contained * SCALE_STEP**step, contained * SCALE_STEP**step) for step in range(-1, n_sizes)
    ]
    sizes.append((across, down))
    reduction = max(1, int(frame.factor / (LARGEST * covering) / 2))
    found: list[tuple[float, Placement]] = []
    for mirrored, picture in pictures.items():
        small = _luma(_block_mean(picture, reduction))
        for scale_x, scale_y in sizes:
            at_corner = Placement(scale_x, scale_y, 0, 0, mirrored)
            score, x, y = _best_shift(small, frame, at_corner.reduced(frame.factor, reduction))
            placed = replace(at_corner, left=x * frame.factor, top=y * frame.factor)
            found.append((score, placed))
    likeliest: list[Placement] = []
    for _, placed in sorted(found, key=lambda one: -one[0]):
        if len(likeliest) == N_CANDIDATES:
            break
        if not any(_alike(placed, chosen) for chosen in likeliest):
            likeliest.append(placed)
    usual = [
        Placement(x, y, (width - x * columns) / 2, (height - y * rows) / 2)
        for x, y in sorted({(covering, covering), (across, down)})
    ]
    return likeliest + usual


def _alike(one: Placement, other: Placement) -> bool:
    """Whether refining either of two placements leads to the same."""
    ratios = one.scale_x / other.scale_x, one.scale_y / other.scale_y
    near = all(SCALE_STEP**-2.5 < ratio < SCALE_STEP**2.5 for ratio in ratios)
    return near and one.mirrored == other.mirrored


def _luma(picture: F32) -> F32:
    """Weigh red, green and blue as BT.601 does; (..., 3) to (..., 1)."""
    return (picture @ np.array([[0.299], [0.587], [0.114]], np.float32)).astype(np.float32)


def _best_shift(picture: F32, frame: _Frame, reduced: Placement) -> tuple[float, int, int]:
    """Correlate a picture (m, n, 1) with a frame at all whole shifts.

    Returns
    -------
    correlation, x, y
        -1 to 1, and the picture's corner in pixels of the small frame.
    """
    size = (
        max(1, round(reduced.scale_y * picture.shape[0])),
        max(1, round(reduced.scale_x * picture.shape[1])),
    )
    if not frame.known.any():
        return -1.0, 0, 0
    small = _placed(picture, size, reduced)[0][..., 0].astype(np.float64)
    small -= small.mean()
    known = frame.known.astype(np.float64)
    luma = _luma(frame.shown)[..., 0]
    shown = np.where(frame.known, luma - luma[frame.known].mean(), 0.0)
    # Lengths without large factors are transformed fast.
    padded = tuple(-(-(a + b) // 16) * 16 for a, b in zip(known.shape, size, strict=True))

    def spectrum(values: Array) -> Array:
        return np.fft.rfft2(values, padded)

    def correlated(ours: Array, theirs: Array) -> Array:
        """Sum over the frame of `ours` times `theirs` shifted, for every shift."""
        return np.fft.irfft2(ours * theirs.conj(), padded)

    inside, of_small = spectrum(np.ones(size)), spectrum(small)
    of_known, of_shown = spectrum(known), spectrum(shown)
    n = np.maximum(correlated(of_known, inside), 1e-9)
    sum_shown, sum_small = correlated(of_shown, inside), correlated(of_known, of_small)
    together = correlated(of_shown, of_small) - sum_shown * sum_small / n
    # A level of noise keeps plain areas from correlating by chance.
    spread_shown = np.maximum(correlated(spectrum(shown**2), inside) - sum_shown**2 / n, n)
    spread_small = np.maximum(correlated(of_known, spectrum(small**2)) - sum_small**2 / n, n)
    score = together / np.sqrt(spread_shown * spread_small)
    score[n < MIN_OVERLAP * known.sum()] = -1.0
    y, x = (int(place) for place in np.unravel_index(int(score.argmax()), score.shape))
    return (
        float(score[y, x]),
        x if x < known.shape[1] else x - padded[1],
        y if y < known.shape[0] else y - padded[0],
    )


def _refined(picture: F32, frame: _Frame, fit: _Fit) -> _Fit:
    """Improve a fit by Gauss-Newton steps over place and colours at one size of the frame."""
    # Two pixels of the picture for one of the frame are enough to sample from.
    pixels_for_one = frame.factor / max(fit.placement.scale_x, fit.placement.scale_y)
    reduction = max(1, int(pixels_for_one / 2))
    small = _block_mean(picture, reduction)
    height, width = frame.known.shape
    y, x = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5 for n in (height, width))
    best = replace(fit, cost=math.inf)
    placement = fit.placement
    for _ in range(N_STEPS):
        mapped, covered = _placed(
            small, (height, width), placement.reduced(frame.factor, reduction)
        )
        usable = frame.known & covered
        n_usable = int(usable.sum())
        if min(height, width) < 2 or n_usable < max(10, MIN_OVERLAP * frame.known.sum()):
            break
        seen, shown = mapped[usable].astype(np.float64), frame.shown[usable]
        stride = 1 + n_usable // SAMPLES
        gains, offsets = _trimmed_colours(seen[::stride], shown[::stride])
        difference = shown - (seen * gains + offsets)
        cost = _cost(difference, frame.shown[frame.known & ~covered])
        if cost < best.cost:
            best = _Fit(placement, gains, offsets, cost)
        kept = _kept(difference)
        slope_y, slope_x = (np.gradient(mapped, axis=axis) for axis in (0, 1))
        rows, columns = np.nonzero(usable)
        rows, columns = rows[kept], columns[kept]
        down, right = y[rows, None], x[columns, None]
        slope_y, slope_x = slope_y[rows, columns] * gains, slope_x[rows, columns] * gains
        # What moves each sample: shift and stretch about the frame's middle.
        moves = np.stack([slope_x, slope_x * right, slope_y, slope_y * down], -1).reshape(-1, 4)
        # Without the part that other colours explain as well, as if both were solved for at once.
        kept_seen = seen[kept] - seen[kept].mean(0)
        by_channel = moves.reshape(-1, 3, 4)
        by_channel = by_channel - by_channel.mean(0)
        slope = np.einsum("nc,nck->ck", kept_seen, by_channel)
        spread = (kept_seen**2).sum(0) + GAIN_PRIOR * len(kept_seen)
        by_channel -= kept_seen[..., None] * (slope / spread[:, None])
        moves = by_channel.reshape(-1, 4)
        normal = moves.T @ moves
        normal[np.diag_indices(4)] += 1e-3 * len(kept_seen) + 1e-4 * np.diag(normal)
        shift_x, stretch_x, shift_y, stretch_y = np.linalg.solve(
            normal, moves.T @ difference[kept].reshape(-1)
        )
        placement = _moved(
            placement,
            frame.factor,
            (width, height),
            (shift_x, shift_y),
            (stretch_x / width, stretch_y / height),
        )
        if max(abs(shift_x) + abs(stretch_x) / 2, abs(shift_y) + abs(stretch_y) / 2) < STILL:
            break
    return best


def _cost(difference: Array, beside: Array) -> float:
    """Mean difference of the known pixels, those beside the picture being bars of one colour."""
    bars: Array = beside - np.median(beside, axis=0) if len(beside) else beside
    sizes = np.concatenate([_largest(difference), _largest(bars)])
    return float(np.minimum(sizes, GROSS).mean())


def _moved(
    placement: Placement,
    factor: int,
    size: tuple[int, int],
    shift: tuple[float, float],
    stretch: tuple[float, float],
) -> Placement:
    """Show at x what was at x + shift + stretch * (x - middle), in pixels of a small frame."""
    scales, corners = [], []
    for n, scale, corner, by, more in zip(
        size,
        (placement.scale_x, placement.scale_y),
        (placement.left, placement.top),
        shift,
        stretch,
        strict=True,
    ):
        # A step beyond a few pixels is a guess from a slope that does not hold so far.
        by = float(np.clip(by, -3, 3))
        wider = 1 + float(np.clip(more, -0.05, 0.05))
        middle = n / 2
        scales.append(float(scale / wider))
        corners.append(float(factor * (middle + (corner / factor - by - middle) / wider)))
    return replace(placement, scale_x=scales[0], scale_y=scales[1], left=corners[0], top=corners[1])


def _trimmed_colours(seen: Array, shown: Array) -> tuple[F64, F64]:
    """Fit gain and offset of each channel, (n, 3) to (n, 3), to what fits best.

    The first fit is by medians, which half of the pixels may not spoil.
    """
    seen, shown = seen.astype(np.float64), shown.astype(np.float64)
    gains, offsets = np.ones(3), np.median(shown - seen, axis=0)
    for _ in range(6):
        kept = _kept(shown - (seen * gains + offsets))
        a, b = seen[kept], shown[kept]
        mean_a, mean_b = a.mean(0), b.mean(0)
        prior = GAIN_PRIOR * len(a)
        covariance = ((a - mean_a) * (b - mean_b)).sum(0)
        gains = (covariance + prior) / (((a - mean_a) ** 2).sum(0) + prior)
        gains = np.clip(gains, *GAINS)
        offsets = mean_b - gains * mean_a
    return gains, offsets


def _kept(difference: Array) -> Bool:
    """Which differences (n, 3) are no outliers, (n,)."""
    size = _largest(difference)
    kept: Bool = size <= max(STEADIEST, 3 * float(np.median(size)))
    return kept


def _largest(difference: Array) -> Array:
    """Size of the largest of three differences, (n, 3) to (n,); faster than along an axis."""
    red, green, blue = np.abs(difference.T)
    largest: Array = np.maximum(np.maximum(red, green), blue)
    return largest


def _explained(seen: Array, shown: Array) -> float:
    """Share of what stands out from the median colour that comes out a third as far, or less."""
    deviation = _largest(shown - np.median(shown, axis=0))
    details = deviation > STANDING_OUT
    if details.sum() < DETAILED * len(shown):
        return 1.0
    difference = _largest(shown - seen)
    return float((difference[details] < deviation[details] / 3).mean())


def _placed(picture: F32, size: tuple[int, ...], placement: Placement) -> tuple[F32, Bool]:
    """Draw a picture at its place in a frame of a size, (height, width), and tell where it is."""
    rows, covered_rows = _resampled(picture, size[0], placement.scale_y, placement.top)
    across = rows.transpose(1, 0, 2)
    columns, covered_columns = _resampled(across, size[1], placement.scale_x, placement.left)
    drawn = np.ascontiguousarray(columns.transpose(1, 0, 2))
    return drawn, covered_rows[:, None] & covered_columns


def _resampled(picture: F32, length: int, scale: float, start: float) -> tuple[F32, Bool]:
    """Scale the first axis by cubic interpolation, averaging where it is made smaller.

    Returns
    -------
    picture, covered
        (length, ...) and (length,); beside the picture its border goes on.
    """
    n = picture.shape[0]
    centres = (np.arange(length) + 0.5 - start) / scale
    width = max(1.0, 1 / scale)
    first = np.ceil(centres - 0.5 - 2 * width).astype(np.int64)
    result = np.zeros((length, *picture.shape[1:]), np.float32)
    taps = [first + tap for tap in range(math.ceil(4 * width) + 1)]
    weights = [_cubic((place + 0.5 - centres) / width) for place in taps]
    total = np.sum(weights, axis=0)
    for place, weight in zip(taps, weights, strict=True):
        share = (weight / total).astype(np.float32).reshape(-1, *[1] * (picture.ndim - 1))
        result += share * picture[np.clip(place, 0, n - 1)]
    return result, (centres >= 0) & (centres <= n)


def _cubic(x: F64) -> F64:
    """Keys' cubic convolution, a = -1/2 (R. Keys, 1981)."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0.0))
