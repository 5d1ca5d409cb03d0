"""A recording that is read several times, with the person mask in every chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from unveil.person.blocks import BlockMasker
from unveil.recovery.parameters import Parameters
from unveil.recovery.passes.ahead import network_threads, prepared
from unveil.recovery.passes.section import Section, WholeFrames
from unveil.video.chunk import Chunk, Layout

if TYPE_CHECKING:
    from unveil.video.reader import Video


class Recording:
    """A recording that can be read any number of times, with the person mask in each chunk.

    Parameters
    ----------
    opened
        Opens the recording at its beginning; its last two chunks must be valid.
    layout
        Layout of the section's frames; those of another one are left out, and not numbered.
    parameters
        Parameters of the segmentation.
    n_skipped
        Frames of this layout that are left out at the beginning.
    section
        The part of the recording that is read; None: all of it.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Video]],
        layout: Layout,
        parameters: Parameters,
        n_skipped: int = 0,
        section: Section | None = None,
    ) -> None:
        self._opened = opened
        self._layout = layout
        self._parameters = parameters
        self._n_skipped = n_skipped
        self._section = section or WholeFrames()

    def chunks(self) -> Iterator[Chunk]:
        """Read the recording from its beginning, and yield its chunks with the person."""
        assert self._parameters.person != "none"  # without a mask, no further pass is planned
        n_threads = self._parameters.n_threads
        ahead = n_threads > 1
        masker = BlockMasker(
            self._parameters.person,
            every=self._parameters.person_every,
            threads=network_threads(n_threads, ahead=ahead),
            searches=np.zeros(4, np.int64),
        )
        first = 0

        def masked(part: Chunk) -> Chunk:
            nonlocal first
            chunk = masker.add_mask(part, first)
            first += len(part)
            return chunk

        with (
            self._opened() as video,
            closing(prepared(self._parts(video), masked, ahead=ahead)) as parts,
        ):
            for _, chunk in parts:
                yield chunk

    def _parts(self, video: Video) -> Iterator[Chunk]:
        """Read the frames of the section and of the layout."""
        left = self._n_skipped
        for chunk in chain.from_iterable(map(self._section.of, video.chunks())):
            if chunk.layout != self._layout:
                continue
            skipped = min(left, len(chunk))
            left -= skipped
            if skipped < len(chunk):
                yield chunk.part(skipped, len(chunk))
