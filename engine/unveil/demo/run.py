"""Runs the demonstration of a kind: makes a call, recovers its room and measures the result."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from unveil.demo.person import refuse_earlier_demo, run_person_demo
from unveil.demo.result import DemoKind, DemoResult, side_by_side
from unveil.errors import OutputExists, check_choice
from unveil.files import is_there, removed_unless_complete, result_folder, write_png
from unveil.interruption import StopRequested, check, never
from unveil.progress import ProgressCallback
from unveil.scoring.leak import RIGHT_DISTANCE
from unveil.scoring.photo import compare_colours
from unveil.simulation.ideal import Kind, make_call
from unveil.video.writer import VideoWriter

if TYPE_CHECKING:
    from os import PathLike

_CRF = 8


def run_demo(
    folder: str | PathLike[str],
    kind: DemoKind = "person",
    *,
    force: bool = False,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
) -> DemoResult:
    """Make a call, encode it to H.264, recover it and measure the recovery.

    An ideal call has no person and leaks without noise, so nearly all of its room is recovered.
    "person" makes the ideal call "plain" and, in the folder `person` beside it, a call with a
    person and the leaks of a real network, audits it, protects it and audits that (see
    `run_person_demo`).

    Parameters
    ----------
    folder
        Output folder; it is made if it is missing.
    kind
        "person", or a kind of ideal call, see `make_call`.
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
        `stop` asked for it; as after Ctrl-C, no file of the call that was being made is left.
    OutputExists
        The folder holds an earlier demonstration.
    OutputUnwritable
        The folder cannot be made or written.
    """
    check_choice("kind", kind, get_args(DemoKind))
    folder = Path(folder)
    if kind != "person":
        return _run_ideal(folder, kind, force, threads, progress, stop)
    with_person = folder / "person"
    refuse_earlier_demo(with_person, force=force)
    ideal = _run_ideal(folder, "plain", force, threads, progress, stop)
    person = run_person_demo(
        with_person, force=force, threads=threads, progress=progress, stop=stop
    )
    return replace(ideal, kind="person", person=person)


def _run_ideal(
    folder: Path,
    kind: Kind,
    force: bool,
    threads: int | None,
    progress: ProgressCallback | None,
    stop: StopRequested,
) -> DemoResult:
    # Imported late: Numba loads slowly, and making a call needs none.
    from unveil.recovery.recover import recover
    from unveil.recovery.result import FILES, refuse_earlier_result, remove_earlier_result

    call = make_call(kind)
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
            crf=_CRF,
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
            shown = next(itertools.islice(call.frames(), call.n_frames * 5 // 12, None))
            right_share = float(right.mean())
            write_png(picture, side_by_side(shown, recovery.room, call.n_frames, right_share))
    return DemoResult(
        kind=kind,
        call=video,
        true_room=true_room,
        true_background=true_background,
        recovery=recovered,
        picture=picture,
        recovered_share=float(claimed.mean()),
        right_share=right_share,
    )
