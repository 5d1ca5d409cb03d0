"""The measures by which two colours are compared; `unveil.video.colour` computes them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Metric: TypeAlias = Literal["ciede2000", "cosine"]
"""CIEDE2000 is a distance, 0 for equal colours; cosine is a similarity, 1 for parallel vectors."""

MAX_THRESHOLD: Final[dict[Metric, int]] = {"ciede2000": 100, "cosine": 1}
"""Largest threshold of each metric; the smallest is 0."""
