"""The accumulators by the method that decides from them."""

from __future__ import annotations

from typing import Final

from unveil.counting.outside import OutsideTable
from unveil.counting.runs import RunTable
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable

TABLES: Final[dict[str, type[ColourTable]]] = {
    table.method: table for table in (OutsideTable, TransitionTable, RunTable)
}
"""The accumulators by method."""
