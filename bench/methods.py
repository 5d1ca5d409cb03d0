"""The methods of recovery that the quality runners compare, by name.

To add one, add a line to `METHODS`: a function of the call, its truth and the number of threads.
An attack may use of the truth only what its authors assume to be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unveil.scoring.leak import paint_background
from unveil.scoring.truth import Truth

Image: TypeAlias = NDArray[np.uint8]
Pictures: TypeAlias = tuple[Image, Image | None]
"""The room, (h, w, 4) with the confidence as alpha, and the background, None if a method finds
none."""

Run: TypeAlias = Callable[[Path, Truth, int | None], Pictures]


def _unveil(call: Path, truth: Truth, threads: int | None, **options: Any) -> Pictures:
    from unveil.recovery.recover import recover

    recovery = recover(call, threads=threads, **options)
    return recovery.room, recovery.background


def _farend_given(call: Path, truth: Truth, threads: int | None) -> Pictures:
    return _unveil(call, truth, threads, method="farend", background=truth.background)


def _vader(call: Path, truth: Truth, threads: int | None) -> Pictures:
    from bench.attacks.vader import attack

    return attack(call, truth.background, threads=threads), None


def _sabra(call: Path, truth: Truth, threads: int | None) -> Pictures:
    from bench.attacks.sabra import attack

    return attack(call, truth.background, threads=threads), None


def _painting(call: Path, truth: Truth, threads: int | None) -> Pictures:
    return paint_background(truth), truth.background


METHODS: Mapping[str, Run] = {
    "painting the background": _painting,
    "zoomg's rule (`rarest`)": partial(_unveil, method="rarest"),
    "Sabra et al., given the background": _sabra,
    "VADER, given the background": _vader,
    "`transitions`": partial(_unveil, method="transitions"),
    "`farend`": partial(_unveil, method="farend"),
    "`farend --person full`": partial(_unveil, method="farend", person="full"),
    "`farend --person heavy`": partial(_unveil, method="farend", person="heavy"),
    "`farend --person selfie`": partial(_unveil, method="farend", person="selfie"),
    "`farend --background`": _farend_given,
}
