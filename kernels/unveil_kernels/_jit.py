"""The one place that says how kernels are compiled.

Kernels release the GIL and are serial: the engine gives each thread a band of rows of
its own. Numba's `prange` was left aside because its default threading layer aborts the
process when two Python threads launch kernels at once, as a pipeline with two engines
does, and because bands of whole rows already visit the state tile by tile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import numba

from unveil_kernels._cache import KernelCache

Function: TypeAlias = Callable[..., Any]


def kernel(function: Function) -> Function:
    """Compile `function` at its first call: no Python objects, IEEE-exact, cached on disk.

    Numba picks the cache folder (`NUMBA_CACHE_DIR`, beside the source, the user's cache
    folder); where none of them can be written the kernel is compiled anew in each process.
    Kernels may call those of other files of this package: an edit of any file compiles all
    of them anew.
    """
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if compiled is not function:  # with NUMBA_DISABLE_JIT it is
        with suppress(RuntimeError):  # no folder for the cache can be written
            # What Numba's `cache=True` does, with our cache in the place of Numba's.
            compiled._cache = KernelCache(function)
    kept: Function = compiled
    return kept


def inlined(function: Function) -> Function:
    """Compile a step of kernels into each of them: for what runs once a pixel or oftener."""
    compiled: Function = numba.njit(nogil=True, error_model="numpy", inline="always")(function)
    return compiled
