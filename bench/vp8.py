"""Calls as WebRTC services record them: VP8 whose size follows the bandwidth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

OPTIONS = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0", "error-resilient": "1"}
"""Those of a live encoder, which looks at no later frame."""


def encode(call: Path, target: Path, heights: Sequence[int], bit_rate: int) -> None:
    """Encode a video as VP8 in WebM, in parts of equal length that have these heights.

    Parameters
    ----------
    call
        The video; its frames have times.
    target
        The WebM file, replaced when it is complete.
    heights
        Even heights of the parts; the widths keep the picture's shape, rounded to even ones.
    bit_rate
        Bits per second, the same for all sizes.
    """
    partial = target.with_name(f"part-{target.name}")
    with av.open(str(call)) as source, av.open(str(partial), "w", format="webm") as output:
        video = source.streams.video[0]
        rate = video.average_rate
        if rate is None or not video.frames:
            raise ValueError(f"{call}: has no rate or no number of frames")
        stream = output.add_stream("libvpx", rate=rate)
        height, width = video.height, video.width
        stream.height, stream.width = height, width
        encoder: VideoCodecContext | None = None
        for number, frame in enumerate(source.decode(video)):
            wanted = heights[min(number * len(heights) // video.frames, len(heights) - 1)]
            if encoder is None or encoder.height != wanted:
                _drain(encoder, output, stream)
                encoder = _encoder(wanted, 2 * round(width * wanted / height / 2), rate, bit_rate)
            shown = frame.reformat(encoder.width, encoder.height, "yuv420p")
            shown.pts, shown.time_base = number, 1 / rate
            _write(encoder.encode(shown), output, stream)
        _drain(encoder, output, stream)
    partial.replace(target)


def _encoder(height: int, width: int, rate: Fraction, bit_rate: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width, encoder.pix_fmt = height, width, "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.bit_rate, encoder.options = bit_rate, dict(OPTIONS)
    return encoder


def _drain(
    encoder: VideoCodecContext | None,
    output: av.container.OutputContainer,
    stream: av.video.stream.VideoStream,
) -> None:
    if encoder is not None:
        _write(encoder.encode(None), output, stream)


def _write(
    packets: Sequence[av.Packet] | Iterator[av.Packet],
    output: av.container.OutputContainer,
    stream: av.video.stream.VideoStream,
) -> None:
    for packet in packets:
        packet.stream = stream
        output.mux(packet)
