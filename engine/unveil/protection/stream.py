"""`protect`: a video in, a protected one out; decoding, networks and encoding overlap."""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from unveil._version import __version__
from unveil.errors import Interrupted, InvalidParameter, UnreadableVideo
from unveil.files import write_json
from unveil.interruption import StopRequested, never, stoppable
from unveil.parallel import on_first_compile
from unveil.progress import PROGRESS_SECONDS, Progress, ProgressCallback, silent
from unveil.protection.batches import Batch, Batches
from unveil.protection.frames import empty_frame
from unveil.protection.parameters import (
    DEFAULT_EDGE,
    DEFAULT_SMOOTH,
    Background,
    Mode,
    ProtectParameters,
)
from unveil.protection.protector import Protector, Segments, prepare
from unveil.protection.sinks import Footage, Output, open_sink, output_of
from unveil.protection.writer import SoundCopy, Writer
from unveil.video.reader import Video, open_video
from unveil.video.source import Source, source_of

if TYPE_CHECKING:
    from unveil.person import ModelName

_CHUNK_FRAMES: Final = 8
"""Frames that are decoded, looked at and encoded in step."""

_PIPE_SECONDS: Final = 5.0
"""After an interruption, the time that the reader of a pipe has to take what is left."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What became of a video.

    Attributes
    ----------
    output
        The file, or the pattern of pictures; None for a pipe or a camera.
    report
        Everything there is to tell, as in the report's file.
    interrupted
        Whether Ctrl-C or a request to stop came while frames were protected, or Ctrl-C while the
        output was completed.
    live
        Whether nothing says that the source ends (a camera, a stream, a pipe), so that this is
        how it ends.
    complete
        Whether the output holds all frames.
    """

    output: Path | None
    report: dict[str, Any] = field(repr=False)
    interrupted: bool = False
    live: bool = False
    complete: bool = True

    @property
    def summary(self) -> str:
        """What was done, in one line."""
        told = self.report
        said = [f"{told['frames']} frames at {told['frames_per_second']:.0f}/s"]
        if told["frames_failed_closed"]:
            said.append(f"{told['frames_failed_closed']} show the background alone")
        if told["frames_held"]:
            said.append(f"{told['frames_held']} came too fast and were left out")
        return f"{told['output']['name']}: {', '.join(said)}"

    @property
    def unfinished(self) -> str | None:
        """What an interruption left undone, in one line; None where nothing is."""
        if self.complete or self.live:
            return None
        name, seconds = self.report["output"]["name"], self.report["protected_seconds"]
        return f"{name} ends at {seconds:.1f} s, the rest is not done"

    @property
    def notes(self) -> tuple[str, ...]:
        """What else a user should know, one line each."""
        told = self.report
        notes = list(told["warnings"])
        if told["truncated"]:
            notes.append(f"{told['truncated']}; protected what could be read")
        if told["frames_damaged"]:
            notes.append(f"{told['frames_damaged']} damaged frames were left out")
        if told["segmentation_failed"] or told["composition_failed"]:
            notes.append(
                f"{told['segmentation_failed'] + told['composition_failed']} frames failed and "
                f"show the background alone ({told['last_error']})"
            )
        return tuple(notes)


