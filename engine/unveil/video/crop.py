"""A part of the displayed picture, `--crop W:H:X:Y`, by the rules of FFmpeg's filter `crop`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, TypeAlias

from unveil.errors import InvalidParameter

if TYPE_CHECKING:
    from unveil.video.chunk import Layout
    from unveil.video.container import VideoProperties

CropArgument: TypeAlias = "str | Sequence[int | None] | Rectangle"
"""How a crop is given: "W:H:X:Y", its numbers, or a rectangle."""

_TEXT = re.compile(r"\s*\d{1,9}\s*:\s*\d{1,9}\s*(?::\s*\d{1,9}\s*){0,2}")


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Columns, rows, and the upper left pixel of a part of a picture; FFmpeg's order."""

    width: int
    height: int
    x: int
    y: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def as_list(self) -> list[int]:
        """Return [width, height, x, y], ready for JSON."""
        return list(astuple(self))

    def __str__(self) -> str:
        """Return W:H:X:Y."""
        return ":".join(map(str, astuple(self)))


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of the displayed picture that is wanted; without `x` or `y` its middle.

    Raises
    ------
    InvalidParameter
        A side is not positive, or a place negative.
    """

    width: int
    height: int
    x: int | None = None
    y: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers, as far as that is possible without the picture."""
        if self.width < 1 or self.height < 1:
            raise InvalidParameter(f"crop: {self} has no pixel; choose W and H from 1")
        if min(self.x or 0, self.y or 0) < 0:
            raise InvalidParameter(
                f"crop: {self} begins outside the picture; choose X and Y from 0"
            )

    @classmethod
    def of(cls, given: CropArgument) -> Crop:
        """Read "W:H", "W:H:X" or "W:H:X:Y", or two to four whole numbers.

        Raises
        ------
        InvalidParameter
            It is none of these.
        """
        numbers: Sequence[int | None]
        if isinstance(given, Rectangle):
            numbers = astuple(given)
        elif isinstance(given, str):
            if _TEXT.fullmatch(given) is None:
                raise InvalidParameter(_not_a_crop(given))
            numbers = [int(number) for number in given.split(":")]
        else:
            numbers = tuple(given)
            whole = all(_is_whole(number) for number in numbers[:2])
            placed = all(number is None or _is_whole(number) for number in numbers[2:])
            if not (2 <= len(numbers) <= 4 and whole and placed):
                raise InvalidParameter(_not_a_crop(given))
        # Width and height are whole numbers, as was checked above.
        return cls(*(None if number is None else int(number) for number in numbers))  # type: ignore[arg-type]

    def placed(self, layout: Layout, properties: VideoProperties) -> Rectangle:
        """Return the rectangle of decoded frames of a layout that shows this crop.

        Sides and place are rounded down to whole chroma samples, as FFmpeg does it: in displayed
        orientation, and a missing place follows from the sides before they are rounded. Where the
        picture has an odd side and is mirrored or turned, the place moves by one more pixel.

        Raises
        ------
        InvalidParameter
            The rectangle is not within the picture, or smaller than a chroma sample.
        """
        stored = layout.height, layout.width
        height, width = properties.displayed_size(stored)
        steps = 1 << layout.chroma_shift_y, 1 << layout.chroma_shift_x
        step_y, step_x = properties.displayed_size(steps)
        cropped_width, cropped_height = (
            self.width // step_x * step_x,
            self.height // step_y * step_y,
        )
        if not (cropped_width and cropped_height):
            raise InvalidParameter(
                f"crop: {self} is smaller than a chroma sample of {step_x}x{step_y} pixels; choose "
                "a larger part"
            )
        x = round((width - self.width) / 2) if self.x is None else self.x
        y = round((height - self.height) / 2) if self.y is None else self.y
        if x < 0 or y < 0 or x + self.width > width or y + self.height > height:
            raise InvalidParameter(
                f"crop: {self} lies outside the picture of {width}x{height}; choose W and X, and H "
                "and Y, whose sums are at most its sides"
            )
        shown = Rectangle(cropped_width, cropped_height, x // step_x * step_x, y // step_y * step_y)
        return aligned(stored_rectangle(shown, stored, properties), steps)

    def __str__(self) -> str:
        """Return W:H:X:Y as far as they are given."""
        return ":".join(str(number) for number in astuple(self) if number is not None)


def aligned(stored: Rectangle, steps: tuple[int, int]) -> Rectangle:
    """Move a rectangle up and left to whole chroma samples of (rows, columns) `steps`."""
    step_y, step_x = steps
    return Rectangle(
        stored.width, stored.height, stored.x // step_x * step_x, stored.y // step_y * step_y
    )


def stored_rectangle(
    displayed: Rectangle, stored: tuple[int, int], properties: VideoProperties
) -> Rectangle:
    """Return the part of frames stored with (height, width) that is displayed in a rectangle."""
    first = properties.stored_place(stored, (displayed.x, displayed.y))
    last = properties.stored_place(
        stored, (displayed.x + displayed.width - 1, displayed.y + displayed.height - 1)
    )
    (top, bottom), (left, right) = (sorted(pair) for pair in zip(first, last, strict=True))
    return Rectangle(right - left + 1, bottom - top + 1, left, top)


def displayed_rectangle(
    stored: Rectangle, size: tuple[int, int], properties: VideoProperties
) -> Rectangle:
    """Return where frames stored with (height, width) `size` show a part of them."""
    corners = [
        properties.displayed_place(size, place)
        for place in (
            (stored.y, stored.x),
            (stored.y + stored.height - 1, stored.x + stored.width - 1),
        )
    ]
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(*corners, strict=True))
    return Rectangle(right - left + 1, bottom - top + 1, left, top)


def _is_whole(number: object) -> bool:
    return hasattr(number, "__index__") and not isinstance(number, bool)


def _not_a_crop(given: object) -> str:
    return f"crop: {given!r} is not W:H:X:Y, whole numbers such as 640:360:0:0, or W:H"
