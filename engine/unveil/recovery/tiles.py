"""`recover_tiles`: one recovery for each tile of a recorded meeting, from one pass of decoding."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Unpack

from unveil._version import __version__
from unveil.counting.times import TimeIndex
from unveil.errors import InvalidParameter, MissingRuntime, NoTiles
from unveil.files import write_json
from unveil.interruption import StopRequested, never
from unveil.progress import ProgressCallback, silent
from unveil.recovery.background.picture import background_picture
from unveil.recovery.parameters import (
    RecoverKeywords,
    RecoverOptions,
    TilesArgument,
    check_tiles,
    grid_of,
)
from unveil.recovery.passes.ahead import CHUNKS_HELD
from unveil.recovery.recover import Segmenting, finished, recover, taken_over
from unveil.recovery.result import REPORT, Recovery, begin_result
from unveil.recovery.run import Run
from unveil.recovery.segments.count import SegmentTask
from unveil.recovery.segments.state import SegmentState
from unveil.tiles.believe import TOLERANCE
from unveil.tiles.find import UNSTABLE, search_tiles
from unveil.tiles.model import Tile
from unveil.video.reader import Video, open_video
from unveil.video.source import Source, source_of

logger = logging.getLogger(__name__)

MAX_TILES: Final = 16
MAX_PICTURES: Final = 2
"""Tiles that are recovered together have at most so many pixels, counted in whole pictures."""

BEYOND_BUDGET: Final = (
    f"smaller than the tiles that are recovered: at most {MAX_TILES}, with at most "
    f"{MAX_PICTURES} pictures' pixels"
)
NOT_SHOWN: Final = "no frame shows it as the sample frames do"


@dataclass(frozen=True, slots=True)
class TileRecoveries:
    """The recoveries of the tiles of a recording.

    Attributes
    ----------
    tiles
        One recovery a tile, the largest tiles first; `report["tile"]` says where it is shown.
    times
        Times of all frames read.
    report
        Of the recording: all tiles that were found, `report["tiles"]`, those without a recovery
        included, and the sums of the counts; ready for JSON.
    """

    tiles: tuple[Recovery, ...] = field(repr=False)
    times: TimeIndex = field(repr=False)
    report: Mapping[str, Any] = field(repr=False)

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write each recovery into its folder tile-1, tile-2 and so on, and report.json at last.

        Parameters
        ----------
        folder
            Made if it is missing.
        force
            Replace an earlier result, with all its tiles and backgrounds.

        Raises
        ------
        OutputExists
            The folder holds an earlier result and `force` is not set.
        OutputUnwritable
            A file cannot be written; files that were complete before remain.
        """
        folder = begin_result(folder, force=force)
        for number, recovery in enumerate(self.tiles, 1):
            recovery.save(folder / f"tile-{number}", force=force)
        write_json(folder / REPORT, self.report)


def recover_tiles(
    path: str | os.PathLike[str] | Source,
    *,
    tiles: TilesArgument = "auto",
    progress: ProgressCallback | None = None,
    preview: Callable[[Recovery], object] | None = None,
    preview_seconds: float = 10.0,
    stop: StopRequested = never,
    workers: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    note: Callable[[str], object] = logger.warning,
    **options: Unpack[RecoverKeywords],
) -> Recovery | TileRecoveries:
    """Recover each tile of a recorded meeting; a single picture as `recover` does.

    Parameters
    ----------
    path
        As for `recover`. Tiles are looked for in files only.
    tiles
        "auto" looks for them, "off" takes the whole picture, ROWSxCOLUMNS a grid of equal tiles.
        With a crop, "auto" is "off".
    progress, preview, preview_seconds, stop, workers, checkpoint, resume, note, options
        As for `recover`. Previews are of whole pictures only. A picture of the background is
        allowed where one caller is shown.

    Raises
    ------
    NoTiles
        The picture is cut into tiles of which none can be recovered.

    Otherwise as for `recover`.
    """
    chosen = RecoverOptions(**options)
    check_tiles(tiles, chosen)
    source = path if isinstance(path, Source) else source_of(path)
    whole = partial(
        recover,
        source,
        progress=progress,
        preview=preview,
        preview_seconds=preview_seconds,
        stop=stop,
        workers=workers,
        checkpoint=checkpoint,
        resume=resume,
        note=note,
        **options,
    )
    plan = plan_tiles(source, tiles, chosen, stop)
    if plan is None:
        return whole()
    segmenting = Segmenting(workers, checkpoint, resume, note)
    return _recover_planned(source, plan, chosen, progress, stop, segmenting)


