"""Compositing native planes with a low-resolution mask: sampling, smoothing, blending.

The mask is sampled on a grid that is fixed to the frame, the *opacity*: a level of 0 to `ONE` for
each cell of `step` x `step` pixels of luma. `step` is a power of two and not below the chroma
subsampling. The grid does not move with the model's region, so it can be smoothed over time.
It is interpolated only at the person's edge; elsewhere whole runs of a row are copied.

Planes are processed in *strips*, the rows between the centres of two rows of cells: an opacity of n
rows has n + 1 strips, of which the first and the last are half as high. A plane may have more
columns than its picture is wide, as FFmpeg's frames do; those are neither read nor written.

An opacity level becomes an alpha of 0 to 255 by a table, `alpha_lut`: 0 up to the level
`alpha_zero_max`, 255 from the level `alpha_one_min` on.
"""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel

ONE = 4096
"""Opacity level of the probability 1."""

BACKDROP, EDGE, PERSON = 0, 1, 2
"""Kinds of runs: only the backdrop shows, both are blended, only the person shows."""


@kernel
def place_mask(probability, to_mask, height, width, step, rise, opacity_inout, first_row, last_row):
    """Sample a mask into rows of the opacity, which rises slowly and falls at once.

    Parameters
    ----------
    probability : (mh, mw) float32
        0 to 1; NaN counts as 0, and so does everything outside the mask.
    to_mask : (2, 3) float64
        From coordinates (x, y) of the frame to those of the mask; pixel (r, c) of either
        covers [c, c + 1) x [r, r + 1). A cell is sampled at its centre, bilinearly.
    height, width : int
        Of the frame in pixels.
    step : int
        Side of a cell in pixels.
    rise : int
        A level below the mask's rises by `rise` 256ths of the difference, rounded up (256: at
        once). A level above it falls at once, so that no edge trails behind the person.
    opacity_inout : (rows, columns) uint16
        0 to `ONE`.
    """
    mask_height, mask_width = probability.shape
    rightmost, lowest = np.uintp(mask_width - 1), np.uintp(mask_height - 1)
    for row in range(first_row, last_row):
        y = min((row + 0.5) * step, height - 0.5)
        across_row = to_mask[0, 1] * y + to_mask[0, 2]
        down_row = to_mask[1, 1] * y + to_mask[1, 2]
        cells = opacity_inout[row]
        for column in range(np.uintp(len(cells))):
            x = min((column + 0.5) * step, width - 0.5)
            across = to_mask[0, 0] * x + across_row
            down = to_mask[1, 0] * x + down_row
            level = 0
            if 0.0 <= across <= mask_width and 0.0 <= down <= mask_height:
                across = min(max(across - 0.5, 0.0), mask_width - 1.0)
                down = min(max(down - 0.5, 0.0), mask_height - 1.0)
                # By way of a signed integer, to which a processor converts in one step.
                left, top = np.uintp(int(across)), np.uintp(int(down))
                right = min(left + np.uintp(1), rightmost)
                bottom = min(top + np.uintp(1), lowest)
                across -= int(across)
                down -= int(down)
                upper = (1.0 - across) * probability[top, left] + across * probability[top, right]
                lower = (1.0 - across) * probability[bottom, left] + across * probability[
                    bottom, right
                ]
                sampled = (1.0 - down) * upper + down * lower
                if sampled > 0.0:  # which a NaN is not
                    level = int(min(sampled, 1.0) * ONE + 0.5)
            before = int(cells[column])
            if level > before:
                level = before + (((level - before) * rise + 255) >> 8)
            cells[column] = level


@kernel
def keep_joined(seeds, alpha_zero_max, opacity_inout, reached_out, stack_out):
    """Set all cells to 0 that show something but are not connected to a seed.

    Parameters
    ----------
    seeds : (n, 2) int64
        Rows and columns of cells; those outside the grid, or that show nothing, are ignored.
    alpha_zero_max : int
        The highest level at which nothing shows. Cells up to it connect nothing and are kept.
    opacity_inout : (rows, columns) uint16
        Cells are connected to their eight neighbours.
    reached_out : (rows, columns) uint8
        1 where a cell is connected to a seed.
    stack_out : (rows * columns,) int32
        Scratch memory.
    """
    rows, columns = opacity_inout.shape
    reached_out[:] = 0
    n_open = 0
    for n in range(len(seeds)):
        row, column = seeds[n, 0], seeds[n, 1]
        if (
            0 <= row < rows
            and 0 <= column < columns
            and opacity_inout[row, column] > alpha_zero_max
            and not reached_out[row, column]
        ):
            reached_out[row, column] = 1
            stack_out[n_open] = row * columns + column
            n_open += 1
    while n_open:
        n_open -= 1
        row, column = divmod(int(stack_out[n_open]), columns)
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                if opacity_inout[r, c] > alpha_zero_max and not reached_out[r, c]:
                    reached_out[r, c] = 1
                    stack_out[n_open] = r * columns + c
                    n_open += 1
    highest = np.uint16(alpha_zero_max)
    for row in range(rows):
        cells, reached = opacity_inout[row], reached_out[row]
        for column in range(np.uintp(columns)):
            kept = (cells[column] <= highest) | (reached[column] != np.uint8(0))
            cells[column] = cells[column] if kept else np.uint16(0)


