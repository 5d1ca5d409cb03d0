"""From counts to pictures: which colour of a pixel is the background, and which the room.

How a method decides is in `unveil.decision`; here it is chosen, and what it decided becomes a
recovery with its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil import motion
from unveil._version import __version__
from unveil.bands import Bands
from unveil.decision import Decided, decide_farend, decide_rarest, decide_transitions
from unveil.parameters import Parameters
from unveil.recovery import Recovery
from unveil.table import ColourTable, OutsideTable

Array = npt.NDArray[Any]

MOVING: Final = (
    "the virtual background moves or changes: no colour of a pixel is the background's, and "
    "nothing is claimed of the room"
)

DECIDE: Final[dict[str, Callable[[Any, Parameters, Bands, Decided], object]]] = {
    "farend": decide_farend,
    "rarest": decide_rarest,
    "transitions": decide_transitions,
}
"""How each method decides."""


def finalise(
    table: ColourTable, parameters: Parameters, bands: Bands, picture: Array | None = None
) -> Recovery:
    """Decide room and background from a table, which stays as it is.

    Parameters
    ----------
    picture
        (m, n, 3) RGB of 0 to 255, what is known or guessed to be the background; for "farend".

    Raises
    ------
    BackgroundMismatch
        The picture is not what was counted.
    """
    decided = Decided.nothing(table.layout.height, table.layout.width)
    moving = motion.background_motion(table) if isinstance(table, OutsideTable) else None
    match = None
    if moving == "moves":
        # Whatever was farthest from a wrong background would be taken for the room.
        decided.counts.evictions[...] = table.evictions
    elif table.n_frames and picture is not None:
        assert isinstance(table, OutsideTable)
        match = decide_farend(table, parameters, bands, decided, picture)
    elif table.n_frames:
        DECIDE[table.method](table, parameters, bands, decided)
    report = _report(table, parameters, moving, decided)
    if match is not None:
        report["background_match"] = match.as_dict()
    return Recovery(
        decided.room, decided.background, decided.confidence, decided.counts, table.times, report
    )


def _report(
    table: ColourTable,
    parameters: Parameters,
    moving: motion.BackgroundMotion | None,
    decided: Decided,
) -> dict[str, Any]:
    confidence = decided.confidence
    recovered = np.count_nonzero(decided.room[..., 3])
    return {
        "unveil": __version__,
        "parameters": parameters.as_dict(),
        "frames_read": table.n_frames,
        "recovered_pixels": int(recovered),
        "coverage": float(recovered / confidence.size),
        "mean_confidence": float(confidence.sum() / max(1, (confidence > 0).sum())),
        "background_coverage": float(
            np.count_nonzero(decided.background[..., 3]) / confidence.size
        ),
        "evicted_colours": int(decided.counts.evictions.sum(dtype=np.int64)),
        "state_bytes_per_pixel": table.bytes_per_pixel,
        "background": moving,
        "person": _person(table, parameters),
        "warnings": list(_warnings(table, parameters, moving)),
    }


def _person(table: ColourTable, parameters: Parameters) -> dict[str, str | int] | None:
    """Tell how the person was searched for; None where no method asked for it."""
    if parameters.method != "farend":
        return None
    searched, nobody = table.searches if isinstance(table, OutsideTable) else (0, 0)
    return {
        "model": parameters.person,
        "every": parameters.person_every,
        "frames_searched": int(searched),
        "frames_without_person": int(nobody),
    }


def _warnings(
    table: ColourTable, parameters: Parameters, moving: motion.BackgroundMotion | None
) -> Iterator[str]:
    """Say what may surprise about how it was counted."""
    if parameters.method != parameters.accumulator:
        yield "no person model: counted as transitions"
    if moving == "moves":
        yield MOVING
    if isinstance(table, OutsideTable):
        searched, nobody = table.searches
        if searched and nobody == searched:
            yield "the person was found in no frame"
