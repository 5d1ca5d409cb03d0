"""Time of the kernels alone, on decoded 720p frames: pushing one chunk, and finalising.

Run it with `pytest bench/test_kernels.py`. Frames are made and kernels are compiled before the
measurement. No time is asserted; the figures serve to compare two versions.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

import unveil
from unveil.demo import moving_call
from unveil.recovery.parameters import Method

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

HEIGHT, WIDTH, CHUNK = 720, 1280, 16


@pytest.fixture(scope="module")
def chunks() -> list[NDArray[np.uint8]]:
    """Three chunks of a call, each (CHUNK, HEIGHT, WIDTH, 3) RGB."""
    frames = moving_call(HEIGHT, WIDTH, 3 * CHUNK, seed=7).frames()
    return [np.stack(list(islice(frames, CHUNK))) for _ in range(3)]


@pytest.mark.parametrize("method", get_args(Method))
def test_push_a_chunk(
    benchmark: BenchmarkFixture, chunks: list[NDArray[np.uint8]], method: Method
) -> None:
    engine = unveil.Engine(HEIGHT, WIDTH, method=method)
    engine.push(chunks[0])
    engine.push(chunks[1])
    benchmark.extra_info["frames"] = CHUNK
    benchmark.pedantic(engine.push, args=(chunks[2],), rounds=7, warmup_rounds=2)


@pytest.mark.parametrize("method", get_args(Method))
def test_finalise(
    benchmark: BenchmarkFixture, chunks: list[NDArray[np.uint8]], method: Method
) -> None:
    engine = unveil.Engine(HEIGHT, WIDTH, method=method)
    for chunk in chunks:
        engine.push(chunk)
    recovery = benchmark.pedantic(engine.finalise, rounds=5, warmup_rounds=1)
    assert recovery.room.shape == (HEIGHT, WIDTH, 4)