@kernel
def _runs_of_strip(top, bottom, alpha_zero_max, alpha_one_min, ends_out, kinds_out):
    """Split a strip into runs of one kind; return how many.

    The strip lies between two rows of cells, `top` and `bottom`. Interval i lies between the
    cells i - 1 and i, of which the first and the last are repeated outwards. A run ends before
    interval `ends_out[n]`. Interpolation never leaves the range of its four cells, so a kind
    holds for every pixel.
    """
    n_cells = len(top)
    n_runs = 0
    for i in range(n_cells + 1):
        left = max(i - 1, 0)
        right = min(i, n_cells - 1)
        low = min(min(top[left], top[right]), min(bottom[left], bottom[right]))
        high = max(max(top[left], top[right]), max(bottom[left], bottom[right]))
        kind = EDGE
        if high <= alpha_zero_max:
            kind = BACKDROP
        elif low >= alpha_one_min:
            kind = PERSON
        if n_runs == 0 or kinds_out[n_runs - 1] != kind:
            kinds_out[n_runs] = kind
            n_runs += 1
        ends_out[n_runs - 1] = i + 1
    return n_runs


@kernel
def log2(power_of_two):
    """Exponent of a power of two."""
    exponent = 0
    while (1 << exponent) < power_of_two:
        exponent += 1
    return exponent


