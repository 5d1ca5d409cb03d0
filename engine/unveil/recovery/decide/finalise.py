"""From counts to pictures: which colour of a pixel is the background, and which the room.

The modules beside this one say how a method decides; here it is chosen, and what it decided
becomes a recovery with its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil._version import __version__
from unveil.counting.auto import AutoTable
from unveil.counting.table import ColourTable, OutsideTable
from unveil.parallel import Bands
from unveil.recovery.background.steadiness import BackgroundMotion, background_motion
from unveil.recovery.decide import Claims, decide_farend, decide_rarest, decide_transitions
from unveil.recovery.parameters import Parameters
from unveil.recovery.result import Recovery

Array = npt.NDArray[Any]

MOVING: Final = (
    "the virtual background moves or changes: no colour of a pixel is the background's, and "
    "nothing is claimed of the room"
)

BACKGROUND_UNUSED: Final = (
    "the picture given as background was not used: it needs a call with a person before one "
    "background that stands still, or before several of which each stands still"
)

DECIDE: Final[dict[str, Callable[[Any, Parameters, Bands, Claims], object]]] = {
    "farend": decide_farend,
    "rarest": decide_rarest,
    "transitions": decide_transitions,
}
"""How each method decides."""


def finalise(
    state: ColourTable | AutoTable,
    parameters: Parameters,
    bands: Bands,
    picture: Array | None = None,
) -> Recovery:
    """Decide room and background from a state, which stays as it is.

    Parameters
    ----------
    state
        That of method "auto" is decided by the one of its accumulators which suits the call.
    picture
        (m, n, 3) RGB of 0 to 255, what is known or guessed to be the background; for "farend".
        Where "auto" is decided otherwise it is not used, and a warning says so.

    Raises
    ------
    BackgroundMismatch
        The picture is not what was counted.
    """
    table = state.decided if isinstance(state, AutoTable) else state
    claims = Claims.nothing(table.layout.height, table.layout.width)
    moving = background_motion(table) if isinstance(table, OutsideTable) else None
    match = None
    if moving == "moves":
        # Whatever was farthest from a wrong background would be taken for the room.
        claims.counts.evictions[...] = table.evictions
    elif table.n_frames and picture is not None and isinstance(table, OutsideTable):
        match = decide_farend(table, parameters, bands, claims, picture)
    elif table.n_frames:
        DECIDE[table.method](table, parameters, bands, claims)
    report = _report(table, parameters, moving, claims)
    report["person"] = _person(state, parameters)
    report["warnings"] = list(_warnings(state, parameters, moving, picture is not None))
    if match is not None:
        report["background_match"] = match.as_dict()
    return Recovery(
        claims.room, claims.background, claims.confidence, claims.counts, table.times, report
    )


def _report(
    table: ColourTable,
    parameters: Parameters,
    moving: BackgroundMotion | None,
    claims: Claims,
) -> dict[str, Any]:
    confidence = claims.confidence
    recovered = np.count_nonzero(claims.room[..., 3])
    return {
        "unveil": __version__,
        "parameters": parameters.as_dict() | {"slots": table.n_slots},
        "decided_by": table.method,
        "frames_read": table.n_frames,
        "recovered_pixels": int(recovered),
        "coverage": float(recovered / confidence.size),
        "mean_confidence": float(confidence.sum() / max(1, (confidence > 0).sum())),
        "background_coverage": float(np.count_nonzero(claims.background[..., 3]) / confidence.size),
        "evicted_colours": int(claims.counts.evictions.sum(dtype=np.int64)),
        "state_bytes_per_pixel": table.bytes_per_pixel,
        "background": moving,
    }


def _person(state: ColourTable | AutoTable, parameters: Parameters) -> dict[str, str | int] | None:
    """Tell how the person was searched for; None where no method asked for it."""
    if parameters.method not in ("auto", "farend"):
        return None
    searched, nobody, looks, several = _searches(state)
    return {
        "model": parameters.person,
        "every": parameters.person_every,
        "frames_searched": searched,
        "frames_without_person": nobody,
        "frames_people_counted": looks,
        "frames_with_several_people": several,
    }


def _warnings(
    state: ColourTable | AutoTable,
    parameters: Parameters,
    moving: BackgroundMotion | None,
    background_given: bool,
) -> Iterator[str]:
    """Say what may surprise about how it was counted."""
    if parameters.method in ("auto", "farend") and parameters.person == "none":
        yield "no person model: counted as transitions"
    if moving == "moves":
        yield MOVING
        if background_given:
            yield BACKGROUND_UNUSED
    searched, nobody, looks, several = _searches(state)
    table = state.decided if isinstance(state, AutoTable) else state
    if isinstance(state, AutoTable) and table is not state.outside and state.n_frames:
        found = state.presence
        said = (
            f"a person who moves was found in only {found.living.found} of the "
            if found.told.found
            else "nobody was found in the "
        )
        yield (
            f"{said}{found.living.searched} frames searched, so the room is decided by the method "
            "transitions"
        )
        if background_given:
            yield BACKGROUND_UNUSED
    elif searched and nobody == searched:
        yield "the person was found in no frame"
    if several and isinstance(table, OutsideTable):
        yield (
            f"several people, or pictures of people, were seen in {several} of {looks} frames "
            "looked at: the model follows one person, so faces of the others may be claimed as "
            "room (the models selfie and selfie-landscape take all people for the person)"
        )


def _searches(state: ColourTable | AutoTable) -> tuple[int, int, int, int]:
    """`OutsideTable.searches` as plain numbers, 0 where nobody searched."""
    if not isinstance(state, AutoTable | OutsideTable):
        return 0, 0, 0, 0
    searched, nobody, looks, several = (int(n) for n in state.searches)
    return searched, nobody, looks, several
