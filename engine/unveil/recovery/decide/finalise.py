"""`finalise`: runs a method's decision on a counting state and builds the recovery and its report.

The decisions themselves are in `farend`, `transitions` and `rarest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil._version import __version__
from unveil.counting.auto import AutoTable
from unveil.counting.outside import OutsideTable
from unveil.counting.table import ColourTable
from unveil.parallel import Bands
from unveil.recovery.background.blurred_room import RoomBlur
from unveil.recovery.background.noise import PixelNoise
from unveil.recovery.background.steadiness import (
    BackgroundMotion,
    background_motion,
    is_steady,
)
from unveil.recovery.background.surveys import PersonSurveys
from unveil.recovery.decide import Claims, decide_farend, decide_rarest, decide_transitions
from unveil.recovery.decide.blurred import forget_times, show_blurred_room
from unveil.recovery.decide.noisy import claimed_share, far_from_person, is_harmless
from unveil.recovery.leak_times import LeakTimes
from unveil.recovery.parameters import Parameters, Person
from unveil.recovery.result import Recovery

Array = npt.NDArray[Any]

MOVING: Final = (
    "the virtual background moves or changes: a pixel has no fixed background colour, so no room "
    "is recovered"
)

BACKGROUND_UNUSED: Final = (
    "the picture given as background was not used: it needs a call with a person and one still "
    "background, or several backgrounds that are each still"
)

DECIDE: Final[dict[str, Callable[[Any, Parameters, Bands, Claims], object]]] = {
    "rarest": decide_rarest,
    "transitions": decide_transitions,
}
"""The decision of each method but "farend"."""


def finalise(
    state: ColourTable | AutoTable,
    parameters: Parameters,
    bands: Bands,
    picture: Array | None = None,
    surveys: PersonSurveys | None = None,
    filtered: PixelNoise | None = None,
) -> Recovery:
    """Decide room and background from a counting state, which is not changed.

    Parameters
    ----------
    state
        The counts. A state of method "auto" chooses one of its two accumulators.
    picture
        (m, n, 3) RGB of 0 to 255, a picture of the background, for "farend". If "auto" chooses
        another accumulator, the picture is not used and a warning says so.
    surveys
        Of frames with a person mask, for "farend": whether the background moves and, without a
        picture, whether it is a blur of the room; whether it has noise in its pixels.
    filtered
        Noise in the pixels of the background that was filtered out before the frames were counted.

    Raises
    ------
    BackgroundMismatch
        The picture does not match the call.
    """
    table = state.decided if isinstance(state, AutoTable) else state
    claims = Claims.nothing(table)
    blur = match = None
    noise, is_bad = filtered, True
    moving: BackgroundMotion | None = None
    if isinstance(table, OutsideTable):
        if surveys is not None and surveys.shifts.moves:
            moving = "moves"
        else:
            blur = surveys.blur.find() if surveys is not None and picture is None else None
            moving = "still" if blur is not None or filtered else background_motion(table)
        if surveys is not None and noise is None and blur is None:
            noise = surveys.pixel_noise
    if moving == "moves":
        # Claim nothing: the colour farthest from a wrong background is not the room.
        claims.counts.evictions[...] = table.evictions
    elif table.n_frames and isinstance(table, OutsideTable):
        decide = partial(decide_farend, table, parameters, bands, picture=picture)
        match = decide(out=claims, noisy=filtered is not None)
        if noise is not None and filtered is None:
            far = far_from_person(table)
            claimed = claims.room[..., 3] > 0
            is_bad = not (is_steady(table) and is_harmless(claimed_share(claimed, far)))
            if is_bad:
                claims = Claims.nothing(table)
                match = decide(out=claims, noisy=True)
    elif table.n_frames:
        DECIDE[table.method](table, parameters, bands, claims)
    if blur is not None and surveys is not None:
        show_blurred_room(claims, surveys.blur, blur)
        forget_times(claims, table.colour_times)
    # Behind a background that moves nothing is claimed, which says nothing about leaks.
    leak_times = (
        None
        if moving == "moves"
        else LeakTimes.of(table.colour_times, claims.seen, claims.confidence)
    )
    report = _report(table, parameters, moving, claims)
    report["blur"] = None if blur is None else _blur(blur, claims)
    report["noise"] = None
    if noise is not None:
        report["noise"] = {
            "changed_share": noise.changed_share,
            "filtered": filtered is not None,
            "harmless": not is_bad,
        }
    report["leak_times"] = None if leak_times is None else leak_times.as_dict()
    report["person"] = _person(state, parameters)
    report["warnings"] = list(_warnings(state, parameters, moving, picture is not None))
    if blur is not None:
        report["warnings"].append(
            f"the background is a blur of the room, of about {blur.sigma:.0f} pixels: where "
            "nothing leaked sharply, the room is the blurred one, sharpened"
        )
    if noise is not None and is_bad:
        report["warnings"].append(_noise_warning(noise, is_filtered=filtered is not None))
    if match is not None:
        report["background_match"] = match.as_dict()
    return Recovery(
        claims.room,
        claims.background,
        claims.confidence,
        claims.counts,
        table.times,
        report,
        leak_times=leak_times,
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


def _noise_warning(noise: PixelNoise, *, is_filtered: bool) -> str:
    """Tell of noise in the pixels of the background, and what it does to the recovery."""
    seen = (
        f"the background has noise in its pixels, which changes {noise.changed_share:.1%} of them"
    )
    if is_filtered:
        return (
            f"{seen} at any time: the room is recovered from median-filtered frames, so what is "
            "narrower than three pixels is lost, and faint leaks are missed"
        )
    return (
        f"{seen} at any time: faint and small leaks are missed, and specks may be claimed as room"
    )


def _blur(blur: RoomBlur, claims: Claims) -> dict[str, float | int]:
    """Return the `blur` field of the report."""
    blurred = claims.counts.blurred
    return {
        "sigma_pixels": blur.sigma,
        "sigma_share": blur.sigma / len(blurred),
        "change_levels": blur.change,
        "change_levels_far": blur.change_far,
        "sharp_pixels": int(np.count_nonzero((claims.confidence > 0) & ~blurred)),
    }


def _person(state: ColourTable | AutoTable, parameters: Parameters) -> dict[str, str | int] | None:
    """Return the `person` field of the report; None for methods that need no person."""
    if parameters.method not in ("auto", "farend"):
        return None
    n_searched, n_without, n_counted, n_several = _searches(state)
    return {
        "model": parameters.person,
        "every": parameters.person_every,
        "frames_searched": n_searched,
        "frames_without_person": n_without,
        "frames_people_counted": n_counted,
        "frames_with_several_people": n_several,
    }


def _warnings(
    state: ColourTable | AutoTable,
    parameters: Parameters,
    moving: BackgroundMotion | None,
    background_given: bool,
) -> Iterator[str]:
    """Yield warnings about the counting and the decision, one line each."""
    if parameters.method in ("auto", "farend") and parameters.person == "none":
        yield "no person model: counted as transitions"
    if moving == "moves":
        yield MOVING
        if background_given:
            yield BACKGROUND_UNUSED
    n_searched, n_without, n_counted, n_several = _searches(state)
    table = state.decided if isinstance(state, AutoTable) else state
    if isinstance(state, AutoTable) and table is not state.outside and state.n_frames:
        found = state.presence
        outcome = (
            f"a person who moves was found in only {found.moving.found} of the "
            if found.detected.found
            else "nobody was found in the "
        )
        yield (
            f"{outcome}{found.moving.searched} searched frames, so the method transitions is used, "
            "as for calls without a person"
        )
        if background_given:
            yield BACKGROUND_UNUSED
    elif n_searched and n_without == n_searched:
        yield "no person was found in any frame"
    if n_several and isinstance(table, OutsideTable):
        yield (
            f"several people, or pictures of people, were found in {n_several} of {n_counted} "
            f"frames in which people were counted: {_followed(parameters.person)}"
        )


def _followed(person: Person) -> str:
    """Return what a model does with several people."""
    if person == "auto":
        return (
            "all that the model selfie-landscape marks is the person there, but parts of somebody "
            "who comes or goes may be claimed as room"
        )
    return (
        "the model follows one person, so faces of the others may be claimed as room (the models "
        "auto, selfie and selfie-landscape find everyone)"
    )


def _searches(state: ColourTable | AutoTable) -> tuple[int, int, int, int]:
    """Return `OutsideTable.searches` as integers; 0 for methods that need no person."""
    if not isinstance(state, AutoTable | OutsideTable):
        return 0, 0, 0, 0
    n_searched, n_without, n_counted, n_several = (int(n) for n in state.searches)
    return n_searched, n_without, n_counted, n_several
