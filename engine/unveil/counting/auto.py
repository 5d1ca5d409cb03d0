"""The state of method "auto": two accumulators side by side until the person was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from unveil.arrays import I64, Array
from unveil.counting.accumulators import TABLES
from unveil.counting.capacity import MAX_SLOTS, slots_of
from unveil.counting.outside import OutsideTable
from unveil.counting.presence import PersonWatch, Presence
from unveil.counting.specification import Specification
from unveil.counting.state_file import layout_of, whole_number, write_state
from unveil.counting.table import MAX_FRAMES, ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.errors import IncompatibleTable
from unveil.parallel import Bands
from unveil.video.chunk import Chunk, Layout


class AutoTable:
    """Counts as "farend" and, until the person is certainly there, as "transitions", too.

    The verbs are those of `ColourTable`. Frames that show nobody add nothing to `outside`, whose
    memory is then not even touched; so the state is about as large as that of one accumulator but
    for the second in which the person is found. What is decided, and the counts that it is
    decided from, are those of one accumulator that saw all frames, whether they are read once or
    again, and whenever the person comes.

    Merging is as associative as that of the two accumulators: whether there is a person is joined
    exactly, and a state that is certain of it stays so.

    Not thread-safe: one thread updates, the bands share the work.

    Parameters
    ----------
    layout
        Of the frames that will be counted.
    slots
        Colours remembered per pixel; None takes each accumulator's default.
    bits, tolerance
        As in `Parameters`.

    Attributes
    ----------
    outside
        What "farend" decides by; of all frames.
    transitions
        What "transitions" decides by; None once the person is certainly there.
    """

    method: ClassVar = "auto"

    def __init__(self, layout: Layout, *, slots: int | None, bits: int, tolerance: int) -> None:
        self.outside = OutsideTable(
            layout, slots=slots_of("farend", slots), bits=bits, tolerance=tolerance
        )
        self.transitions: TransitionTable | None = TransitionTable(
            layout, slots=slots_of("transitions", slots), bits=bits, tolerance=tolerance
        )
        self._person = PersonWatch(layout)
        self._slots = slots

    @property
    def layout(self) -> Layout:
        """Of the frames that are counted."""
        return self.outside.layout

    @property
    def n_frames(self) -> int:
        """Frames counted."""
        return self.outside.n_frames

    @property
    def searches(self) -> I64:
        """As in `OutsideTable`."""
        return self.outside.searches

    @property
    def presence(self) -> Presence:
        """What the search for the person found in the frames counted."""
        return self._person.presence

    @property
    def decided(self) -> OutsideTable | TransitionTable:
        """The accumulator that suits what the frames showed."""
        if self.transitions is None or self.presence.shows_person:
            return self.outside
        return self.transitions

    def update(self, chunk: Chunk, bands: Bands) -> None:
        """Count the frames of a chunk that tells where the person is."""
        try:
            self.outside.update(chunk, bands)
        finally:
            # Both have counted the same frames, also where one fails.
            if self.transitions is not None:
                self.transitions.update(chunk, bands)
        self._person.add(chunk)
        self._drop_transitions()

    def merge(self, later: Self, bands: Bands) -> None:
        """Add what a table of the frames after this one's last has counted.

        Raises
        ------
        IncompatibleTable
            The two differ in method, layout or parameters.
        """
        if self._identity() != later._identity():
            raise IncompatibleTable(
                f"states of {self._identity()} and {later._identity()} cannot be merged"
            )
        self.outside.merge(later.outside, bands)
        if later.transitions is None:
            self.transitions = None
        if self.transitions is not None:
            assert later.transitions is not None
            self.transitions.merge(later.transitions, bands)
        self._person.merge(later._person)
        self._drop_transitions()

    def save(self, path: Path, parameters: Mapping[str, Any]) -> None:
        """Write the state, and the parameters it is to be finalised with, to a file."""
        arrays = self._person.as_arrays()
        for table in (self.outside, self.transitions):
            if table is not None:
                arrays |= {f"{table.method}_{name}": a for name, a in table.stored.items()}
        header = {
            "method": self.method,
            "layout": asdict(self.layout),
            "parameters": parameters,
            "n_frames": self.n_frames,
            "counts_transitions": self.transitions is not None,
        }
        write_state(path, header, arrays)

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a state with this header has.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is not the header of such a table.
        """
        layout = layout_of(header)
        parts: tuple[type[ColourTable], ...] = (OutsideTable,)
        if header["counts_transitions"]:
            parts += (TransitionTable,)
        arrays = dict(PersonWatch.arrays_of(layout))
        for part in parts:
            n_slots = slots_of(part.method, _chosen_slots(header))
            specified = part.stored_of(layout, n_slots)
            arrays |= {f"{part.method}_{name}": spec for name, spec in specified.items()}
        return arrays

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the table that was saved with this header and these arrays, as specified.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are not those of such a table.
        """
        parameters = header["parameters"]
        table = cls(
            layout_of(header),
            slots=_chosen_slots(header),
            bits=whole_number(parameters, "bits", 1, 8),
            tolerance=whole_number(parameters, "tolerance", 0, 255),
        )
        table._person.restore(arrays)
        if not header["counts_transitions"]:
            table.transitions = None
        for part in (table.outside, table.transitions):
            if part is not None:
                prefix = f"{part.method}_"
                part.restore(
                    whole_number(header, "n_frames", 0, MAX_FRAMES),
                    {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)},
                )
        return table

    def _drop_transitions(self) -> None:
        if self._person.certain:
            self.transitions = None

    def _identity(self) -> tuple[object, ...]:
        # `slots` that were not chosen are two numbers.
        return (self.method, *self.outside._identity()[1:], self._slots)


def _chosen_slots(header: Mapping[str, Any]) -> int | None:
    """Return the number of slots in a state's header, None for each accumulator's default."""
    parameters = header["parameters"]
    return None if parameters["slots"] is None else whole_number(parameters, "slots", 2, MAX_SLOTS)


STATES: Final[dict[str, type[ColourTable | AutoTable]]] = {**TABLES, AutoTable.method: AutoTable}
"""What an engine counts with, by the name it is saved under."""
