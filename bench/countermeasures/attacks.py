"""The attacks on a call, and the score of each."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.methods import METHODS
from unveil.errors import UnveilError
from unveil.evaluation.attacks import ATTACKS as OF_ANY_BACKGROUND
from unveil.evaluation.attacks import Outcome, outcome_of
from unveil.evaluation.attacks import attacked as attack
from unveil.scoring.leak import measure_recovery
from unveil.scoring.truth import Truth

U8 = npt.NDArray[np.uint8]

logger = logging.getLogger(__name__)

OWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": OF_ANY_BACKGROUND["default"],
    "default, rare colours dropped": {"noise_frames": 8},
    "default, background given": {"background": True},
    "`transitions`": OF_ANY_BACKGROUND["transitions"],
    "`rarest`": OF_ANY_BACKGROUND["rarest"],
    "`rarest`, noise dropped": {"method": "rarest", "noise_frames": 4},
}
"""Our attacks, as options of `recover`. In the call of a few hundred frames, 8 samples are four
frames with a mask."""

VADER: Final = "VADER, given the background"

ATTACKS: Final = (*OWN, VADER)


def attacked(name: str, call: Path, truth: Truth, background: U8, threads: int) -> Outcome:
    """Recover a call by an attack; nothing if the attack refuses it.

    Parameters
    ----------
    background
        What attacks that are given the background know: the picture as it was chosen.
    """
    try:
        if name == VADER:
            known = Truth(truth.room, background, truth.leak, truth.hits, truth.seen)
            room = METHODS[VADER](call, known, threads)[0]
            return outcome_of(measure_recovery(room, truth))
        options = dict(OWN[name])
        if options.pop("background", False):
            options["background"] = background
        return attack(call, truth, threads=threads, **options)
    except UnveilError as error:
        logger.info("%s on %s: %s", name, call, error)
        return Outcome(0.0, 0.0, 0.0, 0.0)


def all_attacked(
    names: Collection[str], call: Path, truth: Truth, background: U8, threads: int
) -> dict[str, Outcome]:
    """Recover a call by several attacks."""
    return {name: attacked(name, call, truth, background, threads) for name in names}
