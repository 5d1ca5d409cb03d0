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
    """Recover behind each background by itself, one pass over the recording for each.

    Parameters
    ----------
    stretches
        As `Backgrounds` told them.
    recording
        Where the frames are.
    engine
        Makes an engine, of which there is only one at a time. A picture of the background that
        it was given is taken for the longest one's.
    on_frame
        Called with the number of the frame that was counted.

    Returns
    -------
    That behind the background shown longest, with the `others`. `report["backgrounds"]` lists
    them all, and `report["frames_dropped"]` counts the frames that show none.
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
    """Cut out of a chunk the frames that show a background."""
    assert chunk.person is not None
    parts = []
    for stretch in stretches:
        begin, end = max(0, stretch.first - first), min(len(chunk), stretch.end - first)
        if stretch.background == background and begin < end:
            luma, cb, cr = (plane[begin:end] for plane in chunk.planes)
            parts.append(
                Chunk(
                    (luma, cb, cr),
                    chunk.pts_seconds[begin:end],
                    chunk.layout,
                    chunk.person[begin:end],
                    chunk.exact[begin:end],
                )
            )
    return parts
