"""The decision of each method: chooses room and background from the counts of a table."""

from __future__ import annotations

from unveil.recovery.decide.claims import Claims
from unveil.recovery.decide.farend import decide_farend
from unveil.recovery.decide.rarest import decide_rarest
from unveil.recovery.decide.transitions import decide_transitions

__all__ = ["Claims", "decide_farend", "decide_rarest", "decide_transitions"]
