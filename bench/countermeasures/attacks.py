"""The attacks on a call, and the score of each."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.methods import METHODS
from unveil.errors import UnveilError
from unveil.recovery.recover import recover
from unveil.scoring.leak import measure_recovery
from unveil.scoring.truth import Truth

U8 = npt.NDArray[np.uint8]

logger = logging.getLogger(__name__)

OWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "default, rare colours dropped": {"noise_frames": 8},
    "default, background given": {"background": True},
    "`transitions`": {"method": "transitions"},
    "`rarest`": {"method": "rarest"},
    "`rarest`, noise dropped": {"method": "rarest", "noise_frames": 4},
}
"""Our attacks, as options of `recover`. In the call of a few hundred frames, 8 samples are four
frames with a mask."""

VADER: Final = "VADER, given the background"

ATTACKS: Final = (*OWN, VADER)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How much an attack recovered.

    Attributes
    ----------
    f, leak_score
        As in `TruthScore`; F is 0 if nothing leaks strongly.
    right
        Share of all pixels that are claimed and right.
    """

    f: float
    leak_score: float
    right: float


def attacked(name: str, call: Path, truth: Truth, background: U8, threads: int) -> Outcome:
    """Recover a call by an attack; nothing if the attack refuses it.

    Parameters
    ----------
    background
        What attacks that are given the background know: the picture as it was chosen.
    """
    try:
        room = _room(name, call, truth, background, threads)
    except UnveilError as error:
        logger.info("%s on %s: %s", name, call, error)
        return Outcome(0.0, 0.0, 0.0)
    score = measure_recovery(room, truth)
    f, leak_score = (0.0 if np.isnan(x) else x for x in (score.f, score.leak_score))
    return Outcome(f, leak_score, score.precision * score.coverage)


def all_attacked(
    names: Collection[str], call: Path, truth: Truth, background: U8, threads: int
) -> dict[str, Outcome]:
    """Recover a call by several attacks."""
    return {name: attacked(name, call, truth, background, threads) for name in names}


def _room(name: str, call: Path, truth: Truth, background: U8, threads: int) -> U8:
    if name == VADER:
        known = Truth(truth.room, background, truth.leak, truth.hits, truth.seen)
        return METHODS[VADER](call, known, threads)[0]
    options = dict(OWN[name])
    if options.pop("background", False):
        options["background"] = background
    return recover(call, threads=threads, **options).room
