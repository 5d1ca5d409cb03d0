"""Frames as three 8-bit planes, as the decoder passes them to the kernels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, cast

import numpy as np

from unveil.arrays import F64, U8, Bool
from unveil.video.crop import Rectangle

Planes: TypeAlias = tuple[U8, U8, U8]
Matrix: TypeAlias = Literal["rgb", "bt601", "bt709", "fcc", "smpte240m", "bt2020"]

BLOCKS_PER_HEIGHT: Final = 90
"""Approximate rows of the block grid on which the person mask is stored."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How the three planes of a frame encode colour.

    `matrix` is "rgb" for planes in FFmpeg's gbrp order (green, blue, red), else the
    luma matrix of Y'CbCr. `full_range` is True for levels 0..255, False for studio range 16..235.
    """

    matrix: Matrix = "bt601"
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Shape and colour encoding of a frame; only frames of equal layout share a state.

    A chroma plane is `ceil(height / 2**chroma_shift_y)` by
    `ceil(width / 2**chroma_shift_x)` samples.
    """

    height: int
    width: int
    chroma_shift_y: int = 0
    chroma_shift_x: int = 0
    colour: Colour = Colour()

    @property
    def chroma_height(self) -> int:
        """Rows of a chroma plane."""
        return -(-self.height >> self.chroma_shift_y)

    @property
    def chroma_width(self) -> int:
        """Columns of a chroma plane."""
        return -(-self.width >> self.chroma_shift_x)

    @property
    def block_size(self) -> int:
        """Rows and columns, in pixels, of a block of the person mask: 8 at 720p."""
        return max(1, round(self.height / BLOCKS_PER_HEIGHT))

    @property
    def block_grid(self) -> tuple[int, int]:
        """Rows and columns of the block grid; its last blocks may extend beyond the frame."""
        return -(-self.height // self.block_size), -(-self.width // self.block_size)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's three planes."""
        return self.height * self.width + 2 * self.chroma_height * self.chroma_width

    def empty(self, n_frames: int) -> Planes:
        """Allocate uninitialised planes for `n_frames`: (n, h, w), (n, ch, cw), (n, ch, cw)."""
        luma = (n_frames, self.height, self.width)
        chroma = (n_frames, self.chroma_height, self.chroma_width)
        return np.empty(luma, np.uint8), np.empty(chroma, np.uint8), np.empty(chroma, np.uint8)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive frames of one layout.

    `planes` are C-contiguous uint8 arrays of shape (n, h, w), (n, ch, cw), (n, ch, cw);
    `pts_seconds` is float64 of shape (n,), NaN where a frame has no time stamp. The arrays
    belong to the maker of the chunk and are valid until its next chunk is requested.

    `person` is the person mask on the block grid, or None: uint8 of shape
    (n, *layout.block_grid), 2 for blocks that show the person, 1 for their neighbours, else 0.
    `mask_is_fresh`, bool of shape (n,), is True where the mask was computed from the frame itself
    and False where it was carried over from an earlier frame; by default it is True everywhere.
    `doubted`, uint8 of the shape of `person` or None, is the number of frames, right before each
    frame, in which a block perhaps showed somebody outside the mask.

    Raises
    ------
    ValueError
        An array does not fit the layout: a kernel would read past its end.
    """

    planes: Planes
    pts_seconds: F64
    layout: Layout
    person: U8 | None = None
    mask_is_fresh: Bool = field(default=cast("Bool", None))
    doubted: U8 | None = None

    def __post_init__(self) -> None:
        """Check all shapes, and fill in `mask_is_fresh`."""
        luma, cb, cr = self.planes
        n_frames = len(self.pts_seconds)
        wanted = (n_frames, self.layout.chroma_height, self.layout.chroma_width)
        if luma.shape != (n_frames, self.layout.height, self.layout.width):
            raise ValueError(f"luma plane of shape {luma.shape} does not fit {self.layout}")
        if cb.shape != wanted or cr.shape != wanted:
            raise ValueError(f"chroma planes {cb.shape}, {cr.shape} do not fit {self.layout}")
        person = self.person
        if person is not None and person.shape != (n_frames, *self.layout.block_grid):
            raise ValueError(f"person mask of shape {person.shape} does not fit {self.layout}")
        if person is not None and person.dtype != np.uint8:
            raise ValueError(f"person mask of type {person.dtype}: expected uint8")
        if self.mask_is_fresh is None:
            object.__setattr__(self, "mask_is_fresh", np.ones(n_frames, np.bool_))
        if self.mask_is_fresh.shape != (n_frames,):
            raise ValueError(
                f"mask_is_fresh of shape {self.mask_is_fresh.shape} does not fit {n_frames} frames"
            )
        if self.doubted is not None and (person is None or self.doubted.shape != person.shape):
            raise ValueError(f"doubted of shape {self.doubted.shape} does not fit the person mask")

    def part(self, begin: int, end: int) -> Chunk:
        """Return the frames `begin` to `end - 1` as a chunk that shares the memory."""
        luma, cb, cr = (plane[begin:end] for plane in self.planes)
        return Chunk(
            (luma, cb, cr),
            self.pts_seconds[begin:end],
            self.layout,
            None if self.person is None else self.person[begin:end],
            self.mask_is_fresh[begin:end],
            None if self.doubted is None else self.doubted[begin:end],
        )

    def crop(self, part: Rectangle) -> Chunk:
        """Return a part of the frames as a chunk of its own, without the person mask.

        Parameters
        ----------
        part
            In pixels of the frames as decoded.

        Raises
        ------
        ValueError
            The part is not within the frames, or its sides or place are not multiples of a chroma
            sample.
        """
        layout = self.layout
        if (part.width, part.height, part.x, part.y) == (layout.width, layout.height, 0, 0):
            return replace(self, person=None, doubted=None)
        steps = (1 << layout.chroma_shift_y, 1 << layout.chroma_shift_x)
        whole = all(
            number % step == 0
            for numbers, step in zip(
                ((part.y, part.height), (part.x, part.width)), steps, strict=True
            )
            for number in numbers
        )
        inside = 0 <= part.x <= layout.width - part.width
        inside = inside and 0 <= part.y <= layout.height - part.height
        if not (whole and inside and part.area > 0):
            raise ValueError(f"a part of {part} does not fit {layout}")
        cut = replace(layout, height=part.height, width=part.width)
        luma, cb, cr = (
            np.ascontiguousarray(
                plane[
                    :,
                    part.y // down : (part.y + part.height) // down,
                    part.x // right : (part.x + part.width) // right,
                ]
            )
            for plane, (down, right) in zip(self.planes, ((1, 1), steps, steps), strict=True)
        )
        return Chunk((luma, cb, cr), self.pts_seconds, cut, mask_is_fresh=self.mask_is_fresh)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.pts_seconds)

    def __repr__(self) -> str:
        """Show shapes, not data."""
        return f"Chunk({len(self)} frames, {self.layout})"
