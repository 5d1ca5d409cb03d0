"""What is true of a call that was made by program: its room, its background, what leaked."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from unveil.arrays import U8, U16, Array, Bool
from unveil.errors import InvalidParameter, MissingInput, UnreadableTruth
from unveil.files import replacing

if TYPE_CHECKING:
    from os import PathLike


HIT_SHARE: Final = 0.9
"""A frame hits a pixel where the room's share in it is over this."""

PURE_SHARE: Final = 0.02
"""A frame shows the background pure where the camera's share is under this."""

STRONG_HITS: Final = 2
"""A pixel that so many frames hit is strongly leaked: one alone is noise to any method."""

NAMES: Final = {
    "room": "room",
    "vb": "background",
    "leak": "leak",
    "hits": "hits",
    "seen": "seen",
}
"""Array of the file -> attribute of `Truth`."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a recovery of a call is measured against; the content of a truth.npz.

    Attributes
    ----------
    room, background
        (h, w, 3) uint8 RGB: what the camera would see without the person, and the virtual
        background shown instead. Of a background that moves it is the first frame's.
    leak
        (h, w) uint8: the largest share, over time, that the room had in the pixel, x255.
    hits
        (h, w) uint16: frames in which that share was over 0.9.
    seen
        (h, w) uint16: frames in which the background showed pure, the camera's share
        under 0.02. Both counts stay at 65535 once they reach it.

    Raises
    ------
    InvalidParameter
        An array has another type, or does not fit the room.
    """

    room: U8 = field(repr=False)
    background: U8 = field(repr=False)
    leak: U8 = field(repr=False)
    hits: U16 = field(repr=False)
    seen: U16 = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together: a score of them would mean nothing."""
        size = self.room.shape[:2]
        wanted: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "room": (np.uint8, (*size, 3)),
            "background": (np.uint8, (*size, 3)),
            "leak": (np.uint8, size),
            "hits": (np.uint16, size),
            "seen": (np.uint16, size),
        }
        for name, (kind, shape) in wanted.items():
            array = getattr(self, name)
            if array.dtype != kind or array.shape != shape or len(size) != 2:
                raise InvalidParameter(
                    f"{name}: a {array.dtype} array of shape {array.shape} is no "
                    f"{np.dtype(kind)} of shape {shape}"
                )

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return int(self.room.shape[0])

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return int(self.room.shape[1])

    @property
    def strong(self) -> Bool:
        """Pixels that leaked strongly, in two frames at least: (h, w) bool."""
        strong: Bool = self.hits >= STRONG_HITS
        return strong

    @property
    def blend(self) -> U8:
        """The most of the room that each pixel ever showed, mixed with the background."""
        share = (self.leak / 255.0)[..., None]
        # Cut off, not rounded, as the score's published implementations do.
        blend: U8 = (self.background * (1 - share) + self.room * share).astype(np.uint8)
        return blend

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Read a truth.npz.

        Raises
        ------
        MissingInput
            There is no such file.
        UnreadableTruth
            It is no such file, or its arrays do not belong together.
        """
        if not Path(path).exists():
            raise MissingInput(f"{path}: no such file")
        arrays: dict[str, Array] = {}
        try:
            # Opened here: NumPy leaves the file open where it is no archive.
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                for name, attribute in NAMES.items():
                    arrays[attribute] = stored[name]
            for count in ("hits", "seen"):
                arrays[count] = arrays[count].astype(np.uint16, casting="same_kind")
            return cls(**arrays)
        except KeyError as error:
            raise UnreadableTruth(
                f"{path}: holds no array {name!r}; a truth has {', '.join(NAMES)}"
            ) from error
        except InvalidParameter as error:
            raise UnreadableTruth(f"{path}: {error}; make it again") from error
        except (
            OSError,
            EOFError,
            ValueError,
            TypeError,
            AttributeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise UnreadableTruth(
                f"{path}: is no truth.npz as `unveil simulate` writes it ({error})"
            ) from error

    def write(self, path: str | PathLike[str]) -> None:
        """Write a truth.npz: the same truth always gives the same bytes.

        Raises
        ------
        OutputUnwritable
            It cannot be written.
        """
        arrays = {name: getattr(self, attribute) for name, attribute in NAMES.items()}
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