@dataclass(frozen=True, slots=True)
class TilePlan:
    """The tiles of a recording, and which of them are recovered together.

    Attributes
    ----------
    found
        All tiles.
    groups
        The tiles of each caller who is recovered.
    """

    found: tuple[Tile, ...]
    groups: tuple[tuple[Tile, ...], ...]

    def task(self, source: Source, options: RecoverOptions) -> SegmentTask:
        """Return how the recording is counted."""
        showings = tuple(
            tuple(showing for tile in group for showing in tile.showings) for group in self.groups
        )
        return SegmentTask(source, replace(options, background=None), tiles=showings)


def plan_tiles(
    source: Source,
    tiles: TilesArgument,
    options: RecoverOptions,
    stop: StopRequested = never,
) -> TilePlan | None:
    """Find the tiles of a recording; None if `recover_tiles` takes the whole picture.

    Raises
    ------
    NoTiles, InvalidParameter
        As for `recover_tiles`.
    """
    by_itself = tiles == "auto"
    if tiles == "off" or options.crop is not None or (by_itself and not source.can_rewind):
        return None
    try:
        found = search_tiles(source, grid_of(tiles), options.reading, stop)
    except MissingRuntime:
        if not by_itself:
            raise
        return None
    if len(found) < 2 and not any(tile.reason for tile in found):
        return None
    groups = _recovered(found)
    if not groups:
        raise NoTiles(f"{source.name}: {_why_none(found)}")
    if options.background is not None and len(groups) > 1:
        raise InvalidParameter(
            f"background: {source.name} shows {len(groups)} callers in tiles; choose one of them "
            "with --crop"
        )
    return TilePlan(found, tuple(map(tuple, groups)))


def recover_counted_tiles(
    plan: TilePlan, task: SegmentTask, n_segments: int, state: Path, options: RecoverOptions
) -> TileRecoveries:
    """Recover the tiles from the merged state of all segments, as `recover_counted` does."""
    return _finished(plan, *taken_over(task, n_segments, state, options))


def _why_none(tiles: Sequence[Tile]) -> str:
    if any(tile.reason == UNSTABLE for tile in tiles):
        return (
            f"it shows several people in tiles, and {UNSTABLE}; choose one tile with --crop and a "
            "time with --start and --end, or --tiles off for the whole picture"
        )
    reasons = ", ".join(dict.fromkeys(tile.reason for tile in tiles if tile.reason))
    return (
        f"none of its {len(tiles)} tiles can be recovered ({reasons}); choose a part with --crop, "
        "or --tiles off for the whole picture"
    )


