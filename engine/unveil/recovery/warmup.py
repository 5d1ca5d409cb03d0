"""Loading what a recovery needs before its first frame: kernels and the network."""

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
    person: Person = "lite",
    on_compile: Callable[[], object] | None = None,
) -> float:
    """Load a method's kernels, compiling those that are not in the cache; return the seconds.

    Compiling takes several seconds on the first run on a machine; this is where it happens.
    The network that finds the person is loaded, too: if it cannot be, that is told now.

    Parameters
    ----------
    method, person
        As in `Parameters`.
    on_compile
        Called once, before the first kernel is compiled; not if the cache held them all.
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
