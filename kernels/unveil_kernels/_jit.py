"""The one place that says how kernels are compiled.

Kernels release the GIL and are serial: the engine gives each thread a band of rows of
its own. Numba's `prange` was left aside because its default threading layer aborts the
process when two Python threads launch kernels at once, as a pipeline with two engines
does, and because bands of whole rows already visit the state tile by tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numba

Function: TypeAlias = Callable[..., Any]


def kernel(function: Function) -> Function:
    """Compile `function` at its first call: no Python objects, IEEE-exact, cached on disk.

    Numba picks the cache folder (`NUMBA_CACHE_DIR`, beside the source, the user's cache
    folder); where none of them can be written the kernel is compiled anew in each process.
    Kernels of one file must not call those of another: Numba's cache would not notice
    that the other file has changed.
    """
    try:
        compiled: Function = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no folder for the cache can be written
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a step of kernels into each of them: for what runs once a pixel or oftener."""
    compiled: Function = numba.njit(nogil=True, error_model="numpy", inline="always")(function)
    return compiled
