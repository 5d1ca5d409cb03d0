"""A recording that is read several times, with the person mask in every chunk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Self

import numpy as np

from unveil.person.blocks import BlockMasker
from unveil.recovery.background.median import median_filtered
from unveil.recovery.parameters import Parameters
from unveil.recovery.passes.ahead import network_threads, prepared
from unveil.recovery.passes.kept_masks import KeptMasks
from unveil.recovery.passes.section import Section, WholeFrames
from unveil.video.chunk import Chunk, Layout

if TYPE_CHECKING:
    from unveil.video.reader import Video


class Recording:
    """A recording that can be read any number of times, with the person mask in each chunk.

    The person is found once in each frame; use it in a `with` block, which frees the masks.

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
    median
        Whether noise is removed from the frames by a median filter, after the person was found.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Video]],
        layout: Layout,
        parameters: Parameters,
        n_skipped: int = 0,
        section: Section | None = None,
        *,
        median: bool = False,
    ) -> None:
        self._opened = opened
        self._layout = layout
        self._parameters = parameters
        self._n_skipped = n_skipped
        self._section = section or WholeFrames()
        self._median = median
        self._ahead = parameters.n_threads > 1
        self._masks = KeptMasks(self._new_masker, layout)

    def __enter__(self) -> Self:
        """Keep the person masks until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file of the person masks."""
        self._masks.close()

    def chunks(self) -> Generator[Chunk]:
        """Read the recording from its beginning, and yield its chunks with the person."""
        masks = self._masks
        masks.begin()
        first = 0

        def masked(part: Chunk) -> Chunk:
            nonlocal first
            chunk = masks.add_mask(part, first)
            first += len(part)
            if self._median:
                luma, cb, cr = (median_filtered(median_filtered(p)) for p in chunk.planes)
                chunk = replace(chunk, planes=(luma, cb, cr))
            return chunk

        with (
            self._opened() as video,
            closing(prepared(self._parts(video), masked, ahead=self._ahead)) as parts,
        ):
            for _, chunk in parts:
                yield chunk

    def _new_masker(self) -> BlockMasker:
        parameters = self._parameters
        assert parameters.person != "none"  # without a mask, no further pass is planned
        return BlockMasker(
            parameters.person,
            every=parameters.person_every,
            threads=network_threads(parameters.n_threads, ahead=self._ahead),
            searches=np.zeros(4, np.int64),
        )

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