def _recovered(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """Group the tiles of each caller, the largest first, as many as are affordable.

    A caller who moves to a tile of the same size with the same background stays one recovery.
    """
    groups: list[list[Tile]] = []
    for tile in tiles:
        if tile.reason is not None:
            continue
        group = next((one for one in groups if _is_same_caller(tile, one[-1])), None)
        if group is None:
            groups.append([tile])
        else:
            group.append(tile)
    groups.sort(key=lambda group: -group[0].rectangle.area)
    affordable, area = [], 0
    for group in groups[:MAX_TILES]:
        layout = group[0].showings[0].layout
        area += group[0].rectangle.area
        if area <= MAX_PICTURES * layout.height * layout.width:
            affordable.append(group)
    return affordable


def _is_same_caller(tile: Tile, earlier: Tile) -> bool:
    """Whether a tile shows, at another time, the background of an earlier one in the same size."""
    now, before = tile.showings[0], earlier.showings[-1]
    same_size = (
        abs(now.stored.width - before.stored.width) <= TOLERANCE
        and abs(now.stored.height - before.stored.height) <= TOLERANCE
    )
    of_one_kind = now.layout == before.layout
    later = earlier.end_seconds is not None and tile.start_seconds > earlier.end_seconds
    if not (same_size and of_one_kind and later):
        return False
    if now.reference is None or before.reference is None:
        return False
    return before.reference.is_same_background(now.reference)


def _recover_planned(
    source: Source,
    plan: TilePlan,
    options: RecoverOptions,
    progress: ProgressCallback | None,
    stop: StopRequested,
    segmenting: Segmenting,
) -> TileRecoveries:
    picture = background_picture(options.background, options)
    run = Run(progress or silent, None, 0.0, stop)
    opened = partial(open_video, source, **options.reading, chunks_held=CHUNKS_HELD, stop=stop)
    task = plan.task(source, options)
    with opened() as video:
        run.open(video)
        run.warm_up(options)
        state = segmenting.count(source, options, lambda: task, video, picture, run, stop)
        if state is None:
            state = SegmentState(task.countings(video, picture), video.tally, TimeIndex())
            run.count(
                state.countings,
                video,
                may_be_endless=False,
                n_threads=options.n_threads,
                times=state.times,
            )
    run.report("finalise", video.tally.frames_read)
    return _finished(plan, state, opened, source, options, video, run)


def _finished(
    plan: TilePlan,
    state: SegmentState,
    opened: Callable[[], Video],
    source: Source,
    options: RecoverOptions,
    video: Video,
    run: Run,
) -> TileRecoveries:
    """Recover each tile from what was counted, and free the counts."""
    recoveries: list[Recovery] = []
    folders: dict[int, str | None] = {}
    for counting, group in zip(state.countings, plan.groups, strict=True):
        shown = counting.best is not None
        folders |= {id(tile): f"tile-{len(recoveries) + 1}" if shown else None for tile in group}
        if shown:
            recoveries.append(finished(counting, opened, source, options, video, run))
            counting.forget()
    if not recoveries:
        raise NoTiles(f"{source.name}: {NOT_SHOWN}; choose one with --crop")
    report = _index(plan.found, folders, recoveries, options)
    return TileRecoveries(tuple(recoveries), state.times, report)


def _index(
    found: Sequence[Tile],
    folders: Mapping[int, str | None],
    recoveries: Sequence[Recovery],
    options: RecoverOptions,
) -> dict[str, Any]:
    """Return the report of the recording."""
    listed = []
    for tile in found:
        reason = tile.reason
        if reason is None and id(tile) not in folders:
            reason = BEYOND_BUDGET
        elif reason is None and folders[id(tile)] is None:
            reason = NOT_SHOWN
        folder = folders.get(id(tile))
        listed.append({"folder": folder, **replace(tile, reason=reason).as_dict()})
    first = recoveries[0].report
    recovered = sum(recovery.recovered for recovery in recoveries)
    pixels = sum(recovery.confidence.size for recovery in recoveries)
    confidence = sum(float(recovery.confidence.sum()) for recovery in recoveries)
    left_out = [f"{_named(tile)} {tile['reason']}" for tile in listed if tile["reason"]]
    warnings = list(
        dict.fromkeys(
            f"tile {number}: {warning}" if len(recoveries) > 1 else warning
            for number, recovery in enumerate(recoveries, 1)
            for warning in recovery.report["warnings"]
        )
    )
    if left_out:
        warnings.append(f"tiles left out: {'; '.join(left_out)}")
    kept = ("input", "selection", "frames_read", "frames_damaged", "frames_skipped", "truncated")
    return {
        "unveil": __version__,
        "parameters": options.parameters.as_dict(),
        **{key: first[key] for key in kept},
        "frames_used": max(recovery.report["frames_used"] for recovery in recoveries),
        "interrupted": False,
        "recovered_pixels": recovered,
        "coverage": recovered / pixels,
        "mean_confidence": confidence / max(1, recovered),
        "tiles": listed,
        "warnings": warnings,
        "threads": first["threads"],
        "seconds": first["seconds"],
    }


def _named(tile: Mapping[str, Any]) -> str:
    return ":".join(map(str, tile["rectangle"]))
