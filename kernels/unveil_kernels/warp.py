"""Affine warps: from a frame's planes to a network's input, and from its mask to a picture.

Coordinates are continuous, (x, y): the pixel of row r and column c covers [c, c+1) x [r, r+1).
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel

ONE = 1 << 16
HALF = 1 << 15
"""Positions in a plane are integers that count 1/65536 pixel."""

FRACTION = np.float32(1.0 / ONE)
WHOLE = float(ONE) * ONE


@inlined
def _fixed(value):
    """Round to 1/65536, after clamping positions that are too far off to matter: no overflow."""
    return int(np.floor(min(max(value, -1e6), 1e6) * 65536.0 + 0.5))


@inlined
def _blend(upper_left, upper_right, lower_left, lower_right, x, y):
    """2**32 times the value between four neighbours, by the fractions of a fixed position."""
    right = x & (ONE - 1)
    below = y & (ONE - 1)
    upper = upper_left * (ONE - right) + upper_right * right
    lower = lower_left * (ONE - right) + lower_right * right
    return upper * (ONE - below) + lower * below


@inlined
def _inner_sum(flat, width, steps, x, y):
    """2**32 times the sum of the levels at (x, y) and `steps` from it, all inside the plane.

    `flat` is the plane in one row, and `x` and `y` count from the centre of its first pixel.
    Whole steps have the same fractions everywhere, so sums are blended, once.
    """
    start = (y >> 16) * width + (x >> 16)
    upper_left = upper_right = lower_left = lower_right = 0
    for step in steps:
        here = np.uintp(start + step)
        under = np.uintp(start + step + width)
        upper_left += int(flat[here])
        upper_right += int(flat[np.uintp(here + np.uintp(1))])
        lower_left += int(flat[under])
        lower_right += int(flat[np.uintp(under + np.uintp(1))])
    return _blend(upper_left, upper_right, lower_left, lower_right, x, y)


@inlined
def _clamped(plane, x, y):
    """2**32 times the level at (x, y); outside the plane, that of the nearest border pixel."""
    n_rows, n_columns = plane.shape
    x = min(max(x, 0), (n_columns - 1) << 16)
    y = min(max(y, 0), (n_rows - 1) << 16)
    row, column = y >> 16, x >> 16
    next_row, next_column = min(row + 1, n_rows - 1), min(column + 1, n_columns - 1)
    return _blend(
        int(plane[row, column]),
        int(plane[row, next_column]),
        int(plane[next_row, column]),
        int(plane[next_row, next_column]),
        x,
        y,
    )


@inlined
def _channel(to_rgb, c, luma, cb, cr):
    """Convert levels to a channel of RGB, 0 to 1, and clip it."""
    value = to_rgb[c, 0] * luma + to_rgb[c, 1] * cb + to_rgb[c, 2] * cr + to_rgb[c, 3]
    return min(max(value, 0.0), 1.0)


@kernel
def warp_planes(
    luma, cb, cr, shifts, to_frame, luma_grid, chroma_grid, to_rgb, black, white, tensor_out
):
    """Fill a network's input with a part of a frame, through an affine map.

    A pixel of the input is the mean of samples of the frame: one at the pixel's centre moved by
    each of a grid of whole steps. A sample is the plane's level, linear between the centres of
    its four neighbours; outside the frame it is black. The mean level is converted to RGB and
    clipped: one conversion a pixel, which differs from one a sample only where single samples
    would have been clipped. Chroma has a grid of its own, because a smaller plane needs fewer
    samples. It is assumed to lie in the middle of its pixels, and its border pixels are repeated
    beyond the frame's edge.

    Parameters
    ----------
    luma, cb, cr : (h, w), (ch, cw), (ch, cw) uint8
        A frame's planes, C-contiguous, in the order that `to_rgb` expects.
    shifts : (2,) int64
        Log2 of the chroma subsampling, (y, x).
    to_frame : (2, 3) float64
        From coordinates in the input to coordinates in the frame.
    luma_grid, chroma_grid : (k, 2), (l, 2) int64
        Steps (y, x) in pixels of the plane; at least one.
    to_rgb : (3, 4) float64
        RGB of 0 to 1 as `to_rgb @ (luma, cb, cr, 1)`, to be clipped.
    black, white : float
        The network's values for 0 and 1.
    tensor_out : (n, m, 3) float32
        RGB.
    """
    height, width = luma.shape
    chroma_height, chroma_width = cb.shape
    flat_luma, flat_cb, flat_cr = luma.ravel(), cb.ravel(), cr.ravel()
    luma_steps = luma_grid[:, 0] * width + luma_grid[:, 1]
    chroma_steps = chroma_grid[:, 0] * chroma_width + chroma_grid[:, 1]
    scale_y, scale_x = 1.0 / (1 << shifts[0]), 1.0 / (1 << shifts[1])

    # A pixel's samples and their neighbours lie inside the planes if its centre does with these.
    top, bottom = luma_grid[:, 0].min() << 16, luma_grid[:, 0].max() << 16
    left, right = luma_grid[:, 1].min() << 16, luma_grid[:, 1].max() << 16
    chroma_top, chroma_bottom = chroma_grid[:, 0].min() << 16, chroma_grid[:, 0].max() << 16
    chroma_left, chroma_right = chroma_grid[:, 1].min() << 16, chroma_grid[:, 1].max() << 16

    for i in range(tensor_out.shape[0]):
        for j in range(tensor_out.shape[1]):
            centre_x = to_frame[0, 0] * (j + 0.5) + to_frame[0, 1] * (i + 0.5) + to_frame[0, 2]
            centre_y = to_frame[1, 0] * (j + 0.5) + to_frame[1, 1] * (i + 0.5) + to_frame[1, 2]
            x = _fixed(centre_x) - HALF
            y = _fixed(centre_y) - HALF
            n_inside = 0
            level = 0
            if (
                x + left >= 0
                and y + top >= 0
                and x + right < (width - 1) << 16
                and y + bottom < (height - 1) << 16
            ):
                n_inside = len(luma_grid)
                level = _inner_sum(flat_luma, width, luma_steps, x, y)
            elif (
                x + right >= -HALF
                and y + bottom >= -HALF
                and x + left < (width << 16) - HALF
                and y + top < (height << 16) - HALF
            ):
                for k in range(len(luma_grid)):
                    sample_y = y + (luma_grid[k, 0] << 16)
                    sample_x = x + (luma_grid[k, 1] << 16)
                    if (
                        -HALF <= sample_x < (width << 16) - HALF
                        and -HALF <= sample_y < (height << 16) - HALF
                    ):
                        n_inside += 1
                        level += _clamped(luma, sample_x, sample_y)
            if n_inside == 0:
                tensor_out[i, j, 0] = black
                tensor_out[i, j, 1] = black
                tensor_out[i, j, 2] = black
                continue

            x = _fixed(centre_x * scale_x) - HALF
            y = _fixed(centre_y * scale_y) - HALF
            if (
                x + chroma_left >= 0
                and y + chroma_top >= 0
                and x + chroma_right < (chroma_width - 1) << 16
                and y + chroma_bottom < (chroma_height - 1) << 16
            ):
                level_cb = _inner_sum(flat_cb, chroma_width, chroma_steps, x, y)
                level_cr = _inner_sum(flat_cr, chroma_width, chroma_steps, x, y)
            else:
                level_cb = level_cr = 0
                for k in range(len(chroma_grid)):
                    sample_y = y + (chroma_grid[k, 0] << 16)
                    sample_x = x + (chroma_grid[k, 1] << 16)
                    level_cb += _clamped(cb, sample_x, sample_y)
                    level_cr += _clamped(cr, sample_x, sample_y)

            mean = level / (WHOLE * n_inside)
            mean_cb = level_cb / (WHOLE * len(chroma_grid))
            mean_cr = level_cr / (WHOLE * len(chroma_grid))
            span = (white - black) * n_inside / len(luma_grid)
            for c in range(3):
                tensor_out[i, j, c] = black + span * _channel(to_rgb, c, mean, mean_cb, mean_cr)


@inlined
def _neighbours(scale, offset, steps, length, first_out, next_out, share_out):
    """Find the pixels of an axis between which the samples of each pixel of the input lie.

    `first_out`, `next_out` and the next one's share in 1/65536, `share_out`, are (n, k): n pixels
    with k samples. Beyond the border its pixel is repeated.
    """
    for j in range(first_out.shape[0]):
        centre = _fixed(scale * (j + 0.5) + offset) - HALF
        for k in range(len(steps)):
            position = min(max(centre + (steps[k] << 16), 0), (length - 1) << 16)
            first_out[j, k] = position >> 16
            next_out[j, k] = min((position >> 16) + 1, length - 1)
            share_out[j, k] = position & (ONE - 1)


@kernel
def _sum_samples(plane, to_plane, grid, sums_out):
    """Sum the samples of each pixel of the input, times 2**32: along columns, then along rows."""
    rows, columns = grid[:, 0, 0], grid[0, :, 1]
    n_rows, n_columns = sums_out.shape
    above = np.empty((n_rows, len(rows)), np.int64)
    below, share_below = np.empty_like(above), np.empty_like(above)
    left = np.empty((n_columns, len(columns)), np.int64)
    right, share_right = np.empty_like(left), np.empty_like(left)
    _neighbours(to_plane[1, 1], to_plane[1, 2], rows, plane.shape[0], above, below, share_below)
    _neighbours(to_plane[0, 0], to_plane[0, 2], columns, plane.shape[1], left, right, share_right)
    row_sums = np.empty(plane.shape[1], np.int64)
    for i in range(n_rows):
        row_sums[:] = 0
        for k in range(len(rows)):
            upper, lower = plane[above[i, k]], plane[below[i, k]]
            lower_share = np.int32(share_below[i, k])
            upper_share = np.int32(ONE) - lower_share
            for x in range(len(row_sums)):
                row_sums[x] += np.int32(upper[x]) * upper_share + np.int32(lower[x]) * lower_share
        for j in range(n_columns):
            total = 0
            for k in range(len(columns)):
                share = share_right[j, k]
                total += row_sums[np.uintp(left[j, k])] * (ONE - share)
                total += row_sums[np.uintp(right[j, k])] * share
            sums_out[i, j] = total


@kernel
def stretch_planes(
    luma, cb, cr, shifts, to_frame, luma_grid, chroma_grid, to_rgb, black, white, tensor_out
):
    """Do what `warp_planes` does, in half the time, for a map that does not turn.

    The samples of a row of the input then lie in the same rows of a plane, which are summed once,
    with vector instructions. The sums are integers: the result is the same to the bit.

    Parameters
    ----------
    luma, cb, cr, shifts, to_rgb, black, white, tensor_out
        As for `warp_planes`.
    to_frame : (2, 3) float64
        From coordinates in the input to coordinates in the frame, each for itself; all samples lie
        inside the frame.
    luma_grid, chroma_grid : (r, c, 2), (s, d, 2) int64
        Steps (y, x) in pixels of the plane, at least one: y by row of the grid, x by column.
    """
    n_rows, n_columns, _ = tensor_out.shape
    to_chroma = to_frame.copy()  # divided by powers of two: exact
    to_chroma[0] /= 1 << shifts[1]
    to_chroma[1] /= 1 << shifts[0]
    sums = np.empty((3, n_rows, n_columns), np.int64)
    _sum_samples(luma, to_frame, luma_grid, sums[0])
    _sum_samples(cb, to_chroma, chroma_grid, sums[1])
    _sum_samples(cr, to_chroma, chroma_grid, sums[2])
    n_luma = WHOLE * luma_grid.shape[0] * luma_grid.shape[1]
    n_chroma = WHOLE * chroma_grid.shape[0] * chroma_grid.shape[1]
    span = white - black
    means = np.empty((3, n_columns))
    for i in range(n_rows):
        for j in range(n_columns):
            means[0, j] = sums[0, i, j] / n_luma
            means[1, j] = sums[1, i, j] / n_chroma
            means[2, j] = sums[2, i, j] / n_chroma
        for c in range(3):
            for j in range(n_columns):
                tensor_out[i, j, c] = black + span * _channel(
                    to_rgb, c, means[0, j], means[1, j], means[2, j]
                )


@inlined
def _between(mask, row, column, next_row, next_column, below, right):
    """Bilinear value of a mask between four pixels, by fractions in units of 1/65536."""
    below = np.float32(below) * FRACTION
    right = np.float32(right) * FRACTION
    upper_left = mask[np.uintp(row), np.uintp(column)]
    upper_right = mask[np.uintp(row), np.uintp(next_column)]
    lower_left = mask[np.uintp(next_row), np.uintp(column)]
    lower_right = mask[np.uintp(next_row), np.uintp(next_column)]
    upper = upper_left + right * (upper_right - upper_left)
    lower = lower_left + right * (lower_right - lower_left)
    return upper + below * (lower - upper)


@kernel
def warp_mask(mask, to_mask, picture_out):
    """Resample a mask through an affine map, bilinearly between the centres of its pixels.

    Parameters
    ----------
    mask : (n, m) float32
        The outer halves of its border pixels have their value; beyond them it is 0.
    to_mask : (2, 3) float64
        From coordinates in the picture to coordinates in the mask.
    picture_out : (h, w) float32

    Notes
    -----
    Positions are integers in units of 2**-32 pixel from the centre of the mask's first pixel, so
    that they do not drift along a row, and a pixel costs two additions and no conversion.
    """
    n_rows, n_columns = mask.shape
    last_x, last_y = (n_columns - 1) << 32, (n_rows - 1) << 32
    border = 1 << 31
    step_x = int(np.floor(to_mask[0, 0] * WHOLE))
    step_y = int(np.floor(to_mask[1, 0] * WHOLE))
    for i in range(picture_out.shape[0]):
        start_x = 0.5 * to_mask[0, 0] + (i + 0.5) * to_mask[0, 1] + to_mask[0, 2] - 0.5
        start_y = 0.5 * to_mask[1, 0] + (i + 0.5) * to_mask[1, 1] + to_mask[1, 2] - 0.5
        x = int(np.floor(start_x * WHOLE))
        y = int(np.floor(start_y * WHOLE))
        for j in range(picture_out.shape[1]):
            if 0 <= x < last_x and 0 <= y < last_y:
                row, column = y >> 32, x >> 32
                below, right = (y >> 16) & 65535, (x >> 16) & 65535
                picture_out[i, j] = _between(mask, row, column, row + 1, column + 1, below, right)
            elif -border <= x < last_x + border and -border <= y < last_y + border:
                near_x, near_y = min(max(x, 0), last_x), min(max(y, 0), last_y)
                row, column = near_y >> 32, near_x >> 32
                next_row, next_column = min(row + 1, n_rows - 1), min(column + 1, n_columns - 1)
                below, right = (near_y >> 16) & 65535, (near_x >> 16) & 65535
                picture_out[i, j] = _between(mask, row, column, next_row, next_column, below, right)
            else:
                picture_out[i, j] = 0.0
            x += step_x
            y += step_y
