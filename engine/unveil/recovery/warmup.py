"""Warm-up: loads the kernels and the network of a recovery before its first frame."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable

import numpy as np

from unveil.parallel import on_first_compile
from unveil.recovery.engine import RGB, Engine
from unveil.recovery.parameters import Method, Parameters, Person
from unveil.video.chunk import Chunk, Colour, Layout

logger = logging.getLogger(__name__)


def prepare(
    method: Method,
    *,
    person: Person = "auto",
    on_compile: Callable[[], object] | None = None,
) -> float:
    """Load a method's kernels and its network; return the wall time in seconds.

    Kernels that are not in the cache are compiled, which takes several seconds on the first run
    on a machine. A network that cannot be loaded raises its error here, before frames are read.

    Parameters
    ----------
    method, person
        As in `Parameters`.
    on_compile
        Called once before the first kernel is compiled; not called if all are in the cache.
    """
    started = time.perf_counter()
    needed = Parameters(method, person=person).accumulators
    planar = ((Colour(), 1), (RGB, 0))
    with on_first_compile(on_compile or (lambda: None)):
        for counting, (colour, shift) in itertools.product(needed, planar):
            engine = Engine(2, 2, method=counting, person=person, threads=1)
            layout = Layout(2, 2, shift, shift, colour)
            planes = layout.empty(4)
            for plane in planes:
                plane[...] = 128
            engine.try_out(Chunk(planes, np.zeros(4), layout))
    seconds = time.perf_counter() - started
    logger.debug("kernels of %s ready after %.2f s", method, seconds)
    return seconds
