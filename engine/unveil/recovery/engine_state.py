"""What an engine has counted, as it is saved and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from unveil.arrays import Array
from unveil.counting.auto import STATES, AutoTable
from unveil.counting.specification import Specification
from unveil.counting.state_file import layout_of
from unveil.counting.table import ColourTable
from unveil.recovery.background.surveys import PersonSurveys

SURVEYED: Final = "surveys_person"
"""Field of a header: whether the state has the surveys of frames with a person mask."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """A table, and the surveys of frames with a person mask.

    Attributes
    ----------
    table
        The counts.
    surveys
        None where no frame had a mask.
    """

    table: ColourTable | AutoTable
    surveys: PersonSurveys | None

    def header(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is saved before the arrays."""
        return {**self.table.header(parameters), SURVEYED: self.surveys is not None}

    @property
    def stored(self) -> dict[str, Array]:
        """All arrays that are saved."""
        surveys = {} if self.surveys is None else self.surveys.as_arrays()
        return self.table.stored | surveys

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a state with this header has.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is not the header of such a state.
        """
        arrays = dict(STATES[header["method"]].specification(header))
        if header[SURVEYED]:
            arrays |= PersonSurveys.specification(layout_of(header))
        return arrays

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the state that was saved with this header and these arrays, as specified.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are not those of such a state.
        """
        kind = STATES[header["method"]]
        table = kind.restored(header, {name: arrays[name] for name in kind.specification(header)})
        surveys = None
        if header[SURVEYED]:
            surveys = PersonSurveys(table.layout)
            surveys.restore(arrays)
        return cls(table, surveys)


ENGINE_STATES: Final[dict[str, type[EngineState]]] = dict.fromkeys(STATES, EngineState)
"""What `read_state` reads, by method."""
