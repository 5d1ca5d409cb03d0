"""Numbered pictures that are read as one video, as FFmpeg's image2 demuxer does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FRAME_RATE: Final = 25
"""Frames per second of pictures, which have no times: the default of FFmpeg's image2."""

NUMBER: Final = re.compile(r"%(?:0\d+)?d")


@dataclass(frozen=True, slots=True)
class PictureSequence:
    """The pictures of a pattern, by consecutive numbers from `first` on.

    `missing` is the name of the first picture that is missing between others, None if none is;
    `n_behind` pictures follow it.
    """

    first: int
    n_pictures: int
    missing: str | None = None
    n_behind: int = 0

    @property
    def options(self) -> dict[str, str]:
        """Options of FFmpeg's image2 demuxer."""
        return {"start_number": str(self.first), "framerate": str(FRAME_RATE)}

    @property
    def gap(self) -> str | None:
        """One line that says which pictures are not read, None if all are."""
        if self.missing is None:
            return None
        pictures = "picture behind it is" if self.n_behind == 1 else "pictures behind it are"
        return f"{self.missing} is missing, so {self.n_behind} {pictures} not read"


def is_pattern(path: Path) -> bool:
    """Whether a file name has one place for a number, such as frame-%05d.png."""
    return len(NUMBER.findall(path.name)) == 1


def find_sequence(pattern: Path) -> PictureSequence | None:
    """Return the pictures of a pattern, None if there is none."""
    if not is_pattern(pattern) or not pattern.parent.is_dir():
        return None
    before, after = NUMBER.split(pattern.name)
    numbered = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    numbers = sorted(
        int(match[1])
        for path in pattern.parent.iterdir()
        if (match := numbered.fullmatch(path.name)) and path.name == _name(pattern, int(match[1]))
    )
    if not numbers:
        return None
    first = numbers[0]
    n_pictures = next((i for i, number in enumerate(numbers) if number != first + i), len(numbers))
    n_behind = len(numbers) - n_pictures
    missing = _name(pattern, first + n_pictures) if n_behind else None
    return PictureSequence(first, n_pictures, missing, n_behind)


def pattern_url(pattern: Path) -> str:
    """Return the address that image2 opens: only the number of the file's name is replaced."""
    folder = str(pattern.absolute().parent).replace("%", "%%")
    before, after = NUMBER.split(pattern.name)
    number = NUMBER.findall(pattern.name)[0]
    name = before.replace("%", "%%") + number + after.replace("%", "%%")
    return f"file:{folder}/{name}"


def _name(pattern: Path, number: int) -> str:
    return NUMBER.sub(lambda place: place[0] % number, pattern.name)
