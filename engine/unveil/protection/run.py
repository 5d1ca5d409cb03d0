"""One run over a video: decoding, networks, a change of each frame, and encoding overlap."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from typing import Any, Final, Protocol

from unveil._version import __version__
from unveil.arrays import U8
from unveil.errors import Interrupted
from unveil.interruption import StopRequested, stoppable
from unveil.parallel import on_first_compile
from unveil.progress import PROGRESS_SECONDS, Progress, ProgressCallback
from unveil.protection.batches import Batch, Batches
from unveil.protection.frames import empty_frame
from unveil.protection.sinks import Footage, Output, open_sink
from unveil.protection.writer import SoundCopy, Writer
from unveil.video.chunk import Layout, Planes
from unveil.video.geometry import upright_aspect
from unveil.video.reader import Video

CHUNK_FRAMES: Final = 8
"""Frames that are decoded, segmented and encoded as one batch."""

_PIPE_SECONDS: Final = 5.0
"""After an interruption, the time that the reader of a pipe has to take what is left."""


class FrameChange(Protocol):
    """Makes the frames of an output from those of a video.

    `detect` is called in a thread of its own, `change` in that of the run; both are given the
    frames in their order.
    """

    transparent: bool

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters for the report."""

    @property
    def counts(self) -> dict[str, Any]:
        """Counts of the frames so far, for the report."""

    def prepare(self) -> None:
        """Load kernels and networks."""

    def notes(self, layout: Layout) -> list[str]:
        """Return what a user should know of frames of this layout."""

    def detect(self, planes: Planes, layout: Layout) -> Any:
        """Find in a frame what `change` needs to know."""

    def change(
        self,
        planes: Planes,
        layout: Layout,
        detected: Any,
        target: tuple[U8, ...],
        seconds: float,
    ) -> None:
        """Write the changed frame; `seconds` count from the start of the selection."""


class Run:
    """One run: reads a video, changes its frames and writes them to a sink, with the sound.

    Parameters
    ----------
    video
        Its `chunks()` are read.
    changes
        Makes the frames.
    output, codec, crf
        Where they go, and how they are encoded.
    threads
        Of the encoder.
    start_seconds, end_seconds
        The selection with which the video was opened.
    size
        Rows and columns of the output, as for `Batches`.
    stop
        Returns whether to stop.
    """

    def __init__(
        self,
        video: Video,
        changes: FrameChange,
        output: Output,
        *,
        codec: str | None,
        crf: int | None,
        threads: int,
        start_seconds: float,
        end_seconds: float | None,
        size: tuple[int, int] | None,
        stop: StopRequested,
    ) -> None:
        self._stop = stop
        self._video = video
        self._changes = changes
        self._threads = threads
        self._n_frames = 0
        self._output = output
        self._codec = codec
        self._crf = crf
        self._start = start_seconds
        self._end = math.inf if end_seconds is None else end_seconds
        self._batches = Batches(video, alpha=changes.transparent, size=size)
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
        """Change all frames."""
        with stoppable(self._stop):
            self._prepare(progress)
        try:
            try:
                self._change_all(started, progress)
            except (KeyboardInterrupt, Interrupted):
                self.interrupted = True
                if self._last_pts < 0:  # there is no frame to keep
                    raise
            self._finish()
        except BaseException:
            if self._writer is not None:
                self._writer.discard()
            raise

    def _change_all(self, started: float, progress: ProgressCallback) -> None:
        last_progress = time.perf_counter()
        # One thread only: a network that tracks the person needs the frames in their order.
        detector = ThreadPoolExecutor(1, thread_name_prefix="unveil-person")
        try:
            for batch in self._batches:
                self._change(batch, detector)
                now = time.perf_counter()
                if now - last_progress >= PROGRESS_SECONDS:
                    last_progress = now
                    progress(self._progress(now - started))
            self.complete = True
        finally:
            detector.shutdown(cancel_futures=True)

    def report(self, started: float) -> dict[str, Any]:
        """Return the report of the run."""
        tally = self._video.tally
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
            "parameters": self._changes.parameters,
            "input": self._video.properties.as_dict(),
            "output": {
                "name": self._output.file_name,
                "codec": self._output.codec(self._codec) if self._output.is_encoded else None,
                "crf": self._crf,
                "transparent": self._changes.transparent,
                "sound_streams": len(self._video.sound.streams),
            },
            "frames_read": tally.frames_read,
            "frames_damaged": tally.frames_damaged,
            **self._changes.counts,
            "frames_held": self._batches.n_held,
            "truncated": tally.reason if tally.truncated else None,
            "interrupted": self.interrupted and not self.complete,
            "protected_seconds": self._last_seconds,
            "warnings": warnings,
            "threads": self._threads,
            "seconds": {**self._seconds, "decode": tally.decode_seconds, "all": elapsed},
            "frames_per_second": self._n_frames / busy,
        }

    def _prepare(self, progress: ProgressCallback) -> None:
        before = time.perf_counter()
        expected = self._video.expected_frames
        progress(Progress("prepare", expected_frames=expected))
        compiling = Progress("compile", expected_frames=expected)
        with on_first_compile(lambda: progress(compiling)):
            self._changes.prepare()
        self._seconds["prepare"] = time.perf_counter() - before

    def _change(self, batch: Batch, detector: ThreadPoolExecutor) -> None:
        changes, layout = self._changes, batch.layout
        if self._writer is None:
            self._writer = self._writer_for(batch)
            self._writer.open()
            self._notes = changes.notes(layout)
        detections = [detector.submit(changes.detect, planes, layout) for planes, _ in batch.frames]
        for (planes, seconds), detection in zip(batch.frames, detections, strict=True):
            frame, target = empty_frame(layout, alpha=changes.transparent)
            before = time.perf_counter()
            found = detection.result()
            detected = time.perf_counter()
            place = max(0.0, seconds - self._start)
            changes.change(planes, layout, found, target, place)
            self._n_frames += 1
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
            alpha=self._changes.transparent,
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
            threads=self._threads,
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
            self._n_frames,
            self._video.expected_frames,
            self._last_seconds,
            elapsed_seconds,
        )
