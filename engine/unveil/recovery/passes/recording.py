"""A recording that is read several times, with the person told in every chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from unveil.person.blocks import Silhouette
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout

if TYPE_CHECKING:
    from unveil.video.reader import Video


class Recording:
    """A recording that can be read again and again, with the person in each chunk.

    Parameters
    ----------
    opened
        Opens it from its beginning.
    layout
        Of all its frames.
    parameters
        Of the person search.
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
        """Give the number of each chunk's first frame, and the chunk; about `n_frames`."""
        assert self._parameters.person != "none"  # there would be no way to tell that it moves
        silhouette = Silhouette(
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
                yield first, silhouette.marked(chunk, first)
                first += len(chunk)
                if n_frames is not None and first >= n_frames:
                    return
