"""Audits without a recording: recoveries that were never counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unveil.auditing.audit import Audit, AuditedMoment, CallerAudit
from unveil.auditing.frames import Shot
from unveil.auditing.regions import Region
from unveil.auditing.verdict import leak_of
from unveil.counting.times import TimeIndex
from unveil.recovery.leak_times import LeakTimes
from unveil.recovery.result import Recovery
from unveil.recovery.statistics import PixelCounts
from unveil.recovery.tiles import TileRecoveries

U8 = npt.NDArray[np.uint8]


def report_of(**changed: Any) -> dict[str, Any]:
    """Return the fields of a report that a page shows."""
    return {
        "parameters": {"method": "farend", "person": "auto", "slots": None},
        "input": {"name": "call.mp4", "width": 64, "height": 48, "frame_rate": None},
        "selection": {"start_seconds": None, "end_seconds": None, "stride": 1},
        "decided_by": "farend",
        "background": "still",
        "background_coverage": 0.9,
        "frames_used": 40,
        "frames_read": 40,
        "warnings": [],
        **changed,
    }


def recovery_of(
    confidence: npt.NDArray[np.float32],
    *,
    background: U8 | None = None,
    room: U8 | None = None,
    leak_times: LeakTimes | None = None,
    others: tuple[Recovery, ...] = (),
    **report: Any,
) -> Recovery:
    """Make a recovery that claims an orange room, or a given one, before green or a given one."""
    shape = confidence.shape
    coloured = np.empty((*shape, 4), np.uint8)
    coloured[..., :3] = (230, 130, 40) if room is None else room
    coloured[..., 3] = np.rint(255 * confidence)
    behind = np.full((*shape, 4), 255, np.uint8)
    behind[..., :3] = (40, 160, 60) if background is None else background
    claimed = confidence > 0
    counts = {name: np.zeros(shape, np.uint32) for name in PixelCounts.__dataclass_fields__}
    counts["room_count"] = np.where(claimed, np.uint32(7), np.uint32(0))
    return Recovery(
        coloured,
        behind,
        confidence,
        PixelCounts(**counts),
        TimeIndex(),
        report_of(**report),
        others,
        leak_times,
    )


def claims(share: float, confidence: float = 0.2, size: tuple[int, int] = (40, 50)) -> Any:
    """Return a confidence (h, w) float32 that is above 0 on a share of the pixels."""
    flat = np.zeros(size[0] * size[1], np.float32)
    flat[: round(share * len(flat))] = confidence
    return flat.reshape(size)


def leak_times_of(n_bins: int, seconds: float = 1.0, seed: int = 0) -> LeakTimes:
    """Make random shares for bins of so many seconds."""
    rng = np.random.default_rng(seed)
    leaked = rng.random(n_bins) ** 4 * 0.1
    start = np.arange(n_bins) * seconds
    return LeakTimes(start, start + seconds, leaked, leaked / 3, leaked / n_bins, 2000)


def audit_of_recoveries(
    *recoveries: Recovery, name: str = "call.mp4", shots: U8 | None = None
) -> Audit:
    """Audit recoveries, one for each tile if there are several; `shots` is what frames show."""
    many = len(recoveries) > 1
    callers = []
    for number, recovery in enumerate(recoveries, 1):
        times = recovery.leak_times
        worst = [] if times is None else times.worst(5)
        shot = None
        if shots is not None:
            shot = Shot(0.0, shots, np.asarray(recovery.confidence > 0))
        moments = tuple(
            AuditedMoment(
                one.start_seconds, one.end_seconds, one.leaked_share, one.confident_share, shot
            )
            for one in worst
        )
        region = Region(recovery, folder=f"tile-{number}" if many else "")
        callers.append(CallerAudit(region, leak_of(recovery), moments, shots))
    recovered: Any = recoveries[0]
    if many:
        recovered = TileRecoveries(recoveries, TimeIndex(), report_of())
    return Audit(name, recovered, tuple(callers))
