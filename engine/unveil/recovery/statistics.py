"""Statistics of each pixel as an Arrow table or a Parquet file, one row per pixel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from unveil.arrays import F32, U8, Array
from unveil.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

    from unveil.counting.times import TimeIndex

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
        "frames counted that showed the room's colour (over 32767 rounded, but for rarest)",
    ),
    "episodes": (
        "uint32",
        "episode",
        "separate times at which the room's colour came up (over 32767 rounded)",
    ),
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
    "room_is_blurred": (
        "bool",
        "1",
        "whether the room's colour is the blurred room's, sharpened; null where not recovered",
    ),
    "colours_seen": ("uint32", "colour", "colours counted, with those evicted"),
    "evictions": ("uint16", "colour", "colours that lost their slot to another, at most 65535"),
}
"""Type, unit and meaning of each column of stats.parquet."""


@dataclass(frozen=True, slots=True)
class PixelCounts:
    """Counts of each pixel, arrays of shape (h, w); `COLUMNS` describes them.

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
    blurred: Array


class Recovered(Protocol):
    """The attributes of a `Recovery` that the statistics use."""

    @property
    def room(self) -> U8:
        """(h, w, 4) RGBA."""
        ...

    @property
    def background(self) -> U8:
        """(h, w, 4) RGBA."""
        ...

    @property
    def confidence(self) -> F32:
        """(h, w)."""
        ...

    @property
    def counts(self) -> PixelCounts:
        """Counts of each pixel."""
        ...

    @property
    def times(self) -> TimeIndex:
        """Times of the frames."""
        ...

    @property
    def report(self) -> Mapping[str, Any]:
        """The report, with version, parameters and input."""
        ...


def table(recovery: Recovered) -> pa.Table:
    """Return the statistics, one row per pixel, row by row of the picture."""
    import pyarrow as pa

    return pa.Table.from_batches(list(_batches(recovery)), _schema(recovery))


def write(recovery: Recovered, path: Path) -> None:
    """Write the statistics as Parquet, band by band of rows.

    Raises
    ------
    OutputUnwritable
        The file cannot be written.
    """
    import pyarrow.parquet as pq

    runs = ["y", "background_count", "room_count", "episodes", "colours_seen", "evictions"]
    with (
        # A file object: Arrow reads names as addresses, and takes none that are not UTF-8.
        replacing(path) as temporary,
        temporary.open("wb") as file,
        pq.ParquetWriter(
            file,
            _schema(recovery),
            compression="zstd",
            compression_level=1,
            use_dictionary=runs,
        ) as writer,
    ):
        for batch in _batches(recovery):
            writer.write_batch(batch, row_group_size=len(batch))


def _schema(recovery: Recovered) -> pa.Schema:
    import pyarrow as pa

    columns = [
        pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})
        for name, (kind, unit, meaning) in COLUMNS.items()
    ]
    origin = {key: recovery.report.get(key) for key in ("unveil", "parameters", "input")}
    return pa.schema(columns, metadata={"unveil": json.dumps(origin)})


def _batches(recovery: Recovered) -> Iterator[pa.RecordBatch]:
    """Yield the statistics in bands of whole rows."""
    import pyarrow as pa

    height, width = recovery.room.shape[:2]
    band_rows = max(1, ROW_GROUP_PIXELS // width)
    schema = _schema(recovery)
    for first in range(0, height, band_rows):
        band = slice(first, min(height, first + band_rows))
        values = _columns(recovery, band)
        yield pa.record_batch(
            [
                pa.array(values[name][0].ravel(), type=kind, mask=_flat(values[name][1]))
                for name, (kind, _, _) in COLUMNS.items()
            ],
            schema=schema,
        )


def _columns(recovery: Recovered, band: slice) -> dict[str, tuple[Array, Array | None]]:
    """Return the values of each column in a band, and where they are null."""
    room, background = recovery.room[band], recovery.background[band]
    counts = {f.name: getattr(recovery.counts, f.name)[band] for f in fields(recovery.counts)}
    height, width = room.shape[:2]
    rows = np.repeat(np.arange(band.start, band.start + height, dtype=np.int32), width)
    columns = np.tile(np.arange(width, dtype=np.int32), height)
    unknown, unrecovered = background[..., 3] == 0, room[..., 3] == 0
    unseen = counts["first_frame"] < 0
    first = recovery.times.seconds_at(counts["first_frame"])
    last = recovery.times.seconds_at(counts["last_frame"])
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
        "confidence": (recovery.confidence[band], None),
        "room_is_blurred": (counts["blurred"], unrecovered),
        "colours_seen": (counts["colours_seen"], None),
        "evictions": (counts["evictions"], None),
    }
    for channel, name in enumerate("rgb"):
        values[f"background_{name}"] = background[..., channel], unknown
        values[f"room_{name}"] = room[..., channel], unrecovered
    return values


def _flat(mask: Array | None) -> Array | None:
    return None if mask is None else mask.ravel()
