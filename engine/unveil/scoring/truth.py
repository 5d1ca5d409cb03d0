"""Ground truth of a simulated call: its room, its background and its leaks."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from unveil.arrays import U8, U16, Array, Bool
from unveil.errors import InvalidParameter, MissingInput, UnreadableTruth
from unveil.files import is_there, replacing

if TYPE_CHECKING:
    from os import PathLike


HIT_SHARE: Final = 0.9
"""A frame hits a pixel if the room's share in it is above this."""

PURE_SHARE: Final = 0.02
"""A frame shows the background pure if the camera's share in the pixel is below this."""

STRONG_HITS: Final = 2
"""A pixel with so many hits is strongly leaked: no method can distinguish one hit from noise."""

NAMES: Final = {
    "room": "room",
    "vb": "background",
    "leak": "leak",
    "hits": "hits",
    "seen": "seen",
}
"""Name of an array in the file -> attribute of `Truth`."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth against which a recovery is measured; the content of a truth.npz.

    Attributes
    ----------
    room, background
        (h, w, 3) uint8 RGB: the camera's picture without the person, and the virtual background
        shown instead; for a moving background, its first frame.
    leak
        (h, w) uint8: largest share of the room in the pixel over time, x255.
    hits
        (h, w) uint16: number of frames in which that share was above 0.9.
    seen
        (h, w) uint16: number of frames in which the background showed pure, with a camera's share
        below 0.02. Both counts saturate at 65535.

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
        """Check types and shapes: a score of arrays that do not fit would mean nothing."""
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
        """Pixels that leaked strongly, in at least two frames: (h, w) bool."""
        strong: Bool = self.hits >= STRONG_HITS
        return strong

    @property
    def blend(self) -> U8:
        """The strongest blend of room and background that each pixel showed."""
        share = (self.leak / 255.0)[..., None]
        # Truncated, not rounded, as in the published implementations of the score.
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
            The file has another format, or its arrays do not fit each other.
        """
        if not is_there(Path(path)):
            raise MissingInput(f"{path}: no such file")
        arrays: dict[str, Array] = {}
        try:
            # Opened here, because NumPy leaves a file open that is no archive.
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
        """Write a truth.npz; the same truth always gives the same bytes.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        arrays = {name: getattr(self, attribute) for name, attribute in NAMES.items()}
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
