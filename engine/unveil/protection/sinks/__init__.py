"""Where protected frames go: a file, pictures, a pipe, a virtual camera, or a WHIP endpoint."""

from __future__ import annotations

from unveil.errors import InvalidParameter
from unveil.interruption import StopRequested, never
from unveil.protection.sinks.camera import CameraSink
from unveil.protection.sinks.file import VideoSink
from unveil.protection.sinks.output import PIPE, Kind, Output, output_of
from unveil.protection.sinks.pictures import PictureSink
from unveil.protection.sinks.sink import Footage, Sink
from unveil.protection.sinks.whip import WhipSink

__all__ = ["PIPE", "Footage", "Kind", "Output", "Sink", "open_sink", "output_of"]


def open_sink(
    output: Output,
    footage: Footage,
    *,
    codec: str | None,
    crf: int | None,
    threads: int,
    stop: StopRequested = never,
) -> Sink:
    """Open an output; one that waits, as for a server, no longer does when `stop` asks for it.

    Raises
    ------
    InvalidParameter
        The encoder or the container does not fit.
    OutputUnwritable
        It cannot be written.
    """
    if output.kind == "camera":
        if codec is not None or crf is not None:
            raise InvalidParameter("codec, crf: a virtual camera takes frames as they are")
        return CameraSink(output, footage)
    if output.kind == "whip":
        if codec is not None or crf is not None:
            raise InvalidParameter("codec, crf: a WHIP server chooses the encoder")
        return WhipSink(output, footage, stop)
    if output.kind == "pictures":
        if codec not in (None, "png") or crf is not None:
            raise InvalidParameter("codec, crf: pictures are PNG, without loss")
        return PictureSink(output, footage)
    return VideoSink(output, footage, output.codec(codec), crf, threads)
