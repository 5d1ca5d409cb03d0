"""The demonstration with a person: a call that leaks, its audit, and the same call protected."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from unveil.demo.result import PersonDemo, side_by_side
from unveil.errors import OutputExists
from unveil.files import is_there, read_image, removed_unless_complete, result_folder, write_png
from unveil.interruption import StopRequested, never
from unveil.progress import ProgressCallback
from unveil.scoring.leak import RIGHT_DISTANCE
from unveil.scoring.photo import compare_colours
from unveil.scoring.truth import Truth
from unveil.simulation.astronaut import FRAME_RATE, HEIGHT, N_FRAMES, WIDTH, AstronautCall
from unveil.simulation.call_files import CALL, CAMERA, MATTE, TRUTH
from unveil.video.rgb_reader import VideoPictures

if TYPE_CHECKING:
    from os import PathLike

    from unveil.arrays import U8
    from unveil.auditing.audit import Audit

SHIELD_KIND: Final = "decoys"


@dataclass(frozen=True, slots=True)
class _Files:
    """Every file of the demonstration."""

    folder: Path

    @property
    def true_room(self) -> Path:
        return self.folder / "true_room.png"

    @property
    def true_background(self) -> Path:
        return self.folder / "true_background.png"

    @property
    def picture(self) -> Path:
        return self.folder / "demo.png"

    @property
    def shield(self) -> Path:
        return self.folder / "shield.mp4"

    @property
    def protected(self) -> Path:
        return self.folder / "protected.mp4"

    @property
    def audit(self) -> Path:
        return self.folder / "call"

    @property
    def protected_audit(self) -> Path:
        return self.folder / "protected"

    @property
    def own(self) -> tuple[Path, ...]:
        """The files outside the folders of the audits."""
        return (
            *(self.folder / name for name in (CALL, TRUTH, CAMERA, MATTE)),
            self.true_room,
            self.true_background,
            self.picture,
            self.shield,
            self.protected,
            self.folder / "protected.report.json",
        )


def refuse_earlier_demo(folder: Path, *, force: bool) -> None:
    """Refuse a folder that holds an earlier demonstration.

    Raises
    ------
    OutputExists
        It does, and `force` is not set.
    """
    from unveil.recovery.result import refuse_earlier_result

    files = _Files(folder)
    if not force and any(is_there(path) for path in files.own):
        raise OutputExists(f"{folder}: holds an earlier demonstration; add --force to replace it")
    for path in (files.audit, files.protected_audit):
        refuse_earlier_result(path, force=force)


def run_person_demo(
    folder: str | PathLike[str],
    *,
    force: bool = False,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
    n_frames: int = N_FRAMES,
    frame_rate: float = FRAME_RATE,
) -> PersonDemo:
    """Make a call with a person, audit it, protect the camera's picture anew and audit that.

    The call is `AstronautCall`. The camera's picture is protected with `careful` before a
    background of `unveil.shield`.

    Parameters
    ----------
    folder, force, threads, progress, stop
        As for `run_demo`.
    n_frames, frame_rate
        Length of the call in frames, and frames per second.

    Raises
    ------
    As for `run_demo`.
    """
    # Imported late: networks and kernels load slowly.
    from unveil.auditing.audit import audit
    from unveil.protection import protect
    from unveil.recovery.result import AUDIT_FILES, FILES, PAGE, remove_earlier_result
    from unveil.shielding import shield

    files = _Files(Path(folder))
    refuse_earlier_demo(files.folder, force=force)
    audits = files.audit, files.protected_audit
    results = [path / name for path in audits for name in (*FILES, *AUDIT_FILES)]
    with (
        result_folder(files.folder),
        result_folder(files.audit),
        result_folder(files.protected_audit),
        removed_unless_complete(*files.own, *results),
    ):
        for path in audits:
            remove_earlier_result(path)
        for path in files.own:  # what an earlier one tells must not stand beside this one's call
            path.unlink(missing_ok=True)
        simulated = AstronautCall(n_frames, frame_rate, threads=threads)
        call = simulated.simulate(files.folder, camera_only=True, progress=progress, stop=stop)
        truth = Truth.read(call.truth)
        write_png(files.true_room, truth.room)
        write_png(files.true_background, truth.background)
        before = audit(call.call, threads=threads, progress=progress, stop=stop)
        before.write(files.audit)
        shield(
            files.true_background,
            files.shield,
            seconds=n_frames / frame_rate,
            fps=frame_rate,
            height=HEIGHT,
            width=WIDTH,
            stop=stop,
            kind=SHIELD_KIND,
        )
        assert call.camera is not None
        protect(
            call.camera,
            files.protected,
            background=files.shield,
            careful=True,
            threads=threads,
            progress=progress,
            stop=stop,
        )
        after = audit(files.protected, threads=threads, progress=progress, stop=stop)
        after.write(files.protected_audit)
        claimed, right = _measured(before, truth)
        shown = _frame_of(call.call, before)
        room = read_image(files.audit / "room.png")
        write_png(files.picture, side_by_side(shown, room, call.n_frames, right))
        protected_claimed, protected_right = _measured(after, truth)
    return PersonDemo(
        call=call.call,
        true_room=files.true_room,
        picture=files.picture,
        recovered_share=claimed,
        right_share=right,
        page=files.audit / PAGE,
        grade=_grade(before),
        protected=files.protected,
        protected_page=files.protected_audit / PAGE,
        protected_grade=_grade(after),
        protected_recovered_share=protected_claimed,
        protected_right_share=protected_right,
    )


def _measured(audit: Audit, truth: Truth) -> tuple[float, float]:
    """Return the shares of the picture that are claimed, and claimed and right."""
    (caller,) = audit.callers
    room = caller.recovery.room
    claimed = room[..., 3] > 0
    right = claimed & (compare_colours(room[..., :3], truth.room) < RIGHT_DISTANCE)
    return float(claimed.mean()), float(right.mean())


def _grade(audit: Audit) -> str | None:
    return None if audit.grade is None else audit.grade.letter


def _frame_of(call: Path, audit: Audit) -> U8:
    """Return the frame of the worst moment, or the middle one, (h, w, 3) uint8."""
    frame = audit.worst.frame
    if frame is None:
        pictures = VideoPictures(call)
        frame = next(itertools.islice(pictures, N_FRAMES // 2, None))
    return np.ascontiguousarray(frame)
