"""`protect`: protects a video; decoding, networks, blending and encoding overlap."""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from typing import Any, Final

from unveil._version import __version__
from unveil.errors import Interrupted, InvalidParameter, UnreadableVideo
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
    ProtectModel,
    ProtectParameters,
)
from unveil.protection.protector import PersonSegmenter, Protector, prepare
from unveil.protection.report_file import report_file, write_report
from unveil.protection.result import Protection
from unveil.protection.sinks import Footage, Output, open_sink, output_of
from unveil.protection.writer import SoundCopy, Writer
from unveil.video.geometry import upright_aspect
from unveil.video.reader import Video, open_video
from unveil.video.size_search import largest_size
from unveil.video.source import Source, source_of

_CHUNK_FRAMES: Final = 8
"""Frames that are decoded, segmented and encoded as one batch."""

_PIPE_SECONDS: Final = 5.0
"""After an interruption, the time that the reader of a pipe has to take what is left."""


def protect(
    source: str | os.PathLike[str] | Source,
    output: str | os.PathLike[str],
    *,
    mode: Mode | None = None,
    background: Background | None = None,
    blur: int | None = None,
    model: ProtectModel = "auto",
    edge: float = DEFAULT_EDGE,
    smooth: int = DEFAULT_SMOOTH,
    every: int = 1,
    codec: str | None = None,
    crf: int | None = None,
    sound: bool = True,
    threads: int | None = None,
    careful: bool = False,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    stream: int | None = None,
    token_file: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
    segmenter: PersonSegmenter | None = None,
    stop: StopRequested = never,
) -> Protection:
    """Remove, blur or replace the background of a video.

    Frames keep their times, and sound is copied. If a file changes its size, as recordings of
    WebRTC do, the output has the largest size; a pipe or a live source keeps the first. Interlaced
    frames are deinterlaced. The report is written next to the output, to the file that
    `unveil.protection.report_file` names.

    Parameters
    ----------
    source
        A file, a camera, a URL or "-", see `unveil.video.source`. If a live source is faster than
        the network, frames are dropped and the last protected frame is shown for longer.
    output
        A video file; numbered pictures, "frame-%05d.png"; "-" for Matroska on standard output;
        "camera" or "camera:DEVICE" for a virtual camera; "whip:URL" for a meeting or another WHIP
        server, without sound and in real time.
    mode, background, blur, model, edge, smooth, every, threads, careful
        As in `ProtectParameters`. Mode "remove" without a background keeps transparency in WebM,
        in pictures, and with an encoder that supports it; elsewhere it shows green.
    codec
        FFmpeg's name of a video encoder; None uses VP9 for WebM and H.264 for other files.
    crf
        Constant quality of the encoder, 0 to 63; None uses the encoder's default.
    sound
        Whether sound is copied.
    start_seconds, end_seconds, stream
        Selection of frames and of the video stream, as in `unveil.video.reader.open_video`.
    token_file
        File with the token for a WHIP server; None takes it from `UNVEIL_WHIP_TOKEN`, if set.
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
        `stop` asked for it before the first frame was protected; no output remains.
    MissingInput, UnreadableVideo, NoFrames, FrameTooLarge, InvalidParameter
        See their docstrings.
    UnreadableImage
        The background cannot be read.
    OutputExists, OutputUnwritable
        The output exists and `force` is not set, or cannot be written.
    DamagedModel
        The model's file is damaged.
    ProtectionFailed
        Too many consecutive frames could not be protected; no output remains.

    Notes
    -----
    `stop` and Ctrl-C (`KeyboardInterrupt`) complete the output with the frames protected so far
    and set `Protection.interrupted`; a second Ctrl-C discards it, unless it is complete by then.
    If a live source stops by itself, the output is completed too, and `UnreadableVideo` is raised.
    """
    started = time.perf_counter()
    parameters = ProtectParameters(
        mode, background, blur, model, edge, smooth, every, threads, careful
    )
    if crf is not None and not 0 <= crf <= 63:
        raise InvalidParameter(f"crf: {crf} is outside 0 to 63")
    target = output_of(output, token_file)
    transparent = (
        parameters.chosen_mode == "remove" and background is None and target.keeps_alpha(codec)
    )
    target.refuse_earlier_result(force=force)
    report_file(target, force=force)
    found = source if isinstance(source, Source) else source_of(source)
    with ExitStack() as opened:
        video = opened.enter_context(
            open_video(
                found,
                threads=parameters.n_threads,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
                stream=stream,
                chunk_frames=1 if found.live else _CHUNK_FRAMES,
                with_sound=sound and target.holds_sound,
                deinterlace=True,
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
                careful=careful,
                transparent=transparent,
                pixel_aspect=upright_aspect(video.pixel_aspect, video.properties),
                segmenter=segmenter,
            )
        )
        size = largest_size(found, start_seconds, end_seconds, stream, stop)
        run = _Run(
            video, protector, target, codec, crf, start_seconds or 0.0, end_seconds, size, stop
        )
        run.go(started, progress or silent)
    report = run.report(started) | {
        "selection": {"start_seconds": start_seconds, "end_seconds": end_seconds}
    }
    write_report(target, report)
    if video.live and video.tally.reason is not None and not run.interrupted:
        raise UnreadableVideo(
            f"{video.properties.name}: stopped ({video.tally.reason}); "
            f"{target.name} holds what came before"
        )
    path = target.path if target.has_report else None
    return Protection(path, report, run.interrupted, found.may_be_endless, run.complete)


