"""Choosing the background's and the room's colour of each pixel; regions and neighbourhoods."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel


@kernel
def most_counted(counts, firsts, min_count, most_out):
    """Find each pixel's most frequent colour; of equals, the one that appeared first.

    Parameters
    ----------
    counts, firsts : (n, n_slots) int64
        Samples counted and frame of the first; a count of 0 marks a free slot.
    min_count : int
        Colours counted at most so often are discarded as noise, unless all of them are.
    most_out : (n,) int64
    """
    for i in range(len(counts)):
        most = -1
        for floor in (min_count, 0):
            if most >= 0:
                break
            for s in range(counts.shape[1]):
                if counts[i, s] > floor and (
                    most < 0
                    or counts[i, s] > counts[i, most]
                    or (counts[i, s] == counts[i, most] and firsts[i, s] < firsts[i, most])
                ):
                    most = s
        most_out[i] = most


@kernel
def rarest_beyond(counts, firsts, beyond, min_count, rarest_out):
    """Find each pixel's rarest colour that is not the background; -1 for none.

    zoomg's rule: of equal counts, the colour that appeared last.

    Parameters
    ----------
    counts, firsts : (n, n_slots) int64
    beyond : (n, n_slots) bool
        Whether the colour is far enough from the background.
    min_count : int
        Colours counted at most so often are discarded as noise.
    rarest_out : (n,) int64
    """
    for i in range(len(counts)):
        rarest = -1
        for s in range(counts.shape[1]):
            if counts[i, s] <= min_count or not beyond[i, s]:
                continue
            if (
                rarest < 0
                or counts[i, s] < counts[i, rarest]
                or (counts[i, s] == counts[i, rarest] and firsts[i, s] > firsts[i, rarest])
            ):
                rarest = s
        rarest_out[i] = rarest


@kernel
def most_episodes(counts, episodes, beyond, min_count, best_out):
    """Find each pixel's colour with most episodes; -1 for none.

    Of equals, the most frequent one. Arguments as for `rarest_beyond`.
    """
    for i in range(len(counts)):
        best = -1
        for s in range(counts.shape[1]):
            if counts[i, s] <= min_count or not beyond[i, s]:
                continue
            if (
                best < 0
                or episodes[i, s] > episodes[i, best]
                or (episodes[i, s] == episodes[i, best] and counts[i, s] > counts[i, best])
            ):
                best = s
        best_out[i] = best


@kernel
def mean_within_radius(slots, place, radius, levels_out, total_out):
    """Average the colours of each pixel within a radius of the one in slot `place`.

    Noise spreads one colour over neighbouring bins; together they are that colour.

    Parameters
    ----------
    slots : (n, n_slots) RUN_SLOT
    place : (n,) int64
    radius : int
        Levels by which each channel may differ.
    levels_out : (n, 3) float64
        The mean of these slots' colours, weighted by their counts.
    total_out : (n,) int64
        The sum of their counts.
    """
    for i in range(len(slots)):
        centre = slots[i, place[i]]
        c0, c1, c2 = np.int64(centre["c0"]), np.int64(centre["c1"]), np.int64(centre["c2"])
        sum0 = sum1 = sum2 = total = np.int64(0)
        for s in range(slots.shape[1]):
            weight = np.int64(slots[i, s]["count"])
            s0, s1, s2 = (
                np.int64(slots[i, s]["c0"]),
                np.int64(slots[i, s]["c1"]),
                np.int64(slots[i, s]["c2"]),
            )
            if weight > 0 and max(abs(s0 - c0), abs(s1 - c1), abs(s2 - c2)) <= radius:
                sum0 += weight * s0
                sum1 += weight * s1
                sum2 += weight * s2
                total += weight
        levels_out[i, 0] = sum0 / total
        levels_out[i, 1] = sum1 / total
        levels_out[i, 2] = sum2 / total
        total_out[i] = total


@kernel
def mean_of_leader(leader, surveys, challenger, votes, radius, levels_out, total_out):
    """Average each pixel's leader and its challenger, if that is within a radius of it.

    Parameters
    ----------
    leader, challenger : (3, n) uint8
    surveys, votes : (n,) uint16
        Surveys that showed them; 0 where there is no leader yet.
    radius : int
        Levels by which each channel may differ.
    levels_out : (n, 3) float64
        The mean, weighted by surveys and votes; 0 where there are none.
    total_out : (n,) int64
        The sum of the weights.
    """
    for i in range(len(surveys)):
        distance = np.int64(0)
        for channel in range(3):
            difference = abs(np.int64(leader[channel, i]) - np.int64(challenger[channel, i]))
            distance = max(distance, difference)
        weight = np.int64(votes[i]) if distance <= radius else np.int64(0)
        total = np.int64(surveys[i]) + weight
        for channel in range(3):
            levels_out[i, channel] = (
                np.int64(surveys[i]) * np.int64(leader[channel, i])
                + weight * np.int64(challenger[channel, i])
            ) / max(total, np.int64(1))
        total_out[i] = total


@inlined
def _near(lab, y, x, v, u, tolerance):
    d0 = lab[y, x, 0] - lab[v, u, 0]
    d1 = lab[y, x, 1] - lab[v, u, 1]
    d2 = lab[y, x, 2] - lab[v, u, 2]
    return d0 * d0 + d1 * d1 + d2 * d2 <= tolerance * tolerance


@kernel
def grow_region(region_inout, lab, allowed, tolerance):
    """Extend a region to neighbours of a similar colour, as far as possible.

    Parameters
    ----------
    region_inout : (h, w) bool
    lab : (h, w, 3) float32 or float64
    allowed : (h, w) bool
        Pixels that may join.
    tolerance : float
        A pixel joins where its L*a*b* distance to one of its four neighbours in the region
        is at most this. The result does not depend on the order in which pixels are visited.
    """
    height, width = region_inout.shape
    queue = np.empty(height * width, np.int64)
    n_queued = 0
    for y in range(height):
        for x in range(width):
            if region_inout[y, x]:
                queue[n_queued] = y * width + x
                n_queued += 1
    done = 0
    while done < n_queued:
        y, x = divmod(queue[done], width)
        done += 1
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if (
                0 <= v < height
                and 0 <= u < width
                and not region_inout[v, u]
                and allowed[v, u]
                and _near(lab, y, x, v, u, tolerance)
            ):
                region_inout[v, u] = True
                queue[n_queued] = v * width + u
                n_queued += 1


@kernel
def neighbour_agreement(lab, claimed, tolerance, first_row, last_row, agreement_out):
    """Share of the 24 nearest neighbours that claim a similar colour, where a pixel claims one.

    Parameters
    ----------
    lab : (h, w, 3) float32 or float64
    claimed : (h, w) bool
    tolerance : float
        L*a*b* distance up to which colours are similar.
    first_row, last_row : int
        The band.
    agreement_out : (h, w) float32
        0 where nothing is claimed; neighbours outside the picture do not count.
    """
    height, width = claimed.shape
    for y in range(first_row, last_row):
        for x in range(width):
            agreement_out[y, x] = 0.0
            if not claimed[y, x]:
                continue
            like = 0
            neighbours = 0
            for v in range(max(0, y - 2), min(height, y + 3)):
                for u in range(max(0, x - 2), min(width, x + 3)):
                    neighbours += 1
                    if claimed[v, u] and _near(lab, y, x, v, u, tolerance):
                        like += 1
            if neighbours > 1:
                agreement_out[y, x] = (like - 1) / (neighbours - 1)


@inlined
def _is_blend(lab, other, s, behind, i, blend_distance):
    """Whether a colour lies on the way from the background to colour `s`, or a little before it."""
    d0 = lab[s, 0] - behind[i, 0]
    d1 = lab[s, 1] - behind[i, 1]
    d2 = lab[s, 2] - behind[i, 2]
    e0 = lab[other, 0] - behind[i, 0]
    e1 = lab[other, 1] - behind[i, 1]
    e2 = lab[other, 2] - behind[i, 2]
    t = (e0 * d0 + e1 * d1 + e2 * d2) / max(1e-9, d0 * d0 + d1 * d1 + d2 * d2)
    off0 = e0 - t * d0
    off1 = e1 - t * d1
    off2 = e2 - t * d2
    off = off0 * off0 + off1 * off1 + off2 * off2
    return -0.1 < t < 1.0 and off < blend_distance * blend_distance


@kernel
def weigh_candidates(
    lab,
    starts,
    pixels,
    behind,
    farthest,
    claimed,
    spacing,
    tolerance,
    blend_distance,
    base,
    per_blend,
    weights_out,
):
    """Weigh the colours of pixels by the farthest colours around and by blends of their own.

    The weight is `(base + f) * (1 + per_blend * n)`: `f` is the share of 24 neighbours, in a grid
    of 5 x 5, whose own farthest colour is within `tolerance`; those outside the picture are not
    alike. `n` is the number of other candidates of the pixel that are blends of the colour with the
    background: near the line between them, and not beyond the colour.

    Parameters
    ----------
    lab : (n, 3) float64
        L*a*b* of the candidates, pixel after pixel.
    starts : (m + 1,) int64
        Index of the first candidate of each of m pixels, and n.
    pixels : (m,) int64
        Flat indices of the pixels in the picture.
    behind : (m, 3) float64
        L*a*b* of the background.
    farthest : (h, w, 3) float32
        L*a*b* of each pixel's candidate that is farthest from the background.
    claimed : (h, w) bool
        Where there is one.
    spacing : int
        Pixels from column to column, and row to row, of the grid.
    tolerance, blend_distance : float
        L*a*b* distances up to which colours are alike, and from the line of blends.
    base, per_blend : float
    weights_out : (n,) float64
    """
    height, width = claimed.shape
    for i in range(len(pixels)):
        y, x = pixels[i] // width, pixels[i] % width
        for s in range(starts[i], starts[i + 1]):
            like = 0
            for v in range(y - 2 * spacing, y + 2 * spacing + 1, spacing):
                if not 0 <= v < height:
                    continue
                for u in range(x - 2 * spacing, x + 2 * spacing + 1, spacing):
                    if not 0 <= u < width or (v == y and u == x) or not claimed[v, u]:
                        continue
                    d0 = lab[s, 0] - farthest[v, u, 0]
                    d1 = lab[s, 1] - farthest[v, u, 1]
                    d2 = lab[s, 2] - farthest[v, u, 2]
                    like += d0 * d0 + d1 * d1 + d2 * d2 <= tolerance * tolerance
            blends = 0
            for other in range(starts[i], starts[i + 1]):
                blends += other != s and _is_blend(lab, other, s, behind, i, blend_distance)
            weights_out[s] = (base + like / 24.0) * (1.0 + per_blend * blends)


@kernel
def keep_large_regions(mask_inout, share_of_largest):
    """Remove the connected regions that are smaller than a share of the largest one.

    Parameters
    ----------
    mask_inout : (h, w) bool
        Regions are connected by their four neighbours.
    share_of_largest : float
    """
    height, width = mask_inout.shape
    pixels = np.empty(height * width, np.int64)  # region after region
    ends = np.empty(height * width + 1, np.int64)
    ends[0] = 0
    n_regions = 0
    n_pixels = 0
    largest = 0
    for start in range(height * width):
        y, x = divmod(start, width)
        if not mask_inout[y, x]:
            continue
        mask_inout[y, x] = False
        pixels[n_pixels] = start
        done = n_pixels
        n_pixels += 1
        while done < n_pixels:
            y, x = divmod(pixels[done], width)
            done += 1
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < height and 0 <= u < width and mask_inout[v, u]:
                    mask_inout[v, u] = False
                    pixels[n_pixels] = v * width + u
                    n_pixels += 1
        n_regions += 1
        ends[n_regions] = n_pixels
        largest = max(largest, n_pixels - ends[n_regions - 1])
    for region in range(n_regions):
        if ends[region + 1] - ends[region] >= share_of_largest * largest:
            for i in range(ends[region], ends[region + 1]):
                y, x = divmod(pixels[i], width)
                mask_inout[y, x] = True
