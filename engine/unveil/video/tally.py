"""What was read of a video, against what its container declares."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

import av
import av.error

from unveil.errors import FrameTooLarge, NoFrames, UnreadableVideo
from unveil.video.container import one_line
from unveil.video.pixel_format import colour_conversion
from unveil.video.selection import KeyframeLost

if TYPE_CHECKING:
    from unveil.video.packets import FrameReader

_SHORT_SHARE: Final = 0.1
"""Share of the declared length that may be missing in a video that is not truncated."""
_SHORT_SECONDS: Final = 0.25
_NAMED_JUMPS: Final = 5
_REORDERED_SECONDS: Final = 1.0
"""A frame's end may differ by this from that of its packet, whose order is another one."""


@dataclass(frozen=True, slots=True)
class Length:
    """What a container declares of a video's length.

    `seconds` since the first frame is None if there is no declaration. `is_own` is False if it is
    the longest one of all streams. `frames` is the number of frames, None if undeclared.
    """

    seconds: float | None
    is_own: bool
    frames: int | None

    def shortfall(
        self, n_packets: int, reached_seconds: float, others_seconds: float, *, from_start: bool
    ) -> str | None:
        """Return one line that says where a video ends too early, None if it does not.

        `reached_seconds` and `others_seconds` are the ends of what was read of the pictures and
        of all other streams, since the first frame; infinite where there are no time stamps.
        `from_start` says whether the video was read from its beginning.
        """
        few = self.frames is not None and n_packets < self.frames * (1 - _SHORT_SHARE)
        if self.seconds is None or not math.isfinite(reached_seconds):
            short = few and from_start
        else:
            # The duration decides, because an edit list hides declared frames from the viewer.
            # Audio longer than the video, and rounded headers, are no damage.
            reached = reached_seconds if self.is_own else max(reached_seconds, others_seconds)
            short = self.seconds - reached > max(_SHORT_SECONDS, _SHORT_SHARE * self.seconds)
        if not short:
            return None
        if few and from_start:
            return f"ends after {n_packets} of {self.frames} frames"
        return f"ends after {max(0.0, reached_seconds):.1f} of {self.seconds:.1f} seconds"

    def end_of_last_frame(self, end_seconds: float, reached_seconds: float) -> float:
        """Return when the last frame of a video that was read whole stops being shown.

        `end_seconds` is what the frame itself says, NaN if nothing. With reordered frames, MP4
        and MOV store the last frame's duration with another frame.
        """
        if self.seconds is None or not self.is_own or end_seconds >= self.seconds:
            return end_seconds
        trusted = self.seconds <= reached_seconds + _REORDERED_SECONDS
        return self.seconds if trusted else end_seconds


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

    def warn(self, warning: str) -> None:
        """Append a warning unless it is there already."""
        if warning not in self.warnings:
            self.warnings.append(warning)

    def note_colours(self, name: str, frame: av.VideoFrame) -> None:
        """Warn of a frame's colours if they are converted.

        Raises
        ------
        UnreadableVideo
            They cannot be.
        """
        try:
            conversion = colour_conversion(frame)
        except UnreadableVideo as error:
            raise UnreadableVideo(f"{name}: {error}") from error
        if conversion is not None:
            self.warn(conversion)

    def note_end(
        self, reader: FrameReader, length: Length, origin_seconds: float, *, from_start: bool
    ) -> None:
        """Note what was wrong up to the end of the data."""
        if reader.end_error is not None:
            self.truncated = True
            self.reason = f"reading ended early: {reader.end_error}"
        lost = reader.n_sent - reader.n_received - reader.n_damaged
        if reader.n_damaged and lost > 0:
            self.warn(f"{lost} more frames are missing behind damaged ones")
        if jumps := reader.clock.jumps:
            places = ", ".join(f"{jump - origin_seconds:.1f}" for jump in jumps[:_NAMED_JUMPS])
            more = ", ..." if len(jumps) > _NAMED_JUMPS else ""
            self.warn(f"time stamps jump at {places}{more} s; times continue there without a gap")
            return  # such a container declares the length of one section, or that of the gaps
        short = length.shortfall(
            reader.n_sent,
            reader.reached_seconds - origin_seconds,
            reader.others_reached_seconds - origin_seconds,
            from_start=from_start,
        )
        if short is not None:
            self.truncated, self.reason = True, short

    def merge(self, later: DecodeTally) -> None:
        """Add the counts of the segment after this one."""
        self.frames_read += later.frames_read
        self.frames_damaged += later.frames_damaged
        self.frames_skipped += later.frames_skipped
        self.decode_seconds += later.decode_seconds
        self.truncated = self.truncated or later.truncated
        self.reason = self.reason or later.reason
        for warning in later.warnings:
            self.warn(warning)

    def as_dict(self) -> dict[str, object]:
        """Return all counts, ready for JSON."""
        return asdict(self)

    def nothing_read(
        self, name: str, start_seconds: float, end_seconds: float, duration_seconds: float | None
    ) -> NoFrames | UnreadableVideo:
        """Return the error of a video of which no chosen frame was delivered.

        `duration_seconds` is the video's, None if unknown.
        """
        if self.frames_damaged:
            why = (*self.warnings, "damaged")[0]
            return UnreadableVideo(
                f"{name}: no chosen frame can be decoded ({why}); choose another time or convert "
                "it to H.264"
            )
        until = "its end" if math.isinf(end_seconds) else f"{end_seconds:g} s"
        lasts = "choose another time"
        if duration_seconds is not None:
            lasts = f"the video lasts {duration_seconds:.2f} s"
        return NoFrames(f"{name}: no frame between {start_seconds:g} s and {until}; {lasts}")


def reading_error(name: str, failure: BaseException) -> BaseException:
    """Return the error to raise where the decoding of the video called `name` failed."""
    error: BaseException
    if isinstance(failure, MemoryError):
        return FrameTooLarge(
            f"{name}: not enough memory to decode it ({one_line(failure)}); "
            "choose a smaller video or a smaller chunk"
        )
    if isinstance(failure, KeyframeLost):
        error = UnreadableVideo(f"{name}: {failure}; do not change the file while it is read")
    elif isinstance(failure, (av.error.FFmpegError, OSError)):
        error = UnreadableVideo(
            f"{name}: decoding failed ({one_line(failure)}); convert it to H.264"
        )
    else:
        return failure
    error.__cause__ = failure
    return error
