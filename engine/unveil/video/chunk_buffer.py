"""Memory that is filled with the frames of one chunk, and used again."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.video.chunk import Chunk, Layout

MAX_BUFFER_BYTES: Final = 64 * 2**20
"""A chunk holds fewer frames than wanted if they would take more memory than this."""


class ChunkBuffer:
    """Memory for one chunk of at most `frames` frames, of which `count` are filled."""

    def __init__(self, layout: Layout, frames: int) -> None:
        affordable = MAX_BUFFER_BYTES // max(1, layout.frame_bytes)
        self.layout = layout
        self.capacity = max(1, min(frames, affordable))
        self.planes = layout.empty(self.capacity)
        self.pts_seconds = np.empty(self.capacity, np.float64)
        self.count = 0

    def as_chunk(self) -> Chunk:
        """Return the filled frames."""
        luma, cb, cr = self.planes
        n = self.count
        return Chunk((luma[:n], cb[:n], cr[:n]), self.pts_seconds[:n], self.layout)
