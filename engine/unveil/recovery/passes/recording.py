"""A recording that is read several times, with the person mask in every chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from unveil.person.blocks import BlockMasker
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout

if TYPE_CHECKING:
    from unveil.video.reader import Video


class Recording:
    """A recording that can be read any number of times, with the person mask in each chunk.

    Parameters
    ----------
    opened
        Opens the recording at its beginning.
    layout
        Layout of the frames; reading stops at the first frame of another one.
    parameters
        Parameters of the segmentation.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Video]],
        layout: Layout,
        parameters: Parameters,
    ) -> None:
        self._opened = opened
        self._layout = layout
        self._parameters = parameters

    def chunks(self, n_frames: int | None = None) -> Iterator[tuple[int, Chunk]]:
        """Yield the number of each chunk's first frame, and the chunk.

        Stops after the chunk that completes `n_frames` frames; None reads all.
        """
        assert self._parameters.person != "none"  # without a mask, no further pass is planned
        masker = BlockMasker(
            self._parameters.person,
            every=self._parameters.person_every,
            threads=self._parameters.n_threads,
            searches=np.zeros(4, np.int64),
        )
        first = 0
        with self._opened() as video:
            for chunk in video.chunks():
                if chunk.layout != self._layout:
                    return
                yield first, masker.add_mask(chunk, first)
                first += len(chunk)
                if n_frames is not None and first >= n_frames:
                    return
