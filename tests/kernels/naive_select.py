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
