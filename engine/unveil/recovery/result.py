"""What was recovered from a call: pictures, confidence and a row of statistics per pixel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from unveil.arrays import F32, U8, Array
from unveil.errors import OutputExists
from unveil.files import BACKGROUND, ROOM, make_folder, replacing, write_json, write_png

if TYPE_CHECKING:
    import pyarrow as pa

    from unveil.counting.times import TimeIndex


STATS, REPORT = "stats.parquet", "report.json"
FILES: Final = (ROOM, BACKGROUND, STATS, REPORT)
"""What a saved recovery consists of; the report is written last."""

ROW_GROUP_PIXELS: Final = 1 << 17

COLUMNS: Final[dict[str, tuple[str, str, str]]] = {
    "y": ("int32", "pixel", "row in the displayed picture, from the top"),
    "x": ("int32", "pixel", "column in the displayed picture, from the left"),
    "background_r": ("uint8", "sRGB level", "red of the background, null where not known"),
    "background_g": ("uint8", "sRGB level", "green of the background, null where not known"),
    "background_b": ("uint8", "sRGB level", "blue of the background, null where not known"),
    "background_count": (
        "uint32",
        "sample",
        "frames (rarest: all, else those surveyed) that showed it",
    ),
    "room_r": ("uint8", "sRGB level", "red of the room, null where not recovered"),
    "room_g": ("uint8", "sRGB level", "green of the room, null where not recovered"),
    "room_b": ("uint8", "sRGB level", "blue of the room, null where not recovered"),
    "room_count": (
        "uint32",
        "sample",
        "frames counted that showed the room's colour (but for rarest at most 65535)",
    ),
    "episodes": ("uint32", "episode", "separate times at which the room's colour came up"),
    "first_frame": ("int64", "frame", "first counted frame with the room's colour, from 0"),
    "last_frame": ("int64", "frame", "last counted frame with the room's colour, from 0"),
    "first_seconds": ("float64", "second", "time of first_frame"),
    "last_seconds": ("float64", "second", "time of last_frame"),
    "ciede2000": (
        "float32",
        "CIEDE2000",
        "distance between the room's colour and the background's",
    ),
    "confidence": ("float32", "1", "0 (nothing recovered) to 1"),
    "colours_seen": ("uint32", "colour", "colours counted, with those evicted"),
    "evictions": ("uint16", "colour", "colours that lost their slot to another, at most 65535"),
}
"""Columns of the statistics: type, unit and meaning."""


@dataclass(frozen=True, slots=True)
class PixelCounts:
    """What was counted at each pixel, arrays of shape (h, w).

    `first_frame` and `last_frame` are -1 where no counted sample showed the room.
    """

    background_count: Array
    room_count: Array
    episodes: Array
    first_frame: Array
    last_frame: Array
    ciede2000: Array
    colours_seen: Array
    evictions: Array


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was recovered from a call.

    Attributes
    ----------
    room, background
        (h, w, 4) uint8 RGBA in displayed orientation. The room's alpha is its confidence,
        0 where nothing was recovered; the background's is 0 where it is not known.
    confidence
        (h, w) float32, 0 to 1; over 0 exactly where the room was recovered.
    counts
        What was counted at each pixel.
    report
        Version, parameters, input and how it went; ready for JSON.
    others
        What was recovered behind further backgrounds of the call, by their lengths.
    """

    room: U8 = field(repr=False)
    background: U8 = field(repr=False)
    confidence: F32 = field(repr=False)
    counts: PixelCounts = field(repr=False)
    times: TimeIndex = field(repr=False)
    report: Mapping[str, Any] = field(repr=False)
    others: tuple[Recovery, ...] = field(default=(), repr=False)

    @property
    def recovered(self) -> int:
        """Pixels of which the room was recovered."""
        return int(np.count_nonzero(self.room[..., 3]))

    @property
    def stats(self) -> pa.Table:
        """One row a pixel, row by row of the picture; `COLUMNS` tells what they are."""
        import pyarrow as pa

        return pa.Table.from_batches(list(self._batches()), self._schema())

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write room.png, background.png, stats.parquet and report.json into a folder.

        Those of `others` go into folders in it, background-2 and so on.

        Parameters
        ----------
        folder
            Made if need be.
        force
            Replace an earlier result.

        Raises
        ------
        OutputExists
            The folder holds an earlier result and `force` is not set.
        OutputUnwritable
            It cannot be written; files that were finished before that stay.
        """
        folder = Path(folder)
        refuse_earlier_result(folder, force=force)
        make_folder(folder)
        # While there is no report, the result is not complete.
        (folder / REPORT).unlink(missing_ok=True)
        with ThreadPoolExecutor(3, thread_name_prefix="unveil-write") as pool:
            for written in [
                pool.submit(write_png, folder / ROOM, self.room),
                pool.submit(write_png, folder / BACKGROUND, self.background),
                pool.submit(self.write_stats, folder / STATS),
            ]:
                written.result()
        for number, other in enumerate(self.others, 2):
            other.save(folder / f"background-{number}", force=force)
        write_json(folder / REPORT, self.report)

    def write_stats(self, path: Path) -> None:
        """Write the statistics as Parquet, band by band of rows."""
        import pyarrow.parquet as pq

        schema = self._schema()
        with replacing(path) as temporary:
            runs = ["y", "background_count", "room_count", "episodes", "colours_seen", "evictions"]
            with pq.ParquetWriter(
                temporary, schema, compression="zstd", compression_level=1, use_dictionary=runs
            ) as writer:
                for batch in self._batches():
                    writer.write_batch(batch, row_group_size=len(batch))

    def mapped(self, change: Callable[[Array], Array]) -> Recovery:
        """Return the recovery with every picture and array turned by `change`, as for display."""
        counts = {f.name: change(getattr(self.counts, f.name)) for f in fields(self.counts)}
        return replace(
            self,
            room=change(self.room),
            background=change(self.background),
            confidence=change(self.confidence),
            counts=PixelCounts(**counts),
            others=tuple(other.mapped(change) for other in self.others),
        )

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        columns = [
            pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})
            for name, (kind, unit, meaning) in COLUMNS.items()
        ]
        told = {key: self.report.get(key) for key in ("unveil", "parameters", "input")}
        return pa.schema(columns, metadata={"unveil": json.dumps(told)})

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Give the statistics in bands of whole rows."""
        import pyarrow as pa

        height, width = self.room.shape[:2]
        band_rows = max(1, ROW_GROUP_PIXELS // width)
        schema = self._schema()
        for first in range(0, height, band_rows):
            band = slice(first, min(height, first + band_rows))
            values = self._columns(band)
            yield pa.record_batch(
                [
                    pa.array(values[name][0].ravel(), type=kind, mask=_flat(values[name][1]))
                    for name, (kind, _, _) in COLUMNS.items()
                ],
                schema=schema,
            )

    def _columns(self, band: slice) -> dict[str, tuple[Array, Array | None]]:
        """Values of a band and where they are null."""
        room, background = self.room[band], self.background[band]
        counts = {f.name: getattr(self.counts, f.name)[band] for f in fields(self.counts)}
        height, width = room.shape[:2]
        rows = np.repeat(np.arange(band.start, band.start + height, dtype=np.int32), width)
        columns = np.tile(np.arange(width, dtype=np.int32), height)
        unknown, unrecovered = background[..., 3] == 0, room[..., 3] == 0
        unseen = counts["first_frame"] < 0
        first = self.times.seconds_at(counts["first_frame"])
        last = self.times.seconds_at(counts["last_frame"])
        values: dict[str, tuple[Array, Array | None]] = {
            "y": (rows, None),
            "x": (columns, None),
            "background_count": (counts["background_count"], None),
            "room_count": (counts["room_count"], None),
            "episodes": (counts["episodes"], None),
            "first_frame": (counts["first_frame"], unseen),
            "last_frame": (counts["last_frame"], unseen),
            "first_seconds": (first, unseen | np.isnan(first)),
            "last_seconds": (last, unseen | np.isnan(last)),
            "ciede2000": (counts["ciede2000"], unrecovered | unknown),
            "confidence": (self.confidence[band], None),
            "colours_seen": (counts["colours_seen"], None),
            "evictions": (counts["evictions"], None),
        }
        for channel, name in enumerate("rgb"):
            values[f"background_{name}"] = background[..., channel], unknown
            values[f"room_{name}"] = room[..., channel], unrecovered
        return values


def refuse_earlier_result(folder: Path, *, force: bool) -> None:
    """Raise `OutputExists` where a folder holds a file of an earlier recovery."""
    if force:
        return
    for name in FILES:
        if (folder / name).exists():
            raise OutputExists(f"{folder}: holds an earlier result; add --force to replace it")


def _flat(mask: Array | None) -> Array | None:
    return None if mask is None else mask.ravel()
