"""What was counted of consecutive segments of a recording, as it is merged and saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from unveil.arrays import Array
from unveil.counting.specification import Specification
from unveil.counting.state_file import layout_of, whole_number
from unveil.counting.table import MAX_FRAMES
from unveil.recovery.engine_state import ENGINE_STATES, EngineState
from unveil.recovery.passes.counting import MAX_ENGINES, Counting, Counts
from unveil.video.chunk import Layout
from unveil.video.tally import DecodeTally

MAX_SEGMENTS: Final = 1 << 24


@dataclass(slots=True)
class SegmentState:
    """What was counted of consecutive segments.

    Attributes
    ----------
    counting
        The counts.
    tally
        Counts of the decoding.
    n_segments
        Number of segments.
    """

    counting: Counting
    tally: DecodeTally
    n_segments: int = 1

    def merge(self, later: SegmentState) -> None:
        """Add the segments after these; the counts of `later` belong to this from then on."""
        self.counting.merge(later.counting)
        self.tally.merge(later.tally)
        self.n_segments += later.n_segments


@dataclass(frozen=True, slots=True)
class SavedState:
    """A `SegmentState` as a file has it, without the options that it was counted with.

    Attributes
    ----------
    counts, tally, n_segments
        As in `SegmentState`.
    """

    counts: Counts
    tally: DecodeTally
    n_segments: int

    @classmethod
    def of(cls, state: SegmentState) -> Self:
        """Return a state ready to be saved; the arrays are shared."""
        return cls(state.counting.counts(), state.tally, state.n_segments)

    def resumed(self, counting: Counting) -> SegmentState:
        """Return the state, with a new `Counting` of the options that it was counted with."""
        counting.go_on(self.counts)
        return SegmentState(counting, self.tally, self.n_segments)

    def header(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is saved before the arrays."""
        counts = self.counts
        return {
            "engines": [engine.header(parameters) for engine in counts.engines],
            "n_given_up": [[asdict(layout), n] for layout, n in counts.n_given_up.items()],
            "first": None if counts.first is None else asdict(counts.first),
            "current": None if counts.current is None else asdict(counts.current),
            "n_changes": counts.n_changes,
            "n_left_out": counts.n_left_out,
            "tally": self.tally.as_dict(),
            "n_segments": self.n_segments,
        }

    @property
    def stored(self) -> dict[str, Array]:
        """All arrays that are saved."""
        return {
            f"engine{number}_{name}": array
            for number, engine in enumerate(self.counts.engines)
            for name, array in engine.stored.items()
        }

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a state with this header has.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is not the header of such a state.
        """
        if len(header["engines"]) > MAX_ENGINES:
            raise ValueError(f"more than {MAX_ENGINES} layouts of frames")
        return {
            f"engine{number}_{name}": spec
            for number, engine in enumerate(header["engines"])
            for name, spec in ENGINE_STATES[engine["method"]].specification(engine).items()
        }

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the state that was saved with this header and these arrays, as specified.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are not those of such a state.
        """
        engines = []
        for number, engine in enumerate(header["engines"]):
            kind: type[EngineState] = ENGINE_STATES[engine["method"]]
            own = {name: arrays[f"engine{number}_{name}"] for name in kind.specification(engine)}
            engines.append(kind.restored(engine, own))
        counts = Counts(
            tuple(engines),
            {_layout(layout): _count(n) for layout, n in header["n_given_up"]},
            None if header["first"] is None else _layout(header["first"]),
            None if header["current"] is None else _layout(header["current"]),
            _count(header["n_changes"]),
            _count(header["n_left_out"]),
        )
        n_segments = whole_number(header, "n_segments", 1, MAX_SEGMENTS)
        return cls(counts, _tally(header["tally"]), n_segments)


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
