"""Counts of a decoding, for reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class DecodeTally:
    """Counts of the decoding so far; final once `chunks()` is exhausted or the video is closed.

    `frames_read` were delivered. `frames_damaged` were dropped because FFmpeg found an error in
    them. `frames_skipped` were decoded but are not selected by time or stride. `decode_seconds`
    is the wall time of reading and copying, without waiting for the consumer.
    """

    frames_read: int = 0
    frames_damaged: int = 0
    frames_skipped: int = 0
    truncated: bool = False
    reason: str | None = None
    """One line that says what ended decoding before the video's declared end."""
    decode_seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return all counts, ready for JSON."""
        return asdict(self)
