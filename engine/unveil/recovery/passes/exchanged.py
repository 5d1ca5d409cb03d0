"""The plan for a call that shows several virtual backgrounds: one pass for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from unveil.recovery.background.changes import NONE, Stretch
from unveil.recovery.engine import Engine
from unveil.recovery.passes.plan import Pass
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk

MAX_RECOVERED: Final = 4
"""Backgrounds behind which the room is recovered: the longest ones."""


class ExchangedBackgrounds:
    """Recovers behind each background by itself, with one pass and one engine at a time.

    Parameters
    ----------
    whole
        What the first pass recovered; its report says how the whole call was counted.
    stretches
        The frames that show each background, as `Backgrounds.stretches` gives them.
    new_engine
        Makes an engine. A picture of the background that it was given is used for the background
        shown longest.
    n_noise
        Frames of noise among those that show no background.
    """

    def __init__(
        self,
        whole: Recovery,
        stretches: Sequence[Stretch],
        new_engine: Callable[[], Engine],
        n_noise: int = 0,
    ) -> None:
        self._of_the_call = {
            key: whole.report[key] for key in ("parameters", "person", "decided_by")
        }
        self._stretches = stretches
        self._new_engine = new_engine
        self._n_noise = n_noise
        self._n_frames: dict[int, int] = {}
        for stretch in stretches:
            n_frames = self._n_frames.get(stretch.background, 0)
            self._n_frames[stretch.background] = n_frames + stretch.end - stretch.first
        self._n_dropped = self._n_frames.pop(NONE, 0)
        self._by_length = sorted(self._n_frames, key=lambda k: (-self._n_frames[k], k))
        self._recoveries: list[Recovery] = []

    def passes(self) -> Iterator[Pass]:
        """Yield one pass for each of the longest backgrounds."""
        for background in self._by_length[:MAX_RECOVERED]:
            engine = self._new_engine()
            yield Pass(
                f"count behind background {background}", partial(self._count, engine, background)
            )
            self._recoveries.append(engine.finalise(use_background=not self._recoveries))

    def _count(self, engine: Engine, background: int, first_frame: int, chunk: Chunk) -> None:
        """Count the frames of a chunk that show a background."""
        for stretch in self._stretches:
            begin = max(0, stretch.first - first_frame)
            end = min(len(chunk), stretch.end - first_frame)
            if stretch.background == background and begin < end:
                engine.update(chunk.part(begin, end))

    def recovery(self) -> Recovery | None:
        """Return what was recovered behind the background shown longest, with the `others`.

        None where that background moves.

        `report["backgrounds"]` lists all of them, and `report["frames_dropped"]` counts the frames
        that show none.
        """
        longest, *others = (self._described(recovery) for recovery in self._recoveries)
        if longest.report["background"] == "moves":
            return None
        warnings = list(longest.report["warnings"])
        if len(self._by_length) > 1:
            warnings.append(
                f"the call shows {len(self._by_length)} backgrounds, told apart; one that is the "
                "room itself, or a shared screen, counts as another one"
            )
        n_noise = min(self._n_noise, self._n_dropped)
        if n_noise:
            warnings.append(f"frames of noise, a countermeasure, were left out: {n_noise}")
        if self._n_dropped > n_noise:
            warnings.append(
                "frames left out, for they show none of the backgrounds: "
                f"{self._n_dropped - n_noise}"
            )
        report = {
            **longest.report,
            "backgrounds": [self._listed(n) for n in range(len(self._by_length))],
            "frames_dropped": self._n_dropped,
            "frames_of_noise": n_noise,
            "warnings": warnings,
        }
        return replace(longest, report=report, others=tuple(others))

    def _described(self, recovery: Recovery) -> Recovery:
        return replace(recovery, report={**recovery.report, **self._of_the_call})

    def _listed(self, number: int) -> dict[str, Any]:
        """Describe the background that is the `number`-th longest, for the report."""
        background = self._by_length[number]
        recovered = number < len(self._recoveries)
        return {
            "folder": f"background-{number + 1}" if number > 0 and recovered else None,
            "frames": self._n_frames[background],
            "stretches": [
                [stretch.first, stretch.end - 1]
                for stretch in self._stretches
                if stretch.background == background
            ],
            "coverage": self._recoveries[number].report["coverage"] if recovered else None,
        }
