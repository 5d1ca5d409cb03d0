"""What a recovery says of a call: shares of the picture, one of four grades, and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.arrays import F32, F64
from unveil.auditing.uncertainty import leaked_range
from unveil.recovery.result import Recovery

GradeLetter: TypeAlias = Literal["A", "B", "C", "D"]

CONFIDENT: Final = 0.5
"""A pixel is certain above this confidence: on calls of known truth 93 % of them are right."""


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade, and the smallest share of the picture that must leak for it.

    Attributes
    ----------
    letter
        "A" is best.
    title
        The grade in a few words.
    advice
        What follows from it, in one sentence.
    from_share
        Calls of this grade leak at least this share of the picture, 0 to 1.
    """

    letter: GradeLetter
    title: str
    advice: str
    from_share: float


GRADES: Final[tuple[Grade, ...]] = (
    Grade("A", "Hardly anything leaks", "Nothing needs to change.", 0.0),
    Grade(
        "B",
        "A little leaks",
        "Single objects may be recognisable; look at the recovered room.",
        0.005,
    ),
    Grade(
        "C",
        "Parts of the room leak",
        "Objects, writing or windows may be recognisable; protect the next call better.",
        0.03,
    ),
    Grade(
        "D",
        "Much of the room leaks",
        "The room may be recognised by someone who knows it; do not pass this recording on.",
        0.1,
    ),
)
"""From the best to the worst: the one place in which grades are defined."""


BLUR_FROM_SHARE: Final = GRADES[2].from_share
"""A blur counts as at least this share that leaks."""

LETTERS_PER_SIGMA: Final = 10.0
"""Letters of so many standard deviations of the blur can be read: those of six times the radius of
`protect`, whose filter is a box."""


@dataclass(frozen=True, slots=True)
class Leak:
    """How much of the picture leaks.

    Attributes
    ----------
    leaked_share
        Share of the picture's pixels whose room colour was recovered, 0 to 1; before a background
        that is a blur of the room, what leaked sharply.
    confident_share
        Share that was recovered with a confidence above `CONFIDENT`.
    is_known
        False where nothing can be said, because the background moves in a way that cannot be
        followed.
    worst_seconds, worst_share
        Time of the call at which most leaks at once, and how much; None and 0 if that is not
        known.
    blur_share
        Standard deviation of the blur as a share of the picture's height, if the background is a
        blur of the room.
    likely_range
        Smallest and largest share that leaks in truth, probably; None where nothing is known of
        it: it was measured for method "farend" and a still background only.
    """

    leaked_share: float
    confident_share: float
    is_known: bool = True
    worst_seconds: float | None = None
    worst_share: float = 0.0
    blur_share: float | None = None
    likely_range: tuple[float, float] | None = None

    @property
    def grade(self) -> Grade | None:
        """The grade of the share that leaks; None where nothing can be said.

        A blurred room is one of which parts leak, at least.
        """
        if not self.is_known:
            return None
        least = 0.0 if self.blur_share is None else BLUR_FROM_SHARE
        return grade_of(max(self.leaked_share, least))

    @property
    def verdict(self) -> str:
        """The result in one sentence, with its uncertainty."""
        if not self.is_known:
            return (
                "This call cannot be judged: its virtual background moves, so the colours of the "
                "room cannot be told from those of the background."
            )
        if self.blur_share is not None:
            letters = percent(LETTERS_PER_SIGMA * self.blur_share)
            return (
                "The background is a blur of the room, so its colours and large shapes show all "
                f"the time, and letters higher than about {letters} of the picture may be read; "
                f"{percent(self.leaked_share)} leaked sharply besides."
            )
        if not self.leaked_share:
            return "Nothing of the room was found in this call."
        when = ""
        if self.worst_seconds is not None:
            most = "most of it" if self.worst_share >= self.leaked_share / 2 else "the most"
            when = f", {most} at {clock(self.worst_seconds)}"
        certain = f"certain for {percent(self.confident_share)}"
        if not self.confident_share:
            certain = "none of it is certain"
        return (
            f"About {percent(self.leaked_share)}{self._probably} of the room can be "
            f"reconstructed{when}; {certain}."
        )

    @property
    def _probably(self) -> str:
        """The range in words, with a space before it; empty if it is unknown, or one percentage."""
        if self.likely_range is None:
            return ""
        low, high = map(percent, self.likely_range)
        return "" if low == high else f" (probably {low} to {high})"


def is_before_still_picture(recovery: Recovery) -> bool:
    """Whether a recovery found a person before a still picture, as in the measured calls."""
    report = recovery.report
    return (
        report["decided_by"] == "farend"
        and report["background"] == "still"
        and report.get("blur") is None
    )


def grade_of(leaked_share: float) -> Grade:
    """Return the grade of a share of the picture, 0 to 1."""
    return next(grade for grade in reversed(GRADES) if leaked_share >= grade.from_share)


def leak_of(recovery: Recovery) -> Leak:
    """Summarise a recovery; a pixel that leaks behind any of its backgrounds leaks."""
    confidence = joint_confidence([recovery, *recovery.others])
    report = recovery.report
    blur = report.get("blur")
    times, worst = recovery.leak_times, None
    if times is not None and len(times.leaked_share) and times.leaked_share.max() > 0:
        worst = int(np.argmax(times.leaked_share))
    claimed = confidence > 0
    return Leak(
        leaked_share=float(np.mean(claimed)),
        confident_share=float(np.mean(confidence > CONFIDENT)),
        is_known=report["background"] != "moves",
        worst_seconds=None if times is None or worst is None else float(times.start_seconds[worst]),
        blur_share=None if blur is None else float(blur["sigma_share"]),
        worst_share=0.0 if times is None or worst is None else float(times.leaked_share[worst]),
        likely_range=leaked_range(claimed) if is_before_still_picture(recovery) else None,
    )


def joint_confidence(recoveries: Sequence[Recovery]) -> F32:
    """Return the largest confidence of what leaked sharply at each pixel, (h, w) float32."""
    joint = np.zeros_like(recoveries[0].confidence)
    for recovery in recoveries:
        joint = np.maximum(joint, np.where(recovery.sharp, recovery.confidence, np.float32(0)))
    return joint


def percent(share: float) -> str:
    """Write a share, 0 to 1, as a percentage of at most two significant digits."""
    value = 100 * share
    if value == 0:
        return "0%"
    if 0 < value < 0.1:
        return "less than 0.1%"
    if value < 0.95:
        return f"{value:.1f}%"
    if 99.5 <= value < 100:
        return "more than 99%"
    return f"{value:.0f}%"


def clock(seconds: float, *, up: bool = False) -> str:
    """Write a time of a call as m:ss or h:mm:ss, rounded down, or `up`."""
    # Times are sums of durations: 9.9999999 is 10.
    whole = max(0, int(np.ceil(seconds - 1e-6) if up else np.floor(seconds + 1e-6)))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def cumulative(shares: F64) -> F64:
    """Sum shares from the beginning, at most 1: (n,) float64."""
    return np.minimum(1.0, np.cumsum(shares))
