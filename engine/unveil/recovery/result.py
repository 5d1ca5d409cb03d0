"""The result of a recovery: pictures, confidence and counts of each pixel."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from unveil.arrays import F32, U8, Array, Bool
from unveil.errors import OutputExists
from unveil.files import (
    BACKGROUND,
    ROOM,
    is_there,
    make_folder,
    unwritable,
    write_json,
    write_png,
)
from unveil.recovery import statistics
from unveil.recovery.leak_times import LeakTimes
from unveil.recovery.statistics import PixelCounts

if TYPE_CHECKING:
    import pyarrow as pa

    from unveil.counting.times import TimeIndex
    from unveil.recovery.leak_times import LeakTimes


ROOM_SHARP: Final = "room_sharp.png"
"""What leaked sharply, of a call whose background is a blur of the room; else no file."""

STATS, TIMELINE, REPORT = "stats.parquet", "timeline.parquet", "report.json"
FILES: Final = (ROOM, BACKGROUND, STATS, TIMELINE, REPORT)
"""Files of a saved recovery; the report is written last. There is no timeline without times."""

PAGE, AUDIT = "index.html", "audit.json"
REDACTED: Final = ("redacted.mp4", "redacted.mkv")
REDACTED_REPORT: Final = "redacted.report.json"
AUDIT_FILES: Final = (PAGE, AUDIT, *REDACTED, REDACTED_REPORT)
"""Files of an audit in the folder of its recovery; a new recovery makes them wrong."""

_FURTHER: Final = re.compile(r"(?:background|tile)-\d+")
"""Folders of further backgrounds, and of tiles."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The room and the background of a call.

    Attributes
    ----------
    room, background
        (h, w, 4) uint8 RGBA in displayed orientation. The room's alpha is its confidence,
        0 where nothing was recovered; the background's is 0 where it is not known.
    confidence
        (h, w) float32, 0 to 1; above 0 exactly where the room was recovered.
    counts
        Counts of each pixel.
    times
        Times of the counted frames.
    report
        Version, parameters, input, counts and warnings; ready for JSON.
    others
        Recoveries behind further backgrounds of the call, the longest first.
    leak_times
        The leaked area over time; None where times are not known, and behind a moving background.
    """

    room: U8 = field(repr=False)
    background: U8 = field(repr=False)
    confidence: F32 = field(repr=False)
    counts: PixelCounts = field(repr=False)
    times: TimeIndex = field(repr=False)
    report: Mapping[str, Any] = field(repr=False)
    others: tuple[Recovery, ...] = field(default=(), repr=False)
    leak_times: LeakTimes | None = field(default=None, repr=False)

    @property
    def recovered(self) -> int:
        """Number of pixels whose room colour was recovered."""
        return int(np.count_nonzero(self.room[..., 3]))

    @property
    def sharp(self) -> Bool:
        """(h, w) bool, where the room was recovered, but not from a blur of it."""
        sharp: Bool = (self.room[..., 3] > 0) & ~self.counts.blurred
        return sharp

    @property
    def sharp_room(self) -> U8:
        """`room` without what was recovered from a blur of it: (h, w, 4) RGBA."""
        return np.where(self.sharp[..., None], self.room, np.uint8(0))

    @property
    def stats(self) -> pa.Table:
        """One row per pixel, row by row of the picture; see `statistics.COLUMNS`."""
        return statistics.table(self)

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write room.png, background.png and the other files of a result into a folder.

        The `others` are written into its subfolders background-2, background-3 and so on.

        Parameters
        ----------
        folder
            Made if it is missing.
        force
            Replace an earlier result, with all its backgrounds.

        Raises
        ------
        OutputExists
            The folder holds an earlier result and `force` is not set.
        OutputUnwritable
            A file cannot be written; files that were complete before remain.
        """
        folder = begin_result(folder, force=force)
        with ThreadPoolExecutor(3, thread_name_prefix="unveil-write") as pool:
            for written in [
                pool.submit(write_png, folder / ROOM, self.room),
                pool.submit(write_png, folder / BACKGROUND, self.background),
                pool.submit(self.write_stats, folder / STATS),
            ]:
                written.result()
        if self.counts.blurred.any():
            write_png(folder / ROOM_SHARP, self.sharp_room)
        if self.leak_times is not None:
            self.leak_times.write(folder / TIMELINE, self.report)
        for number, other in enumerate(self.others, 2):
            other.save(folder / f"background-{number}", force=force)
        write_json(folder / REPORT, self.report)

    def write_stats(self, path: Path) -> None:
        """Write the statistics as Parquet, band by band of rows."""
        statistics.write(self, path)

    def _repr_png_(self) -> bytes:
        """Return the room for notebooks."""
        from unveil.recovery.notebook import room_png

        return room_png(self)

    def _repr_html_(self) -> str:
        """Return the room and its figures for notebooks."""
        from unveil.recovery.notebook import summary_html

        return summary_html(self)

    def mapped(self, change: Callable[[Array], Array]) -> Recovery:
        """Return the recovery with `change`, such as a rotation, applied to all its arrays."""
        counts = {f.name: change(getattr(self.counts, f.name)) for f in fields(self.counts)}
        return replace(
            self,
            room=change(self.room),
            background=change(self.background),
            confidence=change(self.confidence),
            counts=PixelCounts(**counts),
            others=tuple(other.mapped(change) for other in self.others),
        )


