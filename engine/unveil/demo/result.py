"""The outcome of a demonstration, and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from unveil.arrays import U8
from unveil.drawing import checkerboard, font, over

DemoKind: TypeAlias = Literal["person", "plain", "photo", "noise-frame"]

_CAPTION_PIXELS = 30


@dataclass(frozen=True, slots=True)
class PersonDemo:
    """The call with a person: before and after it is protected anew.

    Attributes
    ----------
    call, true_room, picture
        The encoded call, its true room, and one frame of it next to the recovered room.
    page, grade
        The page of the audit, and the letter of its grade; None where nothing can be said.
    recovered_share
        Share of all pixels whose room colour the audit claims.
    right_share
        Share of all pixels whose claimed colour is within CIEDE2000 10 of the true one.
    protected, protected_page, protected_grade, protected_recovered_share, protected_right_share
        The same of the camera's picture protected anew.
    """

    call: Path
    true_room: Path
    picture: Path
    page: Path
    grade: str | None
    recovered_share: float
    right_share: float
    protected: Path
    protected_page: Path
    protected_grade: str | None
    protected_recovered_share: float
    protected_right_share: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Files and scores of the demonstration.

    Attributes
    ----------
    kind
        "person", or the kind of the ideal call.
    call, true_room, true_background
        The encoded ideal call, and pictures of its true room and background.
    recovery
        Folder of the recovery, as `unveil recover` writes it.
    picture
        One frame of the call next to the recovered room.
    recovered_share
        Share of all pixels whose room colour the recovery claims.
    right_share
        Share of all pixels whose claimed colour is within CIEDE2000 10 of the true one.
    person
        With the kind "person", the call with a person.
    """

    kind: DemoKind
    call: Path
    true_room: Path
    true_background: Path
    recovery: Path
    picture: Path
    recovered_share: float
    right_share: float
    person: PersonDemo | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        fields = asdict(self)
        if fields["person"] is not None:
            fields["person"] = _written(fields["person"])
        return _written(fields)


def _written(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in fields.items()
    }


def side_by_side(shown: U8, room: U8, n_frames: int, right_share: float) -> U8:
    """Draw a frame of the call and the recovered room side by side, with captions.

    Parameters
    ----------
    shown
        The frame, (h, w, 3) uint8 RGB.
    room
        (h, w, 4) uint8 RGBA, as in `Recovery`.
    n_frames
        Of the call.
    right_share
        Share of the picture that is recovered and right, 0 to 1.
    """
    height, width = shown.shape[:2]
    recovered = over(room, checkerboard(height, width))
    gap = np.full((height, 8, 3), 255, np.uint8)
    pair = np.hstack([shown, gap, recovered])
    page = np.full((height + _CAPTION_PIXELS, pair.shape[1], 3), 255, np.uint8)
    page[:height] = pair
    image = Image.fromarray(page)
    draw = ImageDraw.Draw(image)
    typeface = font(17)
    middle = height + _CAPTION_PIXELS // 2
    for centre, caption in (
        (width // 2, f"one of {n_frames} frames of the call"),
        (width + 8 + width // 2, f"the room recovered from them, {right_share:.0%} of it right"),
    ):
        draw.text((centre, middle), caption, fill=(30, 30, 30), font=typeface, anchor="mm")
    return np.array(image)
