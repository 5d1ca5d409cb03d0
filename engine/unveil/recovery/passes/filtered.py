"""The plan for a background with noise in its pixels: a pass over frames without the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unveil.recovery.engine import Engine
from unveil.recovery.passes.plan import Pass
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk


class FilteredFrames:
    """Counts a recording whose frames were filtered as one pass counts the frames themselves.

    Parameters
    ----------
    whole
        What the first pass recovered; its report says how the person was searched.
    engine
        Counts the frames; it knows that they were filtered.
    """

    def __init__(self, whole: Recovery, engine: Engine) -> None:
        self._of_the_call = {key: whole.report[key] for key in ("parameters", "person")}
        self._engine: Engine | None = engine
        self._recovery: Recovery | None = None

    def passes(self) -> Iterator[Pass]:
        """Yield the pass."""
        assert self._engine is not None
        yield Pass("count filtered frames", self._count)
        self._recovery = self._engine.finalise()
        self._engine = None

    def _count(self, first_frame: int, chunk: Chunk) -> None:
        assert self._engine is not None
        self._engine.update(chunk)

    def recovery(self) -> Recovery | None:
        """Return what was recovered, None where the background moves all the same."""
        recovery = self._recovery
        if recovery is None or recovery.report["background"] == "moves":
            return None
        return replace(recovery, report={**recovery.report, **self._of_the_call})