def protect(
    source: str | os.PathLike[str] | Source,
    output: str | os.PathLike[str],
    *,
    mode: Mode | None = None,
    background: Background | None = None,
    blur: int | None = None,
    model: ModelName = "full",
    edge: float = DEFAULT_EDGE,
    smooth: int = DEFAULT_SMOOTH,
    every: int = 1,
    codec: str | None = None,
    crf: int | None = None,
    sound: bool = True,
    threads: int | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
    segmenter: Segments | None = None,
    stop: StopRequested = never,
) -> Protection:
    """Remove, blur or replace the background of a video.

    Frames keep their times, sound is copied. The report is written beside the output, as
    NAME.report.json.

    Parameters
    ----------
    source
        A file, a camera, a URL or "-", as `unveil.video.source` explains. Of a live source
        frames that come too fast are left out, so that the last protected one is shown for longer.
    output
        A video file; pictures as in "frame-%05d.png"; "-", which gets Matroska; "camera" or
        "camera:DEVICE", a virtual one.
    mode, background, blur, model, edge, smooth, every, threads
        As in `ProtectParameters`. Mode "remove" without a background keeps transparency in WebM,
        in pictures, and with an encoder that has it; elsewhere it shows green.
    codec
        FFmpeg's name of a video encoder; None takes VP9 for WebM and else H.264.
    crf
        The encoder's constant quality, 0 to 63; None takes its default.
    sound
        Whether sound is copied.
    start_seconds, end_seconds
        Which frames, as in `unveil.video.reader.open_video`.
    force
        Replace an earlier output.
    progress
        Called with a `Progress` a few times a second.
    segmenter
        As for `Protector`.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.

    Raises
    ------
    Interrupted
        `stop` asked for it before the first frame was protected; no output is left.
    MissingInput, UnreadableVideo, NoFrames, FrameTooLarge, InvalidParameter
        What their docstrings say.
    UnreadableImage
        The background cannot be shown.
    OutputExists, OutputUnwritable
        The output exists and `force` is not given, or cannot be written.
    DamagedModel
        The model's file is damaged.
    ProtectionFailed
        Frame after frame could not be protected; no output is left.

    Notes
    -----
    `stop` and Ctrl-C (`KeyboardInterrupt`) complete the output with the frames protected so far,
    which `Protection.interrupted` tells. A second Ctrl-C gives the output up, unless it is complete
    by then. A live source that stops by itself leaves its output complete, too, and raises
    `UnreadableVideo`.
    """
    started = time.perf_counter()
    parameters = ProtectParameters(mode, background, blur, model, edge, smooth, every, threads)
    if crf is not None and not 0 <= crf <= 63:
        raise InvalidParameter(f"crf: {crf} is outside 0 to 63")
    target = output_of(output)
    transparent = (
        parameters.chosen_mode == "remove" and background is None and target.keeps_alpha(codec)
    )
    target.refuse_earlier_result(force=force)
    found = source if isinstance(source, Source) else source_of(source)
    with ExitStack() as opened:
        video = opened.enter_context(
            open_video(
                found,
                threads=parameters.n_threads,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
                chunk_frames=1 if found.live else _CHUNK_FRAMES,
                with_sound=sound and target.holds_sound,
                stop=stop,
            )
        )
        protector = opened.enter_context(
            Protector(
                mode,
                background=background,
                blur=blur,
                model=model,
                edge=edge,
                smooth=smooth,
                every=every,
                threads=threads,
                transparent=transparent,
                segmenter=segmenter,
            )
        )
        run = _Run(video, protector, target, codec, crf, start_seconds or 0.0, end_seconds, stop)
        run.go(started, progress or silent)
    report = run.report(started) | {
        "selection": {"start_seconds": start_seconds, "end_seconds": end_seconds}
    }
    if target.report_path is not None:
        write_json(target.report_path, report)
    if video.live and video.tally.reason is not None and not run.interrupted:
        raise UnreadableVideo(
            f"{video.properties.name}: stopped ({video.tally.reason}); "
            f"{target.name} holds what came before"
        )
    path = target.path if target.report_path is not None else None
    return Protection(path, report, run.interrupted, video.may_be_endless, run.complete)


