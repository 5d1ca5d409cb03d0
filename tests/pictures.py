"""Pictures to compare."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]


def pictures(height: int, width: int, seed: int = 0, noise: float = 12) -> tuple[U8, U8]:
    """Make a smooth picture with edges, and a worse copy of it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    truth = np.stack([x * 3 % 256, y * 2 % 256, (x + y) % 200], axis=2).astype(np.float64)
    truth[height // 4 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    estimate = truth + rng.normal(0, noise, truth.shape)
    estimate[: height // 3, : width // 3] += 60
    return np.clip(estimate, 0, 255).astype(np.uint8), truth.astype(np.uint8)
