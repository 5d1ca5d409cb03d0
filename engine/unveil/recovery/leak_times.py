"""When the room leaked: the leaked area in each second of a call; longer bins for a long call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from unveil.arrays import F32, F64
from unveil.counting.colour_times import ColourTimes
from unveil.files import replacing
from unveil_kernels.counting.colour_times import WORD_BITS

if TYPE_CHECKING:
    import pyarrow as pa

CONFIDENT: Final = 0.5
"""Claims of a higher confidence are confident."""

AS_MUCH: Final = 0.8
"""A bin that leaks at least this share of what the bin beside it leaks belongs to one moment."""

N_WORST: Final = 5
"""Moments that the report names."""

COLUMNS: Final[dict[str, tuple[str, str, str]]] = {
    "start_seconds": ("float64", "second", "beginning of the bin"),
    "end_seconds": ("float64", "second", "end of the bin, which is the beginning of the next one"),
    "leaked_pixels": ("int64", "pixel", "pixels whose claimed room colour is seen in the bin"),
    "leaked_share": ("float64", "1", "the same, divided by all pixels"),
    "confident_share": ("float64", "1", "those claimed with a confidence above 0.5"),
    "new_share": ("float64", "1", "those whose colour is seen for the first time"),
}
"""Type, unit and meaning of each column of timeline.parquet."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Adjacent bins that leak about as much.

    Attributes
    ----------
    start_seconds, end_seconds
        From the beginning of the first to the end of the last bin.
    leaked_share, confident_share
        Those of the bin that leaks most.
    """

    start_seconds: float
    end_seconds: float
    leaked_share: float
    confident_share: float

    def as_dict(self) -> dict[str, float]:
        """Return the moment for a report."""
        return {name: float(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class LeakTimes:
    """The leaked area in each bin of a call that has counted frames, in order of time.

    It is measured at a grid of sampled pixels. A pixel leaks in a bin if its claimed room colour,
    or one that is much like it, is seen in at least one frame. Pixels that are not claimed count
    nowhere.

    Attributes
    ----------
    start_seconds, end_seconds
        (n_bins,) float64, beginning and end of each bin in media time. All bins last equally long.
    leaked_share
        (n_bins,) float64, share of the picture's pixels that leak.
    confident_share
        (n_bins,) float64, the same for claims with a confidence above `CONFIDENT`.
    new_share
        (n_bins,) float64, the same for pixels that do not leak in an earlier bin.
    n_pixels
        Pixels of the picture.
    """

    start_seconds: F64 = field(repr=False)
    end_seconds: F64 = field(repr=False)
    leaked_share: F64 = field(repr=False)
    confident_share: F64 = field(repr=False)
    new_share: F64 = field(repr=False)
    n_pixels: int

    @classmethod
    def of(cls, times: ColourTimes, seen: npt.NDArray[np.uint64], confidence: F32) -> Self | None:
        """Count the claims in each bin; None if no frame's time is known.

        Parameters
        ----------
        times
            The bins.
        seen
            (n_words, rows, columns), in which bins each sampled pixel's room colour was seen.
        confidence
            (h, w), above 0 where the room is claimed.
        """
        (bins,) = np.nonzero(times.n_frames)
        if len(bins) == 0:
            return None
        sampled = times.grid.of_picture(confidence).ravel()
        claims = np.flatnonzero(sampled > 0)
        leaks = _bits(seen.reshape(len(seen), -1)[:, claims])[bins]
        is_new = leaks.copy()
        is_new[1:] &= ~np.logical_or.accumulate(leaks, axis=0)[:-1]
        confident = sampled[claims] > CONFIDENT
        start = times.start_seconds[bins]
        return cls(
            start,
            start + float(1 << times.shift),
            leaks.sum(1) / len(sampled),
            leaks[:, confident].sum(1) / len(sampled),
            is_new.sum(1) / len(sampled),
            confidence.size,
        )

    @property
    def bin_seconds(self) -> float:
        """Length of a bin."""
        return float(self.end_seconds[0] - self.start_seconds[0])

    def table(self) -> pa.Table:
        """Return one row per bin; see `COLUMNS`."""
        import pyarrow as pa

        columns = {name: getattr(self, name) for name in COLUMNS if name != "leaked_pixels"}
        columns["leaked_pixels"] = np.rint(self.leaked_share * self.n_pixels)
        schema = pa.schema(
            [
                pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})
                for name, (kind, unit, meaning) in COLUMNS.items()
            ]
        )
        arrays = [pa.array(columns[name].astype(kind)) for name, (kind, _, _) in COLUMNS.items()]
        return pa.table(arrays, schema=schema)

    def worst(self, n: int) -> list[Moment]:
        """Return up to `n` moments that leak most, which do not overlap, the worst first.

        A moment is the bin that leaks most of those that are left, with the bins next to it
        that leak at least `AS_MUCH` of that. Bins without a leak are in no moment.
        """
        left = self.leaked_share > 0
        joins_next = np.append(self.end_seconds[:-1] == self.start_seconds[1:], False)
        moments: list[Moment] = []
        while len(moments) < n and left.any():
            worst = int(np.argmax(np.where(left, self.leaked_share, 0)))
            as_much = left & (self.leaked_share >= AS_MUCH * self.leaked_share[worst])
            first = last = worst
            while first > 0 and as_much[first - 1] and joins_next[first - 1]:
                first -= 1
            while joins_next[last] and as_much[last + 1]:
                last += 1
            left[first : last + 1] = False
            moments.append(
                Moment(
                    float(self.start_seconds[first]),
                    float(self.end_seconds[last]),
                    float(self.leaked_share[worst]),
                    float(self.confident_share[worst]),
                )
            )
        return moments

    def as_dict(self) -> dict[str, Any]:
        """Return the field `leak_times` of a report."""
        return {
            "bin_seconds": self.bin_seconds,
            "n_bins": len(self.start_seconds),
            "worst": [moment.as_dict() for moment in self.worst(N_WORST)],
        }

    def write(self, path: Path, report: Mapping[str, Any]) -> None:
        """Write the table as Parquet; the file's metadata says what it is of, as in stats.parquet.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        import pyarrow.parquet as pq

        origin = {key: report.get(key) for key in ("unveil", "parameters", "input")}
        table = self.table().replace_schema_metadata({"unveil": json.dumps(origin)})
        with replacing(path) as temporary, temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd")


def _bits(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return bit b of word k, of (n_words, m), as row 64 * k + b: (64 * n_words, m) bool."""
    bits = np.zeros((WORD_BITS * len(words), words.shape[1]), np.bool_)
    for k, word in enumerate(words):
        for b in range(WORD_BITS):
            bits[WORD_BITS * k + b] = (word >> np.uint64(b)) & np.uint64(1)
    return bits