@kernel
def _blend_row(
    source,
    backdrop,
    target_out,
    width,
    step,
    top,
    bottom,
    down,
    units,
    alpha_lut,
    ends,
    kinds,
    n_runs,
):
    """Blend one row; `down` of `units` is its place between the rows of cells."""
    across_units = 2 * step
    shift = log2(units * across_units)
    half = (1 << shift) >> 1
    last = len(top) - 1
    first_interval = 0
    for n in range(n_runs):
        # Unsigned, or Numba would ask of each index whether it counts from the end.
        first = np.uintp(max((first_interval - 1) * step + step // 2, 0))
        end = np.uintp(max(min((ends[n] - 1) * step + step // 2, width), 0))
        if kinds[n] == PERSON:
            for x in range(first, end):
                target_out[x] = source[x]
        elif kinds[n] == BACKDROP:
            for x in range(first, end):
                target_out[x] = backdrop[x]
        else:
            for i in range(first_interval, ends[n]):
                left = max(i - 1, 0)
                right = min(i, last)
                west = int(top[left]) * (units - down) + int(bottom[left]) * down
                east = int(top[right]) * (units - down) + int(bottom[right]) * down
                start = (i - 1) * step + step // 2
                for column in range(max(start, 0), min(start + step, width)):
                    x = np.uintp(column)
                    across = 2 * (column - (i - 1) * step) + 1 - step
                    level = (west * (across_units - across) + east * across + half) >> shift
                    alpha = int(alpha_lut[np.uintp(level)])
                    mixed = int(source[x]) * alpha + int(backdrop[x]) * (255 - alpha) + 127
                    target_out[x] = (mixed + 1 + (mixed >> 8)) >> 8  # mixed // 255
        first_interval = ends[n]


@kernel
def _between_rows(upper, lower, part, units, shift, row_out):
    """Interpolate two rows: `part` of `units` = 2**shift on the way from the upper to the lower."""
    above, below, half = np.uint32(units - part), np.uint32(part), np.uint32(units >> 1)
    for x in range(np.uintp(len(row_out))):
        mixed = np.uint32(upper[x]) * above + np.uint32(lower[x]) * below
        row_out[x] = np.uint8((mixed + half) >> np.uint32(shift))


@kernel
def _blend_plane(
    source,
    backdrop,
    factor,
    target_out,
    size,
    steps,
    strip,
    opacity,
    alpha_lut,
    runs,
    n_runs,
    row_buffer,
):
    """Blend the rows of a plane that lie in a strip; `factor` is the backdrop's, as for `blend`."""
    height, width = size[0], size[1]
    step_y, step_x = steps[0], steps[1]
    top = opacity[max(strip - 1, 0)]
    bottom = opacity[min(strip, len(opacity) - 1)]
    units = 2 * factor
    shift = log2(units)
    last = len(backdrop) - 1
    start = (strip - 1) * step_y + step_y // 2
    for y in range(max(start, 0), min(start + step_y, height)):
        if factor == 1:
            behind = backdrop[y]
        else:
            place = 2 * y + 1 - factor
            above = place >> shift
            part = place - (above << shift)
            upper, lower = backdrop[max(above, 0)], backdrop[min(above + 1, last)]
            behind = row_buffer[:width]
            _between_rows(upper, lower, part, units, shift, behind)
        down = 2 * (y - (strip - 1) * step_y) + 1 - step_y
        _blend_row(
            source[y],
            behind,
            target_out[y],
            width,
            step_x,
            top,
            bottom,
            down,
            2 * step_y,
            alpha_lut,
            runs[0],
            runs[1],
            n_runs,
        )


@kernel
def blend(
    sources,
    backdrops,
    factors,
    targets_out,
    sizes,
    steps,
    opacity,
    alpha_lut,
    alpha_zero_max,
    alpha_one_min,
    first_strip,
    last_strip,
):
    """Composite the person of one picture with another picture, plane by plane.

    Parameters
    ----------
    sources, targets_out : tuples of three (>= height, >= width) uint8
        The frame, and where to write.
    backdrops : tuple of three (rows, >= width) uint8
        The new background: a picture of the same height, or one of fewer rows, as `blur.widen`
        writes them, which is interpolated.
    factors : (3,) int64
        Rows of each plane that a row of its backdrop stands for: powers of two, 1 for the same
        height.
    sizes : (3, 2) int64
        Height and width of each plane's picture.
    steps : (3, 2) int64
        Rows and columns of each plane that a cell covers, powers of two.
    opacity : (rows, columns) uint16
        As `place_mask` writes it.
    alpha_lut : (ONE + 1,) uint8
        The level's opacity: at 255 a sample is the source's, at 0 the backdrop's, exactly.
    alpha_zero_max, alpha_one_min : int
        The highest level that `alpha_lut` maps to 0, and the lowest that it maps to 255.
    """
    runs = np.empty((2, opacity.shape[1] + 1), np.int64)
    row_buffer = np.empty(max(sizes[0, 1], sizes[1, 1]), np.uint8)
    for strip in range(first_strip, last_strip):
        top = opacity[max(strip - 1, 0)]
        bottom = opacity[min(strip, len(opacity) - 1)]
        n_runs = _runs_of_strip(top, bottom, alpha_zero_max, alpha_one_min, runs[0], runs[1])
        for p in range(3):
            _blend_plane(
                sources[p],
                backdrops[p],
                factors[p],
                targets_out[p],
                sizes[p],
                steps[p],
                strip,
                opacity,
                alpha_lut,
                runs,
                n_runs,
                row_buffer,
            )


@kernel
def write_opacity(
    opacity,
    alpha_lut,
    alpha_zero_max,
    alpha_one_min,
    step,
    height,
    width,
    target_out,
    first_strip,
    last_strip,
):
    """Write the alpha of each pixel of luma, 0 to 255, to (>= height, >= width) uint8.

    `opacity`, `alpha_lut`, `alpha_zero_max` and `alpha_one_min` are as for `blend`.
    """
    # Blending white with black would give the same, but took a fifth longer at 1080p.
    units = 2 * step
    shift = log2(units * units)
    half = (1 << shift) >> 1
    n_rows, n_columns = opacity.shape
    runs = np.empty((2, n_columns + 1), np.int64)
    ends, kinds = runs[0], runs[1]
    for strip in range(first_strip, last_strip):
        top = opacity[max(strip - 1, 0)]
        bottom = opacity[min(strip, n_rows - 1)]
        n_runs = _runs_of_strip(top, bottom, alpha_zero_max, alpha_one_min, ends, kinds)
        first_row = (strip - 1) * step + step // 2
        for y in range(max(first_row, 0), min(first_row + step, height)):
            down = 2 * (y - (strip - 1) * step) + 1 - step
            target = target_out[y]
            interval = 0
            for n in range(n_runs):
                if kinds[n] != EDGE:
                    level = np.uint8(255 if kinds[n] == PERSON else 0)
                    start = np.uintp(max((interval - 1) * step + step // 2, 0))
                    end = np.uintp(max(min((ends[n] - 1) * step + step // 2, width), 0))
                    for x in range(start, end):
                        target[x] = level
                    interval = ends[n]
                    continue
                for i in range(interval, ends[n]):
                    left = max(i - 1, 0)
                    right = min(i, n_columns - 1)
                    west = int(top[left]) * (units - down) + int(bottom[left]) * down
                    east = int(top[right]) * (units - down) + int(bottom[right]) * down
                    begin = (i - 1) * step + step // 2
                    for column in range(max(begin, 0), min(begin + step, width)):
                        across = 2 * (column - (i - 1) * step) + 1 - step
                        level = (west * (units - across) + east * across + half) >> shift
                        target[np.uintp(column)] = alpha_lut[np.uintp(level)]
                interval = ends[n]
