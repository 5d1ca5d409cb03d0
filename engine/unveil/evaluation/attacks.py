"""Attacks on a simulated call, and how much each recovers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from unveil.interruption import StopRequested, never
from unveil.progress import ProgressCallback
from unveil.recovery.recover import recover
from unveil.scoring.leak import TruthScore, measure_recovery
from unveil.scoring.truth import Truth

ATTACKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "transitions": {"method": "transitions"},
    "rarest": {"method": "rarest"},
}
"""Attacks on any background, as options of `recover`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How much an attack recovered.

    Attributes
    ----------
    f, leak_score
        As in `TruthScore`; 0 where nothing leaks strongly, or nothing leaks.
    right
        Share of all pixels that are claimed and right.
    claimed
        Share of all pixels that are claimed.
    """

    f: float
    leak_score: float
    right: float
    claimed: float

    def as_dict(self) -> dict[str, float]:
        """Return all fields, ready for JSON."""
        return asdict(self)


def attacked(
    call: Path,
    truth: Truth,
    *,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
    **options: Any,
) -> Outcome:
    """Recover a call, and compare the room with the truth.

    Parameters
    ----------
    call, truth
        A simulated call and its ground truth.
    threads, progress, stop, options
        As for `recover`, whose errors are raised.
    """
    recovery = recover(call, threads=threads, progress=progress, stop=stop, **options)
    return outcome_of(measure_recovery(recovery.room, truth))


def outcome_of(score: TruthScore) -> Outcome:
    """Take what counts here from a recovery's score."""
    f, leak_score = (0.0 if math.isnan(x) else x for x in (score.f, score.leak_score))
    return Outcome(f, leak_score, score.precision * score.coverage, score.coverage)
