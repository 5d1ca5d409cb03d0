"""What a run of `protect` counts about its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ProtectTally:
    """Number of protected frames, and of those that show the background alone, by reason.

    Attributes
    ----------
    frames
        Protected frames.
    nobody_found
        Frames in which no person was found.
    segmentation_failed
        Frames for which the network failed.
    composition_failed
        Frames for which blending or the background failed.
    last_error
        The last of these failures.
    models
        Number of frames by the network whose mask they show. During a change of networks, frames
        belong to the old one until pixels that it alone marks have faded out.
    """

    frames: int = 0
    nobody_found: int = 0
    segmentation_failed: int = 0
    composition_failed: int = 0
    last_error: str | None = None
    models: dict[str, int] = field(default_factory=dict)

    @property
    def failed_closed(self) -> int:
        """Frames that show the background alone."""
        return self.nobody_found + self.segmentation_failed + self.composition_failed

    def as_dict(self) -> dict[str, Any]:
        """All counts, ready for JSON."""
        return {
            "frames": self.frames,
            "frames_failed_closed": self.failed_closed,
            "nobody_found": self.nobody_found,
            "segmentation_failed": self.segmentation_failed,
            "composition_failed": self.composition_failed,
            "last_error": self.last_error,
            "models": dict(self.models),
        }
