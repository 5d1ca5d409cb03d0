"""A bounded random sample of the frames with a person, as the means of their blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final

import numpy as np

from unveil.arrays import F32, I64, U16, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.video.chunk import Chunk, Layout
from unveil_kernels import blocks

MAX_FRAMES: Final = 48
"""Frames that are kept; 29 KB each."""

LEVEL: Final = 64
"""Steps per level of luma."""

_PERSON: Final = 1 << 15
"""Bit of a block of the person."""

_ROWS: Final = 16
"""Every so many rows of blocks, one row of pixels goes into a frame's key."""


class FrameSamples:
    """The frames whose keys are smallest; a key is a hash of the frame.

    So each frame has the same chance, and the sample is the same however the frames are divided
    between surveys that are merged, and in whatever order.
    """

    def __init__(self, layout: Layout) -> None:
        self._size = layout.block_size
        self._shape = layout.height // self._size, layout.width // self._size
        self._kept: dict[int, U16] = {}
        self._largest = -1

    def add(self, chunk: Chunk, i: int) -> None:
        """Keep frame `i` of a chunk with its person mask, if it shows one and is in the sample."""
        assert chunk.person is not None
        luma, mask = chunk.planes[0][i], chunk.person[i]
        if not (mask == 2).any():
            return
        digest = blake2b(mask.tobytes(), digest_size=8)
        digest.update(luma[:: _ROWS * self._size].tobytes())
        key = int.from_bytes(digest.digest(), "little")
        if key in self._kept or (len(self._kept) == MAX_FRAMES and key > self._largest):
            return
        sums: I64 = np.empty(self._shape, np.int64)
        blocks.block_sums(luma, self._size, sums)
        levels = (LEVEL * sums // self._size**2).astype(np.uint16)
        rows, columns = self._shape
        person = mask[:rows, :columns] == 2
        self._keep({key: levels | np.where(person, np.uint16(_PERSON), np.uint16(0))})

    def merge(self, other: FrameSamples) -> None:
        """Add the frames of another sample of the same layout."""
        self._keep(other._kept)

    def __iter__(self) -> Iterator[tuple[F32, Bool]]:
        """Return each frame's mean levels of luma and its blocks of the person, (rows, columns)."""
        for _, values in sorted(self._kept.items()):
            levels: F32 = (values & (_PERSON - 1)).astype(np.float32) / np.float32(LEVEL)
            yield levels, (values & _PERSON) > 0

    @staticmethod
    def specification(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`."""
        size = layout.block_size
        shape = layout.height // size, layout.width // size
        return {
            "blur_sample_keys": ArraySpec((MAX_FRAMES,), np.uint64, variable=True),
            "blur_samples": ArraySpec((MAX_FRAMES, *shape), np.uint16, variable=True),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        keys = sorted(self._kept)
        samples = np.empty((len(keys), *self._shape), np.uint16)
        for sample, key in zip(samples, keys, strict=True):
            sample[...] = self._kept[key]
        return {"blur_sample_keys": np.array(keys, np.uint64), "blur_samples": samples}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of a sample.
        """
        keys, samples = arrays["blur_sample_keys"], arrays["blur_samples"]
        if samples.shape != (len(keys), *self._shape) or (keys[1:] <= keys[:-1]).any():
            raise ValueError("the sampled frames do not fit together")
        self._kept = {}
        self._keep(dict(zip(keys.tolist(), samples, strict=True)))

    def _keep(self, further: Mapping[int, U16]) -> None:
        every = self._kept | dict(further)
        self._kept = {key: every[key] for key in sorted(every)[:MAX_FRAMES]}
        self._largest = max(self._kept, default=-1)
