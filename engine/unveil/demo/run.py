"""The demonstration: makes an ideal call, encodes it, recovers its room and measures the result."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from unveil.arrays import U8
from unveil.drawing import checkerboard, font, over
from unveil.errors import OutputExists
from unveil.files import is_there, removed_unless_complete, result_folder, write_png
from unveil.interruption import StopRequested, check, never
from unveil.scoring.leak import RIGHT_DISTANCE
from unveil.scoring.photo import compare_colours
from unveil.simulation.ideal import DemoCall, Kind, make_call, moving_call
from unveil.video.writer import VideoWriter

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["DemoCall", "DemoResult", "Kind", "make_call", "moving_call", "run_demo"]


_DEMO_CRF = 8
_CAPTION_PIXELS = 30


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Files and scores of the demonstration.

    Attributes
    ----------
    call, true_room, true_background
        The encoded call, and pictures of its true room and background.
    recovery
        Folder of the recovery, as `unveil recover` writes it.
    picture
        One frame of the call next to the recovered room.
    recovered_share
        Share of all pixels whose room colour the recovery claims.
    right_share
        Share of all pixels whose claimed colour is within CIEDE2000 10 of the true one.
    """

    kind: Kind
    call: Path
    true_room: Path
    true_background: Path
    recovery: Path
    picture: Path
    recovered_share: float
    right_share: float

    def as_dict(self) -> dict[str, str | float]:
        """Return all fields, ready for JSON."""
        return {
            "kind": self.kind,
            "call": str(self.call),
            "true_room": str(self.true_room),
            "true_background": str(self.true_background),
            "recovery": str(self.recovery),
            "picture": str(self.picture),
            "recovered_share": self.recovered_share,
            "right_share": self.right_share,
        }


def run_demo(
    folder: str | PathLike[str],
    kind: Kind = "plain",
    *,
    force: bool = False,
    threads: int | None = None,
    progress: Callable[..., object] | None = None,
    stop: StopRequested = never,
) -> DemoResult:
    """Make an ideal call, encode it to H.264, recover it and measure the recovery.

    Parameters
    ----------
    folder
        Output folder; it is made if it is missing.
    kind
        Kind of call, see `make_call`.
    force
        Replace an earlier demonstration in `folder`.
    threads
        Threads for the recovery; None takes one per core.
    progress
        Progress callback of the recovery.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.

    Raises
    ------
    InvalidParameter
        There is no such kind.
    Interrupted
        `stop` asked for it; as after Ctrl-C, no file of the demonstration is left.
    OutputExists
        The folder holds an earlier demonstration.
    OutputUnwritable
        The folder cannot be made or written.
    """
    # Imported late: Numba loads slowly, and making a call needs none.
    from unveil.recovery.recover import recover
    from unveil.recovery.result import FILES, refuse_earlier_result, remove_earlier_result

    call = make_call(kind)
    folder = Path(folder)
    video, recovered = folder / "call.mp4", folder / "call"
    true_room, true_background = folder / "true_room.png", folder / "true_background.png"
    picture = folder / "demo.png"
    own = (video, true_room, true_background, picture)
    if not force and any(is_there(path) for path in own):
        raise OutputExists(f"{folder}: holds an earlier demonstration; add --force to replace it")
    refuse_earlier_result(recovered, force=force)
    files = (*own, *(recovered / name for name in FILES))
    with result_folder(folder), result_folder(recovered):
        remove_earlier_result(recovered)
        for path in own[1:]:  # what an earlier one tells must not stand beside this one's call
            path.unlink(missing_ok=True)
        with VideoWriter(
            video,
            height=call.height,
            width=call.width,
            frame_rate=call.frame_rate,
            crf=_DEMO_CRF,
            preset="veryfast",
        ) as writer:
            for frame in call.frames():
                check(stop)
                writer.write(frame)
        with removed_unless_complete(*files):
            write_png(true_room, call.room)
            write_png(true_background, call.background)
            recovery = recover(video, threads=threads, progress=progress, stop=stop)
            recovery.save(recovered)
            claimed = recovery.room[..., 3] > 0
            right = claimed & (compare_colours(recovery.room[..., :3], call.room) < RIGHT_DISTANCE)
            write_png(picture, _side_by_side(call, recovery.room, float(right.mean())))
    return DemoResult(
        kind=kind,
        call=video,
        true_room=true_room,
        true_background=true_background,
        recovery=recovered,
        picture=picture,
        recovered_share=float(claimed.mean()),
        right_share=float(right.mean()),
    )


def _side_by_side(call: DemoCall, room: U8, right_share: float) -> U8:
    """Draw a frame of the call and the recovered room side by side, with captions."""
    shown = next(itertools.islice(call.frames(), call.n_frames * 5 // 12, None))
    height, width = call.height, call.width
    recovered = over(room, checkerboard(height, width))
    gap = np.full((height, 8, 3), 255, np.uint8)
    pair = np.hstack([shown, gap, recovered])
    page = np.full((height + _CAPTION_PIXELS, pair.shape[1], 3), 255, np.uint8)
    page[:height] = pair
    image = Image.fromarray(page)
    draw = ImageDraw.Draw(image)
    typeface = font(17)
    middle = height + _CAPTION_PIXELS // 2
    for centre, caption in (
        (width // 2, f"one of {call.n_frames} frames of the call"),
        (width + 8 + width // 2, f"the room recovered from them, {right_share:.0%} of it right"),
    ):
        draw.text((centre, middle), caption, fill=(30, 30, 30), font=typeface, anchor="mm")
    return np.array(image)
