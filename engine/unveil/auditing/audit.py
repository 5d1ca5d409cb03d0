"""`audit`: recovers a call's room and tells how much of it leaks, when, and how sure that is."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from unveil._version import __version__
from unveil.arrays import U8
from unveil.auditing.frames import Shot, ShotReader, shots_of, worst_shots
from unveil.auditing.regions import Region, regions_of
from unveil.auditing.verdict import Grade, Leak, is_before_still_picture, leak_of
from unveil.files import finite, replacing, write_json
from unveil.interruption import StopRequested, never
from unveil.progress import Progress, ProgressCallback, silent
from unveil.recovery.leak_times import LeakTimes, Moment
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions, TilesArgument
from unveil.recovery.result import AUDIT, PAGE, Recovery
from unveil.recovery.tiles import TileRecoveries, recover_tiles
from unveil.redaction import printable
from unveil.video.source import Source, source_of

WORST_MOMENTS: Final = 5

CANDIDATES: Final = 8
"""Moments among which the worst ones are chosen, where they are read again."""

MAX_CANDIDATE_SECONDS: Final = 2.0
"""Longest bins of a call whose moments are read again: with longer ones that takes too long."""


@dataclass(frozen=True, slots=True)
class AuditedMoment:
    """A stretch of a call in which much leaks, and the frame of it that leaks most.

    Shares are of the picture's pixels, 0 to 1. `shot` is None where the frame was not read.
    """

    start_seconds: float
    end_seconds: float
    leaked_share: float
    confident_share: float
    shot: Shot | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, float]:
        """Return times and shares, ready for JSON."""
        return {
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            "leaked_share": self.leaked_share,
            "confident_share": self.confident_share,
        }


@dataclass(frozen=True, slots=True)
class CallerAudit:
    """What a recording shows of one caller's room.

    Attributes
    ----------
    region
        The recovery, and where the recording shows the caller.
    leak
        How much leaks.
    moments
        The worst moments, the worst first; none where they are not known.
    frame
        (h, w, 3) uint8 RGB, a frame of the call, of the worst moment if that is known; None where
        the recording cannot be read again.
    notes
        What could not be shown, one line each.
    """

    region: Region
    leak: Leak
    moments: tuple[AuditedMoment, ...] = ()
    frame: U8 | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def recovery(self) -> Recovery:
        """The recovery of the caller's room."""
        return self.region.recovery

    def as_dict(self) -> dict[str, Any]:
        """Return the caller's part of `Audit.as_dict`."""
        grade = self.leak.grade
        return {
            "folder": self.region.folder or None,
            "grade": None if grade is None else grade.letter,
            "verdict": self.leak.verdict,
            "leaked_share": self.leak.leaked_share if self.leak.is_known else None,
            "confident_share": self.leak.confident_share if self.leak.is_known else None,
            **_range_of(self.leak),
            "moments": [moment.as_dict() for moment in self.moments],
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """What a call shows of the rooms behind its virtual backgrounds.

    Attributes
    ----------
    name
        Of the call, as displayed to users.
    recovery
        What was recovered: one room, or one for each tile of a meeting.
    callers
        The audit of each room, in the order of the tiles.
    """

    name: str
    recovery: Recovery | TileRecoveries = field(repr=False)
    callers: tuple[CallerAudit, ...]

    @property
    def worst(self) -> CallerAudit:
        """The caller of whose room most leaks; one that cannot be judged only if none can."""
        return self.callers[self._worst_number]

    @property
    def _worst_number(self) -> int:
        leaks = [caller.leak for caller in self.callers]
        return max(
            range(len(leaks)),
            key=lambda number: (leaks[number].is_known, leaks[number].leaked_share),
        )

    @property
    def grade(self) -> Grade | None:
        """The grade of the worst caller; None where nothing can be said."""
        return self.worst.leak.grade

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if len(self.callers) == 1:
            return self.worst.leak.verdict
        return (
            f"The worst of {len(self.callers)} callers is caller {self._worst_number + 1}: "
            f"{self.worst.leak.verdict}"
        )

    @property
    def moments(self) -> tuple[AuditedMoment, ...]:
        """The worst moments of the worst caller, the worst first."""
        return self.worst.moments

    @property
    def leaked_share(self) -> float | None:
        """Share of the worst caller's picture that leaks; None where nothing can be said."""
        return self.worst.leak.leaked_share if self.worst.leak.is_known else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know, one sentence each."""
        notes = [note for caller in self.callers for note in caller.notes]
        return tuple(dict.fromkeys([*self.recovery.report["warnings"], *notes]))

    def exceeds(self, share: float) -> bool:
        """Whether more than a share of any caller's picture leaks, or that cannot be said."""
        return any(
            not caller.leak.is_known or caller.leak.leaked_share > share for caller in self.callers
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the audit, ready for JSON."""
        grade, worst = self.grade, self.worst.leak
        content: dict[str, Any] = finite(
            {
                "unveil": __version__,
                "input": self.name,
                "grade": None if grade is None else grade.letter,
                "verdict": self.verdict,
                "leaked_share": self.leaked_share,
                "confident_share": worst.confident_share if worst.is_known else None,
                **_range_of(worst),
                "callers": [caller.as_dict() for caller in self.callers],
                "warnings": list(self.warnings),
            }
        )
        return content

    def page(self) -> str:
        """Return the page: one HTML document that needs no other file."""
        from unveil.auditing.page import render_page

        return render_page(self)

    def write(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the recovery, audit.json and index.html into a folder.

        Parameters
        ----------
        folder
            Made if it is missing.
        force
            Replace an earlier result.

        Raises
        ------
        OutputExists
            The folder holds an earlier result and `force` is not set.
        OutputUnwritable
            A file cannot be written; files that were complete before remain.
        """
        folder = Path(folder)
        self.recovery.save(folder, force=force)
        self.write_page(folder)

    def write_page(self, folder: Path) -> None:
        """Write audit.json and index.html into the folder of the saved recovery."""
        write_json(folder / AUDIT, self.as_dict())
        with replacing(folder / PAGE) as temporary:
            temporary.write_text(self.page(), encoding="utf-8", errors="replace")

    def _repr_html_(self) -> str:
        """Return a summary for notebooks."""
        from unveil.auditing.page import render_summary

        return render_summary(self)


def _range_of(leak: Leak) -> dict[str, float | None]:
    """Return the range of what leaks, for JSON."""
    low, high = (None, None) if leak.likely_range is None else leak.likely_range
    return {"likely_low_share": low, "likely_high_share": high}


def audit(
    path: str | os.PathLike[str] | Source,
    *,
    tiles: TilesArgument = "auto",
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> Audit:
    """Recover the room of a call, and tell how much of it leaks and when.

    Parameters
    ----------
    path
        As for `unveil.recover`. The frames of the worst moments are read from files only.
    tiles
        "auto": one audit for each tile of a recorded meeting; "off": the whole picture;
        ROWSxCOLUMNS: a grid of equal tiles.
    progress, stop, options
        As for `unveil.recover`.

    Raises
    ------
    NoTiles
        The picture is cut into tiles of which none can be recovered.

    Otherwise as for `unveil.recover`.
    """
    source = path if isinstance(path, Source) else source_of(path)
    recovered = recover_tiles(source, tiles=tiles, progress=progress, stop=stop, **options)
    return audit_of(recovered, source, RecoverOptions(**options), stop, progress or silent)


def audit_of(
    recovered: Recovery | TileRecoveries,
    source: Source,
    options: RecoverOptions,
    stop: StopRequested = never,
    progress: ProgressCallback = silent,
) -> Audit:
    """Audit what was recovered; a file is read again for the frames of the worst moments.

    `progress` is called, with the stage "finalise", before frames are read.

    Raises
    ------
    Interrupted
        `stop` asked for it.
    """
    callers = tuple(
        _audited(region, source, options, stop, progress) for region in regions_of(recovered)
    )
    return Audit(printable(source.name), recovered, callers)


def _audited(
    region: Region,
    source: Source,
    options: RecoverOptions,
    stop: StopRequested,
    progress: ProgressCallback,
) -> CallerAudit:
    times = region.recovery.leak_times
    chooses = source.can_rewind and _may_choose(region.recovery)
    worst = [] if times is None else times.worst(CANDIDATES if chooses else WORST_MOMENTS)
    begin, end = options.start_seconds or 0.0, options.end_seconds or math.inf
    peaks = [] if times is None else [_peak(times, moment) for moment in worst]
    # A bin may begin before the first selected frame, and end after the last one.
    stretches = [(max(begin, start), min(end, until)) for start, until in peaks]
    leak = leak_of(region.recovery)
    if not source.can_rewind:
        shots: Sequence[Shot | None] = [None] * len(worst)
        note: str | None = "no frames of the call are shown: it cannot be read a second time"
        frame = None
    else:
        reader = ShotReader(
            source,
            region,
            threads=options.n_threads,
            stream=options.stream,
            stop=stop,
            on_seek=lambda: progress(Progress("finalise")),
        )
        if len(worst) > WORST_MOMENTS:
            chosen, note = worst_shots(reader, stretches, WORST_MOMENTS)
            worst, shots = [worst[k] for k, _ in chosen], [shot for _, shot in chosen]
        else:
            shots, note = shots_of(reader, stretches or _middle(region.recovery))
        frame = next((shot.picture for shot in shots if shot is not None), None)
    return CallerAudit(
        region,
        leak,
        tuple(
            AuditedMoment(
                moment.start_seconds,
                moment.end_seconds,
                moment.leaked_share,
                moment.confident_share,
                shot,
            )
            for moment, shot in zip(worst, shots, strict=False)
        ),
        frame,
        () if note is None else (note,),
    )


def _may_choose(recovery: Recovery) -> bool:
    """Whether leaks inside the person mask can be told by the claimed colours in single seconds."""
    times = recovery.leak_times
    return (
        is_before_still_picture(recovery)
        and not recovery.others
        and times is not None
        and times.bin_seconds <= MAX_CANDIDATE_SECONDS
    )


def _peak(times: LeakTimes, moment: Moment) -> tuple[float, float]:
    """Return start and end of the bin of a moment, which may be long, that leaks most."""
    inside = (times.start_seconds >= moment.start_seconds) & (
        times.end_seconds <= moment.end_seconds
    )
    peak = int(np.argmax(np.where(inside, times.leaked_share, -1.0)))
    return float(times.start_seconds[peak]), float(times.end_seconds[peak])


def _middle(recovery: Recovery) -> list[tuple[float, float]]:
    """Return the time of the middle frame, as a stretch of no length; none if it is unknown."""
    middle = recovery.times.seconds_at(np.array([recovery.times.n_frames // 2]))
    seconds = float(middle[0])
    return [] if np.isnan(seconds) else [(seconds, seconds)]