def begin_result(folder: str | Path, *, force: bool) -> Path:
    """Make a folder for a result and remove an earlier one from it.

    Raises
    ------
    OutputExists
        The folder holds an earlier result and `force` is not set.
    OutputUnwritable
        The folder cannot be made.
    """
    folder = Path(folder)
    refuse_earlier_result(folder, force=force)
    make_folder(folder)
    remove_earlier_result(folder)
    return folder


def refuse_earlier_result(folder: Path, *, force: bool) -> None:
    """Raise `OutputExists` where a folder holds a file of an earlier recovery.

    That of a tile or a further background, in a folder in it, is one, too.
    """
    if not force and any(is_there(path) for path in _result_files(folder)):
        raise OutputExists(f"{folder}: holds an earlier result; add --force to replace it")


def remove_earlier_result(folder: Path) -> None:
    """Remove what `save` wrote into a folder, those of tiles and further backgrounds included.

    Other files stay. The reports go first: what is left without one is no complete result.

    Raises
    ------
    OutputUnwritable
        A file cannot be removed.
    """
    try:
        for path in sorted(_result_files(folder), key=lambda path: path.name != REPORT):
            path.unlink(missing_ok=True)
        for further in further_folders(folder):
            with suppress(OSError):  # it holds something else
                further.rmdir()
    except OSError as error:
        raise unwritable(folder, error) from error


def checkpoint_folder(folder: Path) -> Path:
    """Return where the checkpoint of the recovery into a folder is kept: beside it, hidden."""
    return folder.with_name(f".{folder.name}.checkpoint")


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a recovery into a folder that is complete; no link is followed."""
    checkpoint = checkpoint_folder(folder)
    if checkpoint.is_dir() and not checkpoint.is_symlink():
        shutil.rmtree(checkpoint, ignore_errors=True)


def is_result_file(name: str) -> bool:
    """Whether a saved recovery, or an audit of it, may have a file of this name."""
    return name in (*FILES, ROOM_SHARP, *AUDIT_FILES)


def is_further_folder(name: str) -> bool:
    """Whether a folder of this name holds a tile or a further background."""
    return _FURTHER.fullmatch(name) is not None


def _result_files(folder: Path) -> list[Path]:
    """Return the paths that a saved recovery may have, whether they exist or not."""
    names = (*FILES, ROOM_SHARP)
    inside = [place / name for place in (folder, *further_folders(folder)) for name in names]
    return [*inside, *(folder / name for name in AUDIT_FILES)]


def further_folders(folder: Path) -> list[Path]:
    """Return the folders in which tiles, and further backgrounds, of an earlier recovery may lie.

    Those in them come first: a tile has backgrounds of its own.
    """
    if not is_there(folder) or not folder.is_dir():
        return []
    below = sorted(path for path in folder.iterdir() if is_further_folder(path.name))
    return [place for path in below for place in (*further_folders(path), path)]
