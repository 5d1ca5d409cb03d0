"""How each method decides, from the counts of a table, what is room and what background."""

from __future__ import annotations

from unveil.decision.decided import Decided
from unveil.decision.farend import decide_farend
from unveil.decision.rarest import decide_rarest
from unveil.decision.transitions import decide_transitions

__all__ = ["Decided", "decide_farend", "decide_rarest", "decide_transitions"]
