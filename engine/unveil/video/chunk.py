"""What travels from the decoder to the kernels: frames as three 8-bit planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.arrays import F64, U8, Bool

Planes: TypeAlias = tuple[U8, U8, U8]
Matrix: TypeAlias = Literal["rgb", "bt601", "bt709", "fcc", "smpte240m", "bt2020"]

SQUARES_PER_HEIGHT: Final = 90
"""Squares from top to bottom, about, in which the person is told."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How the three planes of a frame encode colour.

    `matrix` is "rgb" for planes in FFmpeg's gbrp order (green, blue, red), else the
    luma matrix of Y'CbCr. `full_range` tells 0..255 from the studio range 16..235.
    """

    matrix: Matrix = "bt601"
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Shape and colour of a frame: all that must agree for frames to share a state.

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
    def cell(self) -> int:
        """Rows and columns of the squares in which the person is told: 8 pixels at 720p."""
        return max(1, round(self.height / SQUARES_PER_HEIGHT))

    @property
    def squares(self) -> tuple[int, int]:
        """Rows and columns of such squares; the last ones may reach beyond the frame."""
        return -(-self.height // self.cell), -(-self.width // self.cell)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's three planes."""
        return self.height * self.width + 2 * self.chroma_height * self.chroma_width

    def empty(self, n_frames: int) -> Planes:
        """Uninitialised planes for `n_frames` frames: (n, h, w), (n, ch, cw), (n, ch, cw)."""
        luma = (n_frames, self.height, self.width)
        chroma = (n_frames, self.chroma_height, self.chroma_width)
        return np.empty(luma, np.uint8), np.empty(chroma, np.uint8), np.empty(chroma, np.uint8)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive frames of one layout.

    `planes` are C-contiguous uint8 arrays of shape (n, h, w), (n, ch, cw), (n, ch, cw);
    `pts_seconds` is float64 of shape (n,), NaN where a frame bears no time. The arrays
    belong to whoever made the chunk and are valid until the next one is asked for.

    `person`, where it is known, tells where the caller is: uint8 of shape
    (n, *layout.squares), of squares of `layout.cell` by `layout.cell` pixels 2 for those that show
    the person and 1 for those beside them, else 0. `searched`, bool of shape (n,), then says in
    which frames that was told from the frame itself, and not from an earlier one; None: in all.
    """

    planes: Planes
    pts_seconds: F64
    layout: Layout
    person: U8 | None = None
    searched: Bool | None = None

    def __post_init__(self) -> None:
        """Refuse planes that do not fit the layout: a kernel would read past their end."""
        luma, cb, cr = self.planes
        n_frames = len(self.pts_seconds)
        wanted = (n_frames, self.layout.chroma_height, self.layout.chroma_width)
        if luma.shape != (n_frames, self.layout.height, self.layout.width):
            raise ValueError(f"luma plane of shape {luma.shape} does not fit {self.layout}")
        if cb.shape != wanted or cr.shape != wanted:
            raise ValueError(f"chroma planes {cb.shape}, {cr.shape} do not fit {self.layout}")
        person = self.person
        if person is not None and person.shape != (n_frames, *self.layout.squares):
            raise ValueError(f"person of shape {person.shape} does not fit {self.layout}")
        if person is not None and person.dtype != np.uint8:
            raise ValueError(f"person of type {person.dtype}: expected uint8")
        if self.searched is not None and self.searched.shape != (n_frames,):
            raise ValueError(
                f"searched of shape {self.searched.shape} does not fit {n_frames} frames"
            )

    @property
    def exact(self) -> Bool:
        """Frames whose person was told from the frame itself, bool of shape (n,)."""
        return np.ones(len(self), np.bool_) if self.searched is None else self.searched

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.pts_seconds)

    def __repr__(self) -> str:
        """Shapes, not data."""
        return f"Chunk({len(self)} frames, {self.layout})"
