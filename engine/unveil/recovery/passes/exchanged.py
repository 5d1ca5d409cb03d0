"""Recovery behind each of several exchanged backgrounds, one pass over the recording for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from unveil.recovery.background.changes import NONE, Stretch
from unveil.recovery.passes.recording import Recording
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk

if TYPE_CHECKING:
    from unveil.recovery.engine import Engine

MAX_RECOVERED: Final = 4
"""Backgrounds behind which the room is recovered: the longest ones."""


def recover_each(
    stretches: tuple[Stretch, ...],
    recording: Recording,
    engine: Callable[[], Engine],
    on_frame: Callable[[int], object],
) -> Recovery:
    """Recover the room behind each background separately, with one pass over the recording each.

    Parameters
    ----------
    stretches
        From `Backgrounds.stretches`.
    recording
        The frames.
    engine
        Makes an engine; only one exists at a time. A background picture that it was given is
        registered with the background shown longest.
    on_frame
        Called with the number of frames read in this pass.

    Returns
    -------
    The recovery behind the background shown longest, with the rest in `others`.
    `report["backgrounds"]` lists all of them, and `report["frames_dropped"]` counts the frames
    that show none.
    """
    lengths: dict[int, int] = {}
    for stretch in stretches:
        lengths[stretch.background] = lengths.get(stretch.background, 0) + _length(stretch)
    dropped = lengths.pop(NONE, 0)
    by_length = sorted(lengths, key=lambda k: (-lengths[k], k))
    recoveries: list[Recovery] = []
    for background in by_length[:MAX_RECOVERED]:
        current = engine()
        for first, chunk in recording.chunks():
            for part in _parts(chunk, first, background, stretches):
                current.update(part)
            on_frame(first + len(chunk))
        recoveries.append(current.finalise(use_background=not recoveries))
    listed = [
        {
            "folder": f"background-{n + 1}" if 0 < n < len(recoveries) else None,
            "frames": lengths[background],
            "stretches": [
                [stretch.first, stretch.end - 1]
                for stretch in stretches
                if stretch.background == background
            ],
            "coverage": recoveries[n].report["coverage"] if n < len(recoveries) else None,
        }
        for n, background in enumerate(by_length)
    ]
    longest, *others = recoveries
    warnings = list(longest.report["warnings"])
    if len(listed) > 1:
        warnings.append(
            f"the call shows {len(listed)} backgrounds, told apart; one that is the room itself, "
            "or a shared screen, counts as another one"
        )
    if dropped:
        warnings.append(f"frames left out, for they show none of the backgrounds: {dropped}")
    report = {
        **longest.report,
        "backgrounds": listed,
        "frames_dropped": dropped,
        "warnings": warnings,
    }
    return replace(longest, report=report, others=tuple(others))


def _length(stretch: Stretch) -> int:
    return stretch.end - stretch.first


def _parts(
    chunk: Chunk, first: int, background: int, stretches: tuple[Stretch, ...]
) -> list[Chunk]:
    """Return the parts of a chunk that show a background; its first frame is number `first`."""
    parts = []
    for stretch in stretches:
        begin, end = max(0, stretch.first - first), min(len(chunk), stretch.end - first)
        if stretch.background == background and begin < end:
            parts.append(chunk.part(begin, end))
    return parts
