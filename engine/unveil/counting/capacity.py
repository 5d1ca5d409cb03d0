"""How many colours an accumulator remembers of a pixel."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Accumulator: TypeAlias = Literal["farend", "transitions", "rarest"]
"""What counts, named like the method that decides by it."""

DEFAULT_SLOTS: Final[dict[Accumulator, int]] = {"farend": 8, "transitions": 5, "rarest": 5}
"""Colours remembered per pixel: as many as are worth their memory."""

MAX_SLOTS: Final = 4096


def slots_of(accumulator: Accumulator, chosen: int | None) -> int:
    """Return the number of slots that was chosen, or the accumulator's default for None."""
    return DEFAULT_SLOTS[accumulator] if chosen is None else chosen
