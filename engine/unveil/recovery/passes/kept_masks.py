"""The person masks of a recording that is read several times: found once, then read from a file."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from unveil.arrays import U8
from unveil.video.chunk import Chunk, Layout

if TYPE_CHECKING:
    from typing import IO

logger = logging.getLogger(__name__)

MEMORY_BYTES: Final = 4 << 20
"""Compressed masks kept in memory; those of a longer recording are moved to a temporary file. At
720p a mask takes about 400 bytes: 4 MB are those of 23 minutes at 30 frames/s."""

_HEADER: Final = struct.Struct("<Q??I")
"""Number of a frame with another mask than the one before, whether that is fresh, whether it is
followed by what is doubted, and the bytes of both."""


class Masker(Protocol):
    """Finds the person in the frames of a recording, such as `BlockMasker`."""

    def add_mask(self, chunk: Chunk, first_frame: int) -> Chunk:
        """Return a chunk with its person mask; chunks are passed in their order."""
        ...


class KeptMasks:
    """Finds the person once in each frame, for any number of passes over the same frames.

    A pass may end early; the first one that goes farther finds the person in the frames that no
    pass has reached. The memory does not depend on the length of the recording. Where no temporary
    file can be written, each pass finds the person anew: slower, with the same masks.

    Not thread-safe: passes follow one another.

    Parameters
    ----------
    new_masker
        Makes a masker; its masks depend on the frames alone.
    layout
        Layout of the frames.
    """

    def __init__(self, new_masker: Callable[[], Masker], layout: Layout) -> None:
        self._new_masker = new_masker
        self._layout = layout
        self._masker: Masker | None = None
        self._n_found = 0
        self._file: IO[bytes] | None = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - see close
        self._read_at = self._end = 0
        self._next_frame: int | None = None
        self._last = self._following = np.zeros(layout.block_grid, np.uint8)
        self._following_is_fresh = False
        self._following_doubted: U8 | None = None
        self._newest: U8 | None = None

    def begin(self) -> None:
        """Begin a pass: the next chunk holds the recording's first frames."""
        self._read_at = 0
        self._next_frame = None
        if self._file is None:
            self._masker, self._n_found, self._newest = None, 0, None

    def add_mask(self, chunk: Chunk, first_frame: int) -> Chunk:
        """Return a chunk with its person mask, as a masker that sees all frames returns it.

        Parameters
        ----------
        chunk
            Of `layout`; the chunks of a pass are passed in their order.
        first_frame
            Number of its first frame, from 0 in each pass.
        """
        n_kept = min(len(chunk), max(0, self._n_found - first_frame))
        if n_kept == 0:
            return self._found(chunk, first_frame)
        masks = np.empty((len(chunk), *self._layout.block_grid), np.uint8)
        is_fresh = np.zeros(len(chunk), np.bool_)
        doubted = np.zeros(masks.shape, np.uint8)
        for i in range(n_kept):
            masks[i], is_fresh[i], its_doubted = self._kept(first_frame + i)
            if its_doubted is not None:
                doubted[i] = its_doubted
        if n_kept < len(chunk):
            rest = self._found(chunk.part(n_kept, len(chunk)), first_frame + n_kept)
            assert rest.person is not None
            masks[n_kept:], is_fresh[n_kept:] = rest.person, rest.mask_is_fresh
            if rest.doubted is not None:
                doubted[n_kept:] = rest.doubted
        return replace(chunk, person=masks, mask_is_fresh=is_fresh, doubted=doubted)

    def _found(self, chunk: Chunk, first_frame: int) -> Chunk:
        """Find the person in the frames of a chunk, which no pass has reached, and keep the masks.

        All kept masks were read before, so the file is at its end.
        """
        if self._masker is None:
            self._masker = self._new_masker()
        masked = self._masker.add_mask(chunk, first_frame)
        assert masked.person is not None
        for i, mask in enumerate(masked.person):
            is_fresh = bool(masked.mask_is_fresh[i])
            if is_fresh or self._newest is None or not np.array_equal(mask, self._newest):
                doubted = None if masked.doubted is None else masked.doubted[i]
                self._keep(first_frame + i, mask, doubted, is_fresh=is_fresh)
                self._newest = mask.copy()
        self._n_found = first_frame + len(chunk)
        return masked

    def _keep(self, frame: int, mask: U8, doubted: U8 | None, *, is_fresh: bool) -> None:
        """Append the mask of a frame to the file."""
        if self._file is None:
            return
        kept = mask.tobytes()
        doubts = doubted is not None and bool(doubted.any())
        if doubted is not None and doubts:
            kept += doubted.tobytes()
        packed = zlib.compress(kept, 1)
        try:
            self._file.seek(self._end)
            self._file.write(_HEADER.pack(frame, is_fresh, doubts, len(packed)) + packed)
            # A full disk is noticed here, not when the masks are read.
            self._file.flush()
        except OSError as error:
            logger.info("person masks are not kept, each pass finds them anew: %s", error)
            self.close()
        else:
            self._end += _HEADER.size + len(packed)

    def _kept(self, frame: int) -> tuple[U8, bool, U8 | None]:
        """Return a frame's mask, whether it was found from the frame, and what it doubts."""
        file = self._file
        assert file is not None  # without a file no mask of an earlier pass is kept
        if self._next_frame is None and self._read_at < self._end:
            file.seek(self._read_at)
            header = file.read(_HEADER.size)
            self._next_frame, self._following_is_fresh, doubts, n_bytes = _HEADER.unpack(header)
            packed = file.read(n_bytes)
            self._read_at += _HEADER.size + n_bytes
            kept = np.frombuffer(zlib.decompress(packed), np.uint8)
            grids = kept.reshape(1 + doubts, *self._layout.block_grid)
            self._following = grids[0]
            self._following_doubted = grids[1] if doubts else None
        if frame != self._next_frame:
            return self._last, False, None
        self._last = self._following
        self._next_frame = None
        return self._last, self._following_is_fresh, self._following_doubted

    def close(self) -> None:
        """Remove the file."""
        file, self._file = self._file, None
        if file is not None:
            # On a full disk it cannot write what it still buffers.
            with suppress(OSError):
                file.close()