class _Run:
    """One video on its way through the protector into a sink."""

    def __init__(
        self,
        video: Video,
        protector: Protector,
        output: Output,
        codec: str | None,
        crf: int | None,
        start_seconds: float,
        end_seconds: float | None,
        stop: StopRequested,
    ) -> None:
        self._stop = stop
        self._video = video
        self._protector = protector
        self._output = output
        self._codec = codec
        self._crf = crf
        self._start = start_seconds
        self._end = math.inf if end_seconds is None else end_seconds
        self._batches = Batches(video)
        self._time_base = video.time_base or Fraction(1, 90000)
        self._rate = video.properties.frame_rate or 30.0
        self._last_pts = -1
        self._last_seconds = 0.0
        self._sound: SoundCopy | None = None
        self._writer: Writer | None = None
        self._seconds = {"prepare": 0.0, "wait_for_person": 0.0, "compose": 0.0}
        self.interrupted = False
        self.complete = False

    def go(self, started: float, progress: ProgressCallback) -> None:
        """Protect everything."""
        with stoppable(self._stop):
            self._prepare(progress)
        try:
            try:
                self._protect_all(started, progress)
            except (KeyboardInterrupt, Interrupted):
                self.interrupted = True
                if self._last_pts < 0:  # there is no frame to keep
                    raise
            self._finish()
        except BaseException:
            if self._writer is not None:
                self._writer.discard()
            raise

    def _protect_all(self, started: float, progress: ProgressCallback) -> None:
        told = time.perf_counter()
        # One thread looks for the person, so that it follows the frames in their order.
        looker = ThreadPoolExecutor(1, thread_name_prefix="unveil-person")
        try:
            for batch in self._batches:
                self._protect(batch, looker)
                now = time.perf_counter()
                if now - told >= PROGRESS_SECONDS:
                    told = now
                    progress(self._progress(now - started))
            self.complete = True
        finally:
            looker.shutdown(cancel_futures=True)

    def report(self, started: float) -> dict[str, Any]:
        """Tell everything about the run."""
        tally, protected = self._video.tally, self._protector.tally
        warnings = list(tally.warnings)
        if self._batches.n_scaled:
            warnings.append(
                f"{self._batches.n_scaled} frames of another size or colour were converted to "
                "those of the first"
            )
        elapsed = time.perf_counter() - started
        busy = max(1e-9, elapsed - self._seconds["prepare"])
        return {
            "version": __version__,
            "parameters": self._protector.parameters.as_dict(),
            "input": self._video.properties.as_dict(),
            "output": {
                "name": self._output.name,
                "codec": None if self._output.kind == "camera" else self._output.codec(self._codec),
                "crf": self._crf,
                "transparent": self._protector.transparent,
                "sound_streams": len(self._video.sound.streams),
            },
            "frames_read": tally.frames_read,
            "frames_damaged": tally.frames_damaged,
            **protected.as_dict(),
            "frames_held": self._batches.n_held,
            "truncated": tally.reason if tally.truncated else None,
            "interrupted": self.interrupted and not self.complete,
            "protected_seconds": self._last_seconds,
            "warnings": warnings,
            "threads": self._protector.parameters.n_threads,
            "seconds": {**self._seconds, "decode": tally.decode_seconds, "all": elapsed},
            "frames_per_second": protected.frames / busy,
        }

    def _prepare(self, progress: ProgressCallback) -> None:
        before = time.perf_counter()
        expected = self._video.expected_frames
        progress(Progress("prepare", expected_frames=expected))
        compiling = Progress("compile", expected_frames=expected)
        with on_first_compile(lambda: progress(compiling)):
            prepare(self._protector)
        self._seconds["prepare"] = time.perf_counter() - before

    def _protect(self, batch: Batch, looker: ThreadPoolExecutor) -> None:
        protector, layout = self._protector, batch.layout
        if self._writer is None:
            self._writer = self._writer_for(batch)
            self._writer.open()
        sightings = [looker.submit(protector.sight, planes, layout) for planes, _ in batch.frames]
        for (planes, seconds), sighting in zip(batch.frames, sightings, strict=True):
            frame, target = empty_frame(layout, alpha=protector.transparent)
            before = time.perf_counter()
            found = sighting.result()
            looked = time.perf_counter()
            place = max(0.0, seconds - self._start)
            protector.compose(planes, layout, found, target, place)
            self._seconds["wait_for_person"] += looked - before
            self._seconds["compose"] += time.perf_counter() - looked
            # A container refuses a time that is not after the one before.
            pts = max(round(place / self._time_base), self._last_pts + 1)
            self._writer.put(frame, pts, place)
            self._last_pts, self._last_seconds = pts, place

    def _writer_for(self, batch: Batch) -> Writer:
        video = self._video
        aspect = video.pixel_aspect
        if aspect and video.properties.rotation_degrees % 180:
            aspect = 1 / aspect
        footage = Footage(
            layout=batch.layout,
            alpha=self._protector.transparent,
            frame_rate=self._rate,
            time_base=self._time_base,
            tags=video.tags,
            pixel_aspect=aspect,
            sound=video.sound.streams,
            live=video.live,
        )
        opened = partial(
            open_sink,
            self._output,
            footage,
            codec=self._codec,
            crf=self._crf,
            threads=self._protector.parameters.n_threads,
        )
        if video.sound.streams:
            origin = 0.0 if math.isnan(video.origin_seconds) else video.origin_seconds
            first = 0.0 if self._start else -math.inf
            self._sound = SoundCopy(
                video.sound, origin + self._start, first, self._end - self._start
            )
        return Writer(opened, self._sound, self._stop)

    def _finish(self) -> None:
        """Complete the output, which the first Ctrl-C does not end."""
        if self._writer is None:
            return
        until = math.inf if self.complete else self._last_seconds + 1 / self._rate
        # Nobody may read the pipe any more, and nothing is kept of what is in it.
        impatient = self.interrupted and self._output.kind == "pipe"
        finish = partial(self._writer.finish, until, _PIPE_SECONDS if impatient else None)
        try:
            finished = finish()
        except KeyboardInterrupt:
            if self.interrupted:
                raise
            self.interrupted = True
            finished = finish()
        if not finished:
            self._writer = None  # its thread waits for the reader and cannot be ended
            raise Interrupted(f"{self._output.name} is not complete, nobody reads it")

    def _progress(self, elapsed_seconds: float) -> Progress:
        return Progress(
            "count",
            self._protector.tally.frames,
            self._video.expected_frames,
            self._last_seconds,
            elapsed_seconds,
        )