class _Run:
    """One run: reads a video, protects its frames and writes them to a sink."""

    def __init__(
        self,
        video: Video,
        protector: Protector,
        output: Output,
        codec: str | None,
        crf: int | None,
        start_seconds: float,
        end_seconds: float | None,
        size: tuple[int, int] | None,
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
        self._batches = Batches(video, alpha=protector.transparent, size=size)
        self._time_base = video.time_base or Fraction(1, 90000)
        self._rate = video.nominal_rate or 30.0
        self._last_pts = -1
        self._last_seconds = 0.0
        self._notes: list[str] = []
        self._lead = 0.0  # of the sound before the pictures, in seconds
        self._sound: SoundCopy | None = None
        self._writer: Writer | None = None
        self._seconds = {"prepare": 0.0, "wait_for_person": 0.0, "compose": 0.0}
        self.interrupted = False
        self.complete = False

    def go(self, started: float, progress: ProgressCallback) -> None:
        """Protect all frames."""
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
        last_progress = time.perf_counter()
        # One thread only: a network that tracks the person needs the frames in their order.
        detector = ThreadPoolExecutor(1, thread_name_prefix="unveil-person")
        try:
            for batch in self._batches:
                self._protect(batch, detector)
                now = time.perf_counter()
                if now - last_progress >= PROGRESS_SECONDS:
                    last_progress = now
                    progress(self._progress(now - started))
            self.complete = True
        finally:
            detector.shutdown(cancel_futures=True)

    def report(self, started: float) -> dict[str, Any]:
        """Return the report of the run."""
        tally, protected = self._video.tally, self._protector.tally
        written = () if self._writer is None else self._writer.notes
        warnings = [*tally.warnings, *written, *self._notes]
        if self._batches.n_scaled:
            warnings.append(
                f"{self._batches.n_scaled} frames of another size or colour were converted to "
                "those of the output"
            )
        elapsed = time.perf_counter() - started
        busy = max(1e-9, elapsed - self._seconds["prepare"])
        return {
            "version": __version__,
            "parameters": self._protector.parameters.as_dict(),
            "input": self._video.properties.as_dict(),
            "output": {
                "name": self._output.file_name,
                "codec": self._output.codec(self._codec) if self._output.is_encoded else None,
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

    def _protect(self, batch: Batch, detector: ThreadPoolExecutor) -> None:
        protector, layout = self._protector, batch.layout
        if self._writer is None:
            self._writer = self._writer_for(batch)
            self._writer.open()
            weak = protector.parameters.weak_blur(layout.height)
            self._notes = [weak] if weak else []
        detections = [
            detector.submit(protector.detect_person, planes, layout) for planes, _ in batch.frames
        ]
        for (planes, seconds), detection in zip(batch.frames, detections, strict=True):
            frame, target = empty_frame(layout, alpha=protector.transparent)
            before = time.perf_counter()
            found = detection.result()
            detected = time.perf_counter()
            place = max(0.0, seconds - self._start)
            protector.compose(planes, layout, found, target, place)
            self._seconds["wait_for_person"] += detected - before
            self._seconds["compose"] += time.perf_counter() - detected
            # A container refuses times that do not increase.
            pts = max(round((place + self._lead) / self._time_base), self._last_pts + 1)
            self._writer.put(frame, pts, place + self._lead)
            self._last_pts, self._last_seconds = pts, place

    def _writer_for(self, batch: Batch) -> Writer:
        video = self._video
        footage = Footage(
            layout=batch.layout,
            alpha=self._protector.transparent,
            frame_rate=self._rate,
            time_base=self._time_base,
            tags=video.tags,
            pixel_aspect=upright_aspect(video.pixel_aspect, video.properties),
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
            stop=self._stop,
        )
        if video.sound.streams:
            origin = 0.0 if math.isnan(video.origin_seconds) else video.origin_seconds
            zero, first = origin + self._start, 0.0
            if not self._start:
                # A camera that comes on late: players drop what a file has before time 0.
                self._lead = video.sound.lead_seconds(origin)
                zero, first = origin - self._lead, -math.inf
            self._sound = SoundCopy(video.sound, zero, first, self._end - self._start + self._lead)
        return Writer(opened, self._sound, self._stop)

    def _finish(self) -> None:
        """Complete the output, which the first Ctrl-C does not end."""
        if self._writer is None:
            return
        until = math.inf
        shown_until = self._video.shown_until_seconds
        if not self.complete:
            until = self._lead + self._last_seconds + 1 / self._rate
            shown_until = math.nan
        end_pts = None
        if not math.isnan(shown_until):
            end_pts = round((self._lead + shown_until - self._start) / self._time_base)
        # Nobody may read the pipe any more, and nothing is kept of what is in it.
        impatient = self.interrupted and self._output.kind == "pipe"
        patience = _PIPE_SECONDS if impatient else None
        finish = partial(self._writer.finish, until, end_pts, patience)
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
