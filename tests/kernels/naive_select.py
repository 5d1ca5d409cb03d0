"""Slow, obvious references of the kernels that select: one pixel, or one region, at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Place = tuple[int, int]


def most_counted(counts: Sequence[int], firsts: Sequence[int], noise_frames: int) -> int:
    used = [s for s, n in enumerate(counts) if n > 0]
    sound = [s for s in used if counts[s] > noise_frames]
    return min(sound or used, key=lambda s: (-counts[s], firsts[s]), default=-1)


def rarest_beyond(
    counts: Sequence[int], firsts: Sequence[int], beyond: Sequence[bool], noise_frames: int
) -> int:
    candidates = [s for s, n in enumerate(counts) if n > noise_frames and beyond[s]]
    return min(candidates, key=lambda s: (counts[s], -firsts[s]), default=-1)


def most_episodes(
    counts: Sequence[int], episodes: Sequence[int], beyond: Sequence[bool], noise_frames: int
) -> int:
    candidates = [s for s, n in enumerate(counts) if n > noise_frames and beyond[s]]
    return max(candidates, key=lambda s: (episodes[s], counts[s]), default=-1)


def neighbours(place: Place, shape: tuple[int, ...]) -> list[Place]:
    """Return the four neighbours of a place that lie in the picture."""
    y, x = place
    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return [(v, u) for v, u in around if 0 <= v < shape[0] and 0 <= u < shape[1]]


def places(mask: Array) -> set[Place]:
    return {(int(y), int(x)) for y, x in np.argwhere(mask)}


def regions(mask: Array) -> list[set[Place]]:
    """Split a mask into its regions, connected by four neighbours."""
    left = places(mask)
    found = []
    while left:
        region = {left.pop()}
        edge = set(region)
        while edge:
            edge = {q for p in edge for q in neighbours(p, mask.shape)} & left
            left -= edge
            region |= edge
        found.append(region)
    return found


def keep_large_regions(mask: Array, share_of_largest: float) -> Array:
    found = regions(mask)
    largest = max(map(len, found), default=0)
    kept = np.zeros_like(mask)
    for region in found:
        if len(region) >= share_of_largest * largest:
            for place in region:
                kept[place] = True
    return kept


def grow_region(region: Array, lab: Array, allowed: Array, tolerance: float) -> Array:
    grown = region.copy()
    changed = True
    while changed:
        changed = False
        for place in sorted(places(allowed & ~grown)):
            for neighbour in neighbours(place, region.shape):
                if grown[neighbour] and within_tolerance(lab[place], lab[neighbour], tolerance):
                    grown[place] = changed = True
    return grown


def within_tolerance(lab_a: Array, lab_b: Array, tolerance: float) -> bool:
    return sum((float(a) - float(b)) ** 2 for a, b in zip(lab_a, lab_b, strict=True)) <= (
        tolerance**2
    )


def neighbour_agreement(lab: Array, claimed: Array, tolerance: float) -> Array:
    height, width = claimed.shape
    agreement = np.zeros(claimed.shape)
    for y, x in places(claimed):
        around = [
            (v, u)
            for v in range(y - 2, y + 3)
            for u in range(x - 2, x + 3)
            if 0 <= v < height and 0 <= u < width and (v, u) != (y, x)
        ]
        like = [p for p in around if claimed[p] and within_tolerance(lab[y, x], lab[p], tolerance)]
        agreement[y, x] = len(like) / len(around) if around else 0
    return agreement


def weigh_candidates(
    candidates: Sequence[tuple[Place, Sequence[Array]]],
    behind: Sequence[Array],
    farthest: Array,
    claimed: Array,
    spacing: int,
    tolerance: float,
    blend_distance: float,
    base: float,
    per_blend: float,
) -> list[float]:
    """Weights of each pixel's candidates, all in one list; a pixel is a place and its colours."""
    weights = []
    steps = [spacing * n for n in (-2, -1, 0, 1, 2)]
    for ((y, x), colours), origin in zip(candidates, behind, strict=True):
        around = [(y + v, x + u) for v in steps for u in steps if (v, u) != (0, 0)]
        seen = [p for p in around if all(0 <= c < n for c, n in zip(p, claimed.shape, strict=True))]
        for place, lab in enumerate(colours):
            like = sum(claimed[p] and within_tolerance(lab, farthest[p], tolerance) for p in seen)
            others = [other for n, other in enumerate(colours) if n != place]
            blends = sum(is_blend(other, lab, origin, blend_distance) for other in others)
            weights.append((base + like / 24) * (1 + per_blend * blends))
    return weights


def is_blend(lab: Array, pure: Array, origin: Array, blend_distance: float) -> bool:
    """Whether a colour is one of `origin` and `pure`, by its foot on the line through them."""
    length = np.linalg.norm(pure - origin)
    if length == 0:
        return bool(np.linalg.norm(lab - origin) < blend_distance)
    direction = (pure - origin) / length
    along = float(np.dot(lab - origin, direction))
    foot = origin + along * direction
    return -0.1 * length < along < length and bool(np.linalg.norm(lab - foot) < blend_distance)
