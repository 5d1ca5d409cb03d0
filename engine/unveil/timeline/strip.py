"""Drawing of a timeline: strips of colour with captions, swatches and a time axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from unveil.arrays import F64, U8
from unveil.drawing import checkerboard, font
from unveil.timeline.model import Timeline

_CAPTION_WIDTH: Final = 92
_HEADER_HEIGHT: Final = 22
_AXIS_HEIGHT: Final = 34
_SWATCH_WIDTH: Final = 78
_GAP: Final = 6
_TICK_DISTANCE: Final = 90
_INK: Final = (40, 40, 40)


def draw_strip(strip: Timeline, row_height: int, max_width: int) -> U8:
    """Draw the strips with captions, swatches and a time axis: (h, w, 3) uint8 RGB."""
    n_pixels, n_columns = strip.colours.shape[:2]
    scale = max(1, max_width // n_columns)
    width = n_columns * scale
    row_step = row_height + _GAP
    swatches = _CAPTION_WIDTH + width + _GAP
    page = Image.new(
        "RGB",
        (
            swatches + 2 * (_SWATCH_WIDTH + _GAP),
            _HEADER_HEIGHT + n_pixels * row_step + _AXIS_HEIGHT,
        ),
        "white",
    )
    draw = ImageDraw.Draw(page)
    typeface = font(13)
    for n, name in enumerate(("background", "room")):
        middle = swatches + n * (_SWATCH_WIDTH + _GAP) + _SWATCH_WIDTH // 2
        draw.text((middle, _HEADER_HEIGHT // 2), name, _INK, typeface, anchor="mm")
    for row, (x, y) in enumerate(strip.at):
        top = _HEADER_HEIGHT + row * row_step
        place = _CAPTION_WIDTH - _GAP, top + row_height // 2
        draw.text(place, f"{x},{y}", _INK, typeface, anchor="rm")
        frame = _CAPTION_WIDTH - 1, top - 1, _CAPTION_WIDTH + width, top + row_height
        draw.rectangle(frame, outline=_INK)
        cells = Image.fromarray(strip.colours[row][None])
        page.paste(
            cells.resize((width, row_height), Image.Resampling.NEAREST), (_CAPTION_WIDTH, top)
        )
        for n, recovered in enumerate((strip.background[row], strip.room[row])):
            left = swatches + n * (_SWATCH_WIDTH + _GAP)
            page.paste(_swatch(recovered, row_height), (left, top))
    axis = _HEADER_HEIGHT + n_pixels * row_step
    end = _CAPTION_WIDTH + width - 1
    draw.line((_CAPTION_WIDTH, axis, end, axis), _INK)
    for column, label in _ticks(strip, scale):
        x = _CAPTION_WIDTH + column
        draw.line((x, axis, x, axis + 5), _INK)
        draw.text((x, axis + 8), label, _INK, typeface, anchor="mt")
    return np.array(page)


def _swatch(recovered: U8, height: int) -> Image.Image:
    """Draw a recovered colour (4,) RGBA as a framed field; a checkerboard if alpha is 0."""
    if recovered[3]:
        red, green, blue = (int(level) for level in recovered[:3])
        swatch = Image.new("RGB", (_SWATCH_WIDTH, height), (red, green, blue))
    else:
        swatch = Image.fromarray(checkerboard(height, _SWATCH_WIDTH))
    outline = (0, 0, _SWATCH_WIDTH - 1, height - 1)
    ImageDraw.Draw(swatch).rectangle(outline, outline=_INK)
    return swatch


def _ticks(strip: Timeline, scale: int) -> Iterator[tuple[int, str]]:
    """Yield (pixels from the left, label) of each tick: seconds, or frames without times."""
    moments: F64 = strip.seconds
    timed = bool(np.isfinite(strip.seconds).all() and (np.diff(strip.seconds) >= 0).all())
    unit = " s" if timed else ""
    if not timed:
        moments = np.arange(len(strip.seconds), dtype=np.float64) * strip.frames_per_column
        yield 0, "frame 0"
    spread = float(moments[-1] - moments[0])
    if spread <= 0:
        if timed:
            yield 0, f"{moments[0]:g}{unit}"
        return
    wanted = spread * _TICK_DISTANCE / (len(moments) * scale)
    decade = 10.0 ** math.floor(math.log10(wanted))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= wanted)
    first = math.ceil(moments[0] / step) if timed else 1
    for n in range(first, math.floor(moments[-1] / step) + 1):
        yield int(np.searchsorted(moments, n * step)) * scale, f"{round(n * step, 6):g}{unit}"
