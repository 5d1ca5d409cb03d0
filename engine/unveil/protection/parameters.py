"""Parameters of a protection, and the checks of their ranges."""

from __future__ import annotations

import math
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
ProtectModel: TypeAlias = ModelName | Literal["auto", "agreeing"]
Background: TypeAlias = str | os.PathLike[str] | U8
"""A colour, a file (an image or a video), or an RGB picture (h, w, 3) uint8."""

DEFAULT_EDGE: Final = 0.6
DEFAULT_SMOOTH: Final = 3
BLUR_SHARE: Final = 1 / 20
"""Default radius of the blur as a share of the frame's height: letters as high as a tenth of the
frame become unreadable."""
READABLE_LETTERS: Final = 6
"""Letters so many times as high as the blur's radius begin to be readable. Of capitals of 5 radii
a quarter resemble themselves most, of all letters, after the blur; of 6 a half, of 8 all."""
_HIDDEN_LETTERS: Final = 1 / 10
"""Height of the letters that a blur must hide, as a share of the frame's height."""
MIN_BLUR: Final = 4
MAX_BLUR: Final = 1000
MIN_EDGE: Final = 0.05
MAX_EDGE: Final = 0.95
MIN_SMOOTH: Final = 0
MAX_SMOOTH: Final = 100


@dataclass(frozen=True, slots=True)
class ProtectParameters:
    """How the background is replaced, and where the person ends.

    Parameters
    ----------
    mode
        "remove" cuts the person out: transparent if the output keeps transparency, else over a
        colour. "blur" blurs the background. "replace" shows another background. None is "replace"
        with a background and "blur" without.
    background
        For "replace" a colour ("white", "#00a000"), a picture, or a video that is repeated; for
        "remove" a colour; for "blur" None.
    blur
        Radius of the blur in pixels, 4 to 1000; None is a twentieth of the frame's height.
    model
        Network that finds the person, a key of `unveil.person.MODELS`; or "auto", which uses
        "selfie-landscape" for close-ups and "full" elsewhere, see `AutoSegmenter`; or "agreeing":
        what "selfie" and "selfie-landscape" both take for the person, see `AgreeingSegmenter`.
    edge
        Probability at which a pixel has half opacity, 0.05 to 0.95. A higher value shows less of
        the room and less of the hair. With "auto" it is the probability of "full"; those of the
        other network are converted to the same scale.
    smooth
        Frames over which the edge of the person expands, 0 to 100; 0 and 1: at once. It always
        contracts at once, so that no rim of the room trails behind a movement.
    every
        The network runs on every N-th frame, 1 to 100. In the other frames the edge is cut more
        closely, but a fast movement can show some of the room; 1 is safest.
    careful
        The edge of the person is cut farther inside and without a soft blend of the room; where
        two consecutive masks differ, the background wins.
    threads
        Threads for decoding, networks and blending; None uses one per available core.

    Raises
    ------
    InvalidParameter
        A value is out of range, or does not fit the mode.
    """

    mode: Mode | None = None
    background: Background | None = None
    blur: int | None = None
    model: ProtectModel = "auto"
    edge: float = DEFAULT_EDGE
    smooth: int = DEFAULT_SMOOTH
    every: int = 1
    threads: int | None = None
    careful: bool = False

    def __post_init__(self) -> None:
        """Check every range."""
        if self.mode is not None:
            check_choice("mode", self.mode, get_args(Mode))
        check_choice("model", self.model, ("auto", "agreeing", *MODELS))
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
        check_range("edge", self.edge, MIN_EDGE, MAX_EDGE)
        check_range("smooth", self.smooth, MIN_SMOOTH, MAX_SMOOTH)
        check_range("every", self.every, 1, 100)
        if self.threads is not None:
            check_range("threads", self.threads, 1, 1024)

    @property
    def chosen_mode(self) -> Mode:
        """`mode`, or the mode that follows from `background`."""
        return self.mode or ("blur" if self.background is None else "replace")

    @property
    def n_threads(self) -> int:
        """`threads`, or the number of cores this process may use."""
        return self.threads or available_cores()

    def blur_radius(self, height: int) -> int:
        """Return `blur`, or the default for frames of this height, in pixels."""
        return self.blur or max(MIN_BLUR, round(BLUR_SHARE * height))

    @property
    def shows_nothing(self) -> bool:
        """Whether the background is removed and nothing takes its place."""
        return self.chosen_mode == "remove" and self.background is None

    def weak_blur(self, height: int) -> str | None:
        """Tell, in one sentence, that frames of this height are blurred too little.

        Large writing can then still be read: letters of a tenth of the height. None where the
        blur suffices, or nothing is blurred.
        """
        least = math.ceil(height * _HIDDEN_LETTERS / READABLE_LETTERS)
        if self.chosen_mode != "blur" or self.blur_radius(height) >= least:
            return None
        letters = READABLE_LETTERS * self.blur_radius(height)
        return (
            f"the blur of {self.blur} pixels is weak: letters {letters} pixels high, "
            f"{letters / height:.0%} of the picture's height, and higher ones can be read; take "
            f"{least} or more, or leave it out for {max(MIN_BLUR, round(BLUR_SHARE * height))}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return all parameters, ready for JSON, except `threads`: it changes no result."""
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
