"""`redact`: copies a call, with what leaks covered by its virtual background."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Final, Unpack

from unveil.auditing.cover import Cover
from unveil.auditing.regions import Region, regions_of
from unveil.errors import CannotRedact, InvalidParameter
from unveil.interruption import StopRequested, never
from unveil.progress import PROGRESS_SECONDS, Progress, ProgressCallback, silent
from unveil.protection.batches import Batches
from unveil.protection.frames import frame_of
from unveil.protection.report_file import report_file, write_report
from unveil.protection.run import CHUNK_FRAMES, Run
from unveil.protection.sinks import Output, output_of
from unveil.recovery.engine import Engine
from unveil.recovery.parameters import Parameters, RecoverKeywords, RecoverOptions, TilesArgument
from unveil.recovery.result import Recovery
from unveil.recovery.tiles import TileRecoveries, recover_tiles
from unveil.redaction import printable
from unveil.video.reader import Video, open_video
from unveil.video.size_search import largest_size
from unveil.video.source import Source, source_of

DEFAULT_CRF: Final = 14
"""Of the copy: what is not covered keeps a PSNR of more than 40 dB."""

LOOKS: Final = 3
"""Recoveries from covered frames: each finds less of what those before it have missed. With three
instead of two, F of the copy fell from 0.01 to 0.10 of the original's to 0 to 0.06 on seven of
eight calls, at 0.1 to 1 dB of what does not leak."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """The outcome of `redact`.

    Attributes
    ----------
    output
        The copy.
    report
        The content of the report file.
    complete
        Whether the copy holds all frames; it is cut where Ctrl-C or a request to stop came.
    """

    output: Path
    report: dict[str, Any] = field(repr=False)
    complete: bool = True

    @property
    def summary(self) -> str:
        """The result in one line."""
        report = self.report
        return (
            f"{printable(str(self.output))}: {report['frames']} frames, {report['frames_covered']} "
            f"of them covered, {report['covered_share']:.2%} of the picture on average and at most "
            f"{report['most_covered_share']:.2%}"
        )

    @property
    def unfinished(self) -> str | None:
        """What is missing after an interruption, in one line; None if nothing is."""
        if self.complete:
            return None
        seconds = self.report["protected_seconds"]
        return f"{printable(str(self.output))} ends at {seconds:.1f} s, the rest is not done"

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings, one line each."""
        return tuple(self.report["warnings"])


