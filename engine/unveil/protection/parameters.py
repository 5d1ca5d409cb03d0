"""What a user may choose about a protection, checked in one place."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from unveil.arrays import U8
from unveil.errors import InvalidParameter, check_choice, check_range
from unveil.parallel import available_cores
from unveil.person import MODELS, ModelName
from unveil.redaction import file_name

Mode: TypeAlias = Literal["remove", "blur", "replace"]
ProtectModel: TypeAlias = ModelName | Literal["auto"]
Background: TypeAlias = str | os.PathLike[str] | U8
"""A colour, the file of a picture or a video, or an RGB picture (h, w, 3) uint8."""

DEFAULT_EDGE: Final = 0.6
DEFAULT_SMOOTH: Final = 3
BLUR_SHARE: Final = 1 / 20
"""Radius of the blur as a share of the frame's height, where none is chosen: letters as high as
a tenth of the frame are gone."""
MIN_BLUR: Final = 4
MAX_BLUR: Final = 1000


@dataclass(frozen=True, slots=True)
class ProtectParameters:
    """What becomes of the background, and where the person ends.

    Parameters
    ----------
    mode
        "remove" cuts the person out, before nothing where the output keeps transparency and
        else before a colour; "blur" blurs the rest; "replace" shows another background. None
        takes "replace" where there is a background and "blur" where there is none.
    background
        For "replace" a colour ("white", "#00a000"), a picture, or a video that is repeated; for
        "remove" a colour; for "blur" nothing.
    blur
        Radius of the blur in pixels, 4 to 1000; None takes a twentieth of the frame's height.
    model
        The network that finds the person, as `unveil.person.MODELS` has them, or "auto", which
        uses "selfie-landscape" in close-ups and else "full", as `AutoSegmenter` explains.
    edge
        Probability at which a pixel is half the person's, 0.05 to 0.95. More shows less of the
        room and less of the hair. With "auto" it is that of "full"; the other network's
        probabilities are put on the same scale.
    smooth
        Frames over which the person's edge settles outwards, 0 to 100; 0 and 1: none. It goes
        inwards at once, so that it never trails.
    every
        The person is looked for in every so-manyth frame, 1 to 100. In between the edge is cut
        more closely, but a fast move can still show some of the room; 1 is safest.
    threads
        Threads for decoding, networks and compositing; None takes one per available core.

    Raises
    ------
    InvalidParameter
        A value lies outside its range, or does not fit the mode.
    """

    mode: Mode | None = None
    background: Background | None = None
    blur: int | None = None
    model: ProtectModel = "auto"
    edge: float = DEFAULT_EDGE
    smooth: int = DEFAULT_SMOOTH
    every: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        if self.mode is not None:
            check_choice("mode", self.mode, get_args(Mode))
        check_choice("model", self.model, ("auto", *MODELS))
        if self.chosen_mode == "replace" and self.background is None:
            raise InvalidParameter(
                "background: mode replace needs one: a colour, a picture or a video"
            )
        if self.chosen_mode == "blur" and self.background is not None:
            raise InvalidParameter("background: mode blur shows none; choose mode replace")
        if self.blur is not None:
            if self.chosen_mode != "blur":
                raise InvalidParameter(f"blur: mode {self.chosen_mode} blurs nothing")
            check_range("blur", self.blur, MIN_BLUR, MAX_BLUR)
        check_range("edge", self.edge, 0.05, 0.95)
        check_range("smooth", self.smooth, 0, 100)
        check_range("every", self.every, 1, 100)
        if self.threads is not None:
            check_range("threads", self.threads, 1, 1024)

    @property
    def chosen_mode(self) -> Mode:
        """`mode`, or what the background tells."""
        return self.mode or ("blur" if self.background is None else "replace")

    @property
    def n_threads(self) -> int:
        """`threads`, or the number of cores this process may use."""
        return self.threads or available_cores()

    def blur_radius(self, height: int) -> int:
        """`blur`, or what suits frames of this height; in pixels."""
        return self.blur or max(MIN_BLUR, round(BLUR_SHARE * height))

    def as_dict(self) -> dict[str, Any]:
        """All parameters, ready for JSON, but `threads`: it changes no result."""
        given = self.background
        if isinstance(given, np.ndarray):
            given = f"picture of {given.shape[1]}x{given.shape[0]}"
        chosen: dict[str, Any] = {
            key: value
            for key, value in asdict(self).items()
            if key not in ("threads", "background")
        }
        return chosen | {
            "mode": self.chosen_mode,
            "background": None if given is None else file_name(given),
        }
