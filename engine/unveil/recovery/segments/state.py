"""What was counted of consecutive segments of a recording, as it is merged and saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from unveil.arrays import Array
from unveil.counting.specification import Specification
from unveil.counting.state_file import layout_of, whole_number
from unveil.counting.table import MAX_FRAMES
from unveil.counting.times import TimeIndex
from unveil.errors import IncompatibleTable
from unveil.recovery.engine_state import ENGINE_STATES, EngineState
from unveil.recovery.passes.counting import MAX_ENGINES, Counting, Counts
from unveil.video.chunk import Layout
from unveil.video.tally import DecodeTally

MAX_SEGMENTS: Final = 1 << 24
MAX_COUNTINGS: Final = 64


@dataclass(slots=True)
class SegmentState:
    """What was counted of consecutive segments.

    Attributes
    ----------
    countings
        The counts: of each tile of a meeting, else one.
    tally
        Counts of the decoding.
    times
        Times of all frames read.
    n_segments
        Number of segments.
    """

    countings: tuple[Counting, ...]
    tally: DecodeTally
    times: TimeIndex
    n_segments: int = 1

    def merge(self, later: SegmentState) -> None:
        """Add the segments after these; the counts of `later` belong to this from then on."""
        for counting, more in zip(self.countings, later.countings, strict=True):
            counting.merge(more)
        self.tally.merge(later.tally)
        self.times.extend(later.times)
        self.n_segments += later.n_segments


@dataclass(frozen=True, slots=True)
class SavedState:
    """A `SegmentState` as a file has it, without the options that it was counted with.

    Attributes
    ----------
    counts
        Of each of the countings.
    tally, times, n_segments
        As in `SegmentState`.
    """

    counts: tuple[Counts, ...]
    tally: DecodeTally
    times: TimeIndex
    n_segments: int

    @classmethod
    def of(cls, state: SegmentState) -> Self:
        """Return a state ready to be saved; the arrays are shared."""
        counts = tuple(counting.counts() for counting in state.countings)
        return cls(counts, state.tally, state.times, state.n_segments)

    def resumed(self, countings: tuple[Counting, ...]) -> SegmentState:
        """Return the state, with new countings of the options that it was counted with.

        Raises
        ------
        IncompatibleTable
            They are of other sections of the recording.
        """
        if len(countings) != len(self.counts):
            raise IncompatibleTable("other sections of the recording were counted")
        for counting, counts in zip(countings, self.counts, strict=True):
            counting.go_on(counts)
        return SegmentState(countings, self.tally, self.times, self.n_segments)

    def header(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is saved before the arrays."""
        return {
            "countings": [_header_of(counts, parameters) for counts in self.counts],
            "tally": self.tally.as_dict(),
            "n_segments": self.n_segments,
        }

    @property
    def stored(self) -> dict[str, Array]:
        """All arrays that are saved."""
        arrays: dict[str, Array] = self.times.as_arrays()
        for place, counts in enumerate(self.counts):
            for number, engine in enumerate(counts.engines):
                prefix = _prefix(place, number)
                arrays |= {prefix + name: array for name, array in engine.stored.items()}
        return arrays

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a state with this header has.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is not the header of such a state.
        """
        if not 1 <= len(header["countings"]) <= MAX_COUNTINGS:
            raise ValueError(f"not 1 to {MAX_COUNTINGS} sections of the recording")
        specified = dict(TimeIndex.SPECIFICATION)
        for place, counting in enumerate(header["countings"]):
            if len(counting["engines"]) > MAX_ENGINES:
                raise ValueError(f"more than {MAX_ENGINES} layouts of frames")
            for number, engine in enumerate(counting["engines"]):
                own = ENGINE_STATES[engine["method"]].specification(engine)
                prefix = _prefix(place, number)
                specified |= {prefix + name: spec for name, spec in own.items()}
        return specified

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the state that was saved with this header and these arrays, as specified.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are not those of such a state.
        """
        counts = tuple(
            _counts_of(counting, place, arrays)
            for place, counting in enumerate(header["countings"])
        )
        n_segments = whole_number(header, "n_segments", 1, MAX_SEGMENTS)
        return cls(counts, _tally(header["tally"]), TimeIndex.from_arrays(arrays), n_segments)


def _prefix(place: int, number: int) -> str:
    """Return what the names of an engine's arrays begin with, by its counting and its place."""
    return f"counting{place}_engine{number}_"


def _header_of(counts: Counts, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "engines": [engine.header(parameters) for engine in counts.engines],
        "n_given_up": [[asdict(layout), n] for layout, n in counts.n_given_up.items()],
        "first": None if counts.first is None else asdict(counts.first),
        "current": None if counts.current is None else asdict(counts.current),
        "n_changes": counts.n_changes,
        "n_left_out": counts.n_left_out,
        "times": [[None if math.isnan(end) else end for end in ends] for ends in counts.times],
    }


def _counts_of(header: Mapping[str, Any], place: int, arrays: Mapping[str, Array]) -> Counts:
    engines = []
    for number, engine in enumerate(header["engines"]):
        kind: type[EngineState] = ENGINE_STATES[engine["method"]]
        prefix = _prefix(place, number)
        own = {name: arrays[prefix + name] for name in kind.specification(engine)}
        engines.append(kind.restored(engine, own))
    return Counts(
        tuple(engines),
        {_layout(layout): _count(n) for layout, n in header["n_given_up"]},
        None if header["first"] is None else _layout(header["first"]),
        None if header["current"] is None else _layout(header["current"]),
        _count(header["n_changes"]),
        _count(header["n_left_out"]),
        tuple((_seconds(first), _seconds(last)) for first, last in header["times"]),
    )


def _seconds(stored: float | None) -> float:
    return math.nan if stored is None else float(stored)


def _layout(stored: Mapping[str, Any]) -> Layout:
    return layout_of({"layout": stored})


def _count(value: Any) -> int:
    return whole_number({"count": value}, "count", 0, MAX_FRAMES)


def _tally(stored: Mapping[str, Any]) -> DecodeTally:
    kinds = {"truncated": bool, "decode_seconds": float, "warnings": list}
    reason = stored["reason"]
    if reason is not None and not isinstance(reason, str):
        raise ValueError("the reason of a truncation is no text")
    if not all(isinstance(warning, str) for warning in stored["warnings"]):
        raise ValueError("a warning is no text")
    if set(stored) != {field.name for field in fields(DecodeTally)}:
        raise ValueError("the counts of the decoding are other ones")
    for name, value in stored.items():
        if name == "reason":
            continue
        if name in kinds:
            if not isinstance(value, kinds[name]):
                raise ValueError(f"{name} is {value!r}")
        else:
            _count(value)
    return DecodeTally(**stored)