def redact(
    path: str | os.PathLike[str] | Source,
    output: str | os.PathLike[str],
    *,
    recovered: Recovery | TileRecoveries | None = None,
    tiles: TilesArgument = "auto",
    codec: str | None = None,
    crf: int = DEFAULT_CRF,
    sound: bool = True,
    force: bool = False,
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> Redaction:
    """Copy a call, with the pixels that show the room covered by its virtual background.

    In each frame a pixel is covered where the recovery claims a room colour and the sample lies
    on the line from the background to that colour, outside the person. The frames are encoded
    again, keep their times, and the sound is copied, as `protect` does it.

    Parameters
    ----------
    path
        A file: it is read several times.
    output
        A video file.
    recovered
        What was recovered from this file with the same options; None recovers it first.
    tiles
        As for `unveil.audit`.
    codec
        FFmpeg's name of a video encoder; None uses VP9 for WebM and H.264 for other files.
    crf
        Constant quality of the encoder, 0 to 63.
    sound
        Whether sound is copied.
    force
        Replace an earlier output.
    progress, stop, options
        As for `unveil.recover`; `stride` and `crop` must be left out, the copy has all frames.

    Raises
    ------
    CannotRedact
        The virtual background moves, so what leaks cannot be told in single frames.
    InvalidParameter
        The input is no file, the output is no video file, or an option is out of range.
    OutputExists, OutputUnwritable
        The output exists and `force` is not set, or it cannot be written.
    Interrupted
        `stop` asked for it before the first frame was copied; no output remains.

    Otherwise as for `unveil.recover`.
    """
    chosen = RecoverOptions(**options)
    target = output_of(output)
    _check(target, chosen, crf)
    target.refuse_earlier_result(force=force)
    report_file(target, force=force)
    source = path if isinstance(path, Source) else source_of(path)
    if not source.can_rewind:
        raise InvalidParameter(
            f"{source.name}: is read several times, so record it to a file first"
        )
    if recovered is None:
        recovered = recover_tiles(source, tiles=tiles, progress=progress, stop=stop, **options)
    return _covered_copy(source, target, recovered, chosen, codec, crf, sound, progress, stop)


def _covered_copy(
    source: Source,
    target: Output,
    recovered: Recovery | TileRecoveries,
    options: RecoverOptions,
    codec: str | None,
    crf: int,
    sound: bool,
    progress: ProgressCallback | None,
    stop: StopRequested,
) -> Redaction:
    """Find what to cover in rounds, write the copy and its report."""
    started = time.perf_counter()
    regions = regions_of(recovered)
    _refuse_moving(source, regions)
    start_seconds, threads = options.start_seconds or 0.0, options.n_threads
    cover = Cover(regions, start_seconds, threads)
    opened = partial(
        open_video,
        source,
        threads=threads,
        start_seconds=options.start_seconds,
        end_seconds=options.end_seconds,
        stream=options.stream,
        chunk_frames=CHUNK_FRAMES,
        deinterlace=True,
        stop=stop,
    )
    size = _size(recovered, source, options, stop)
    if any(region.recovery.recovered for region in regions):
        for _ in range(LOOKS):
            _look_again(opened, cover, regions, size, threads, progress or silent)
    with opened(with_sound=sound) as video:
        run = Run(
            video,
            cover,
            target,
            codec=codec,
            crf=crf,
            threads=threads,
            start_seconds=start_seconds,
            end_seconds=options.end_seconds,
            size=size,
            stop=stop,
        )
        run.go(started, progress or silent)
    report = run.report(started) | {
        "selection": {"start_seconds": options.start_seconds, "end_seconds": options.end_seconds}
    }
    if cover.n_missed:
        report["warnings"].append(
            f"{cover.n_missed} frames differ in size from what was recovered; nothing is covered "
            "in them"
        )
    write_report(target, report)
    return Redaction(target.path, report, run.complete)


def _look_again(
    opened: Callable[[], Video],
    cover: Cover,
    regions: tuple[Region, ...],
    size: tuple[int, int] | None,
    threads: int,
    progress: ProgressCallback,
) -> None:
    """Recover from the covered frames, and have what is found there covered, too.

    Under the colour that was claimed a pixel may have another one of the room: the second
    farthest from the background, which an attacker finds when the farthest one is covered.
    """
    engines: dict[tuple[int, int], Engine] = {}
    started = last_progress = time.perf_counter()
    n_frames = 0
    with opened() as video:
        for batch in Batches(video, size=size):
            for planes, seconds in batch.frames:
                for number, background, part, layout in cover.covered_parts(
                    planes, batch.layout, seconds
                ):
                    key = number, background
                    if key not in engines:
                        parameters = _parameters(regions[number], threads)
                        engines[key] = Engine(layout.height, layout.width, parameters=parameters)
                    engines[key].push(frame_of(part, layout))
                n_frames += 1
                now = time.perf_counter()
                if now - last_progress >= PROGRESS_SECONDS:
                    last_progress = now
                    expected = video.expected_frames
                    progress(Progress("count", n_frames, expected, seconds, now - started))
    cover.add_round({key: engine.finalise().sharp_room for key, engine in engines.items()})


def _parameters(region: Region, threads: int) -> Parameters:
    """Return the parameters with which a region was recovered, by the method that was chosen."""
    report = region.recovery.report
    chosen = {**report["parameters"], "method": report["decided_by"], "threads": threads}
    return Parameters(**{field.name: chosen[field.name] for field in fields(Parameters)})


def _check(target: Output, options: RecoverOptions, crf: int) -> None:
    if target.kind != "file":
        raise InvalidParameter("output: a redacted call is a video file; name one such as copy.mp4")
    if not 0 <= crf <= 63:
        raise InvalidParameter(f"crf: {crf} is outside 0 to 63")
    if options.stride != 1:
        raise InvalidParameter("stride: a copy has all frames; leave it out")
    if options.crop is not None:
        raise InvalidParameter("crop: a copy has the whole picture; leave it out")


def _refuse_moving(source: Source, regions: tuple[Region, ...]) -> None:
    for region in regions:
        motion = region.recovery.report["background"]
        if motion in ("moves", "pans", "loops"):
            raise CannotRedact(
                f"{source.name}: its virtual background {motion}, so what leaks cannot be covered "
                "frame by frame; record the call again with a still background"
            )


def _size(
    recovered: Recovery | TileRecoveries,
    source: Source,
    options: RecoverOptions,
    stop: StopRequested,
) -> tuple[int, int] | None:
    """Return rows and columns of the copy before the display matrix: those of the recovery."""
    if isinstance(recovered, TileRecoveries):
        return largest_size(
            source, options.start_seconds, options.end_seconds, options.stream, stop
        )
    height, width = recovered.confidence.shape
    turned = recovered.report["input"]["rotation_degrees"] % 180
    return (width, height) if turned else (height, width)
