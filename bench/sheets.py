"""Pictures of the recoveries of each method, one sheet per call, in `bench/work/sheets/`.

`python -m bench.sheets` draws, for each call, one frame, the room recovered by zoomg's rule, by
VADER and by unveil, the true room where it leaked strongly (an upper bound for any method), and the
whole room. Recoveries that `bench.quality` has not made yet are made first.

`docs/sheet.png` is the sheet of the call that shows no footage of a person.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.calls import WORK
from bench.methods import METHODS
from bench.methods import Image as Picture
from bench.quality import KnownCall, found, room_of, run_apart, simulated
from bench.report import ROOT
from bench.simulated import RECIPES
from unveil.drawing import checkerboard, font, over
from unveil.files import read_image
from unveil.scoring.leak import measure_recovery
from unveil.scoring.truth import Truth
from unveil.video.rgb_reader import VideoPictures

SHEETS = WORK / "sheets"
SHOWN = ROOT / "docs" / "sheet.png"

ZOOMG, VADER = "zoomg's rule (`rarest`)", "VADER, given the background"
COLUMNS = 3
_CAPTION = 26
_GAP = 6


def main() -> None:
    """Draw the sheets that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=Path, metavar="FOLDER", help="further calls with a truth")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="only these calls")
    parser.add_argument("--method", default="`farend`", choices=METHODS, help="method of unveil")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--width", type=int, default=420, help="width of one picture in pixels")
    options = parser.parse_args()
    own = found(options.calls) if options.calls else []
    wanted = options.names or [call.name for call in own] + list(RECIPES)
    calls = [call for call in own if call.name in wanted]
    names = [name for name in RECIPES if name in wanted]
    calls += simulated(names) if names else []
    SHEETS.mkdir(parents=True, exist_ok=True)
    for call in calls:
        sheet = draw(call, options.method, options.width, options.threads)
        path = SHEETS / f"{call.name}.png"
        sheet.save(path)
        print(path, flush=True)
        if call in calls[len(calls) - len(names) :] and RECIPES[call.name].shown:
            sheet.quantize(256, dither=Image.Dither.NONE).save(SHOWN, optimize=True)
            print(SHOWN, flush=True)


def draw(call: KnownCall, method: str, width: int, threads: int | None) -> Image.Image:
    """Draw the sheet of a call: its pictures with captions."""
    truth = Truth.read(call.truth)
    cells = [(early_frame(call.call), "one frame of the call")]
    for name, caption in (
        (ZOOMG, "zoomg's rule"),
        (VADER, "VADER, given the background"),
        (method, f"unveil {method.strip('`')}"),
    ):
        room = _room(call, name, threads)
        score = measure_recovery(room, truth)
        cells.append((over_checkerboard(room), f"{caption}: F {score.f:.2f}"))
    cells.append((over_checkerboard(leaked(truth)), "what leaked strongly: the best there is"))
    cells.append((truth.room, "the room"))
    return page(cells, width)


def early_frame(call: Path) -> Picture:
    """Return the frame after a fifth of a call."""
    pictures = VideoPictures(call)
    early = (pictures.n_frames or 200) // 5
    return next(itertools.islice(pictures, early, None))


def _room(call: KnownCall, method: str, threads: int | None) -> Picture:
    folder = room_of(call.name, method)
    if not (folder / "room.png").exists():
        run_apart(call, method, folder, threads)
    return read_image(folder / "room.png")


def leaked(truth: Truth) -> Picture:
    """Return the true room where it leaked strongly, (h, w, 4) RGBA."""
    return np.dstack([truth.room, np.where(truth.strong, 255, 0).astype(np.uint8)])


def over_checkerboard(room: Picture) -> Picture:
    """Draw all claims opaque, because not all methods give a confidence."""
    opaque = room.copy()
    opaque[..., 3] = np.where(room[..., 3] > 0, 255, 0)
    return over(opaque, checkerboard(*room.shape[:2], side=16))


def page(cells: list[tuple[Picture, str]], width: int, columns: int = COLUMNS) -> Image.Image:
    """Draw pictures with captions from left to right, in rows; all as wide as told."""
    height = round(width * cells[0][0].shape[0] / cells[0][0].shape[1])
    rows = -(-len(cells) // columns)
    size = columns * (width + _GAP) - _GAP, rows * (height + _CAPTION)
    sheet = Image.new("RGB", size, (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for n, (picture, caption) in enumerate(cells):
        left, top = n % columns * (width + _GAP), n // columns * (height + _CAPTION)
        small = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (left, top))
        middle = (left + width // 2, top + height + _CAPTION // 2)
        pen.text(middle, caption, fill=(30, 30, 30), font=font(15), anchor="mm")
    return sheet


if __name__ == "__main__":
    main()
