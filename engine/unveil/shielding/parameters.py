"""Parameters of a resisting background, and the checks of their ranges."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from unveil.errors import InvalidParameter, check_range

Kind: TypeAlias = Literal["pixels", "frames", "drift", "texture", "decoys"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

DEFAULT_KIND: Final = "decoys"
DEFAULT_SECONDS: Final = 60.0
DEFAULT_FPS: Final = 30.0
DEFAULT_HEIGHT: Final = 720
DEFAULT_WIDTH: Final = 1280
DEFAULT_NOISE_SHARE: Final = 0.0003
DEFAULT_NOISE_SIZE: Final = 2
DEFAULT_NOISE_EVERY: Final = 10.0

_MIN_SIDE: Final = 32
_MAX_SIDE: Final = 4096


@dataclass(frozen=True, slots=True)
class ShieldParameters:
    """How a background resists, and the size and length of its video.

    Parameters
    ----------
    kind
        One of `KINDS`, or several joined by "+". "pixels": random places get random colours.
        "frames": whole frames of random colours, now and then. "drift": the picture moves and
        bends irregularly. "texture": colours drift slowly and locally. "decoys": patches of an
        invented room come and go.
    seconds, fps
        Length, 1 to 3600 seconds, and frames per second, 1 to 120.
    strength
        0.1 to 10: factor on the share of changed pixels and of patches, on the number of noise
        frames, on the length of the shifts, and on the levels of the colour drift.
    seed
        Seed of all random numbers, 0 or more.
    height, width
        Size in pixels, even numbers of 32 to 4096.
    noise_share, noise_size
        For "pixels": share of the pixels that change in each frame, 0 to 1. For "pixels" and
        "frames": side of the squares that have one colour, 1 to 64 pixels.
    accumulate
        For "pixels": changed pixels stay changed until the end of the video, as in zoomg.
    noise_every
        For "frames": mean seconds per noise frame, 2 to 3600. More than one flash per second is
        uncomfortable, and above three per second it can harm photosensitive people (WCAG 2.3.1),
        so two are never closer than a second, whatever `strength` is.

    Raises
    ------
    InvalidParameter
        A value is out of range.
    """

    kind: str = DEFAULT_KIND
    seconds: float = DEFAULT_SECONDS
    fps: float = DEFAULT_FPS
    strength: float = 1.0
    seed: int = 0
    height: int = DEFAULT_HEIGHT
    width: int = DEFAULT_WIDTH
    noise_share: float = DEFAULT_NOISE_SHARE
    noise_size: int = DEFAULT_NOISE_SIZE
    accumulate: bool = False
    noise_every: float = DEFAULT_NOISE_EVERY

    def __post_init__(self) -> None:
        """Check every range."""
        chosen = self.kind.split("+")
        unknown = [kind for kind in chosen if kind not in KINDS]
        if unknown or len(set(chosen)) < len(chosen):
            raise InvalidParameter(
                f"kind: {self.kind!r} is not one of {', '.join(KINDS)}, or several of them joined "
                "by +"
            )
        check_range("seconds", self.seconds, 1, 3600)
        check_range("fps", self.fps, 1, 120)
        check_range("strength", self.strength, 0.1, 10)
        check_range("seed", self.seed, 0, 2**63 - 1)
        for name, side in (("height", self.height), ("width", self.width)):
            check_range(name, side, _MIN_SIDE, _MAX_SIDE)
            if side % 2:
                raise InvalidParameter(
                    f"{name}: {side} is odd, which yuv420p cannot store; take {side + 1}"
                )
        check_range("noise_share", self.noise_share, 0, 1)
        check_range("noise_size", self.noise_size, 1, 64)
        check_range("noise_every", self.noise_every, 2, 3600)
        if self.accumulate and "pixels" not in chosen:
            raise InvalidParameter("accumulate: only the kind pixels accumulates; add it to kind")

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The parts of `kind`, in the order in which they are applied."""
        chosen = self.kind.split("+")
        return tuple(
            kind for kind in ("drift", "texture", "decoys", "pixels", "frames") if kind in chosen
        )

    @property
    def n_frames(self) -> int:
        """Number of frames, at least one."""
        return max(1, round(self.seconds * self.fps))

    @property
    def loops(self) -> bool:
        """Whether the last frame is followed by the first without a jump."""
        return not self.accumulate

    def as_dict(self) -> dict[str, Any]:
        """Return all parameters, ready for JSON."""
        return asdict(self)
