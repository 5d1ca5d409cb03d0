"""`protect`: protects a video."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any

from unveil.errors import InvalidParameter, UnreadableVideo
from unveil.interruption import StopRequested, never
from unveil.progress import ProgressCallback, silent
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
from unveil.protection.run import CHUNK_FRAMES, Run
from unveil.protection.sinks import output_of
from unveil.video.chunk import Layout
from unveil.video.geometry import upright_aspect
from unveil.video.reader import open_video
from unveil.video.size_search import largest_size
from unveil.video.source import Source, source_of


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
    _check_crf(crf)
    target = output_of(output, token_file)
    transparent = parameters.shows_nothing and target.keeps_alpha(codec)
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
                chunk_frames=1 if found.live else CHUNK_FRAMES,
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
        run = Run(
            video,
            _Protection(protector),
            target,
            codec=codec,
            crf=crf,
            threads=parameters.n_threads,
            start_seconds=start_seconds or 0.0,
            end_seconds=end_seconds,
            size=size,
            stop=stop,
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


class _Protection:
    """The frames that a protector makes."""

    def __init__(self, protector: Protector) -> None:
        self._protector = protector
        self.transparent = protector.transparent
        self.detect = protector.detect_person
        self.change = protector.compose

    @property
    def parameters(self) -> dict[str, Any]:
        return self._protector.parameters.as_dict()

    @property
    def counts(self) -> dict[str, Any]:
        return self._protector.tally.as_dict()

    def prepare(self) -> None:
        prepare(self._protector)

    def notes(self, layout: Layout) -> list[str]:
        weak = self._protector.parameters.weak_blur(layout.height)
        return [weak] if weak else []


def _check_crf(crf: int | None) -> None:
    if crf is not None and not 0 <= crf <= 63:
        raise InvalidParameter(f"crf: {crf} is outside 0 to 63")
