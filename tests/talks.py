"""Short calls with sound, whose pictures and sound may begin, pause and end at any time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.footage import numbered_frame

TICK = Fraction(1, 10_000)
SOUND_RATE = 48_000


def write_talk(
    path: Path,
    times: Sequence[float],
    *,
    sound: tuple[float, float] | None = None,
    first_number: int = 0,
    offset_seconds: float = 0.0,
    rate: int = 10,
    options: dict[str, str] | None = None,
    codec: str = "libx264",
    sound_codec: str = "aac",
    last_seconds: float | None = None,
) -> Path:
    """Write numbered frames at `times` and silence between two times, both in seconds.

    `last_seconds` is how long the last frame is shown; by default as long as `rate` says.
    """
    if options is None:
        options = {"qp": "0", "preset": "veryfast", "g": "10", "bf": "2"}
    container_options = {"output_ts_offset": str(offset_seconds)} if offset_seconds else {}
    with av.open(str(path), "w", options=container_options) as output:
        pictures: Any = output.add_stream(codec, rate=rate, options=options)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.time_base = TICK
        pictures.codec_context.flags |= int(av.codec.context.Flags.frame_duration)
        packets: list[Any] = []
        if sound is not None:
            silence: Any = output.add_stream(sound_codec, rate=SOUND_RATE, layout="mono")
            packets += _silence(silence, *sound)
        encoded: list[Any] = []
        ends = [*times[1:], times[-1] + (last_seconds or 1 / rate)]
        for number, (time, end) in enumerate(zip(times, ends, strict=True)):
            frame = numbered_frame(first_number + number, 48, 64)
            frame.pts, frame.time_base = round(time / TICK), TICK
            frame.duration = round((end - time) / TICK)
            encoded += pictures.encode(frame)
        encoded += pictures.encode(None)
        if path.suffix in (".mp4", ".mov"):
            # A track ends with the packet that is decoded last.
            first, last = encoded[0], encoded[-1]
            last.dts = max(last.dts, last.pts - (first.pts - first.dts))
            last.duration = round(ends[-1] / TICK) - (first.pts - first.dts) - last.dts
        packets += encoded
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            output.mux(packet)
    return path


def _silence(stream: Any, begin: float, end: float) -> list[Any]:
    context = stream.codec_context
    context.open()
    size, name = context.frame_size or 960, context.format.name
    kind = np.float32 if name.startswith("fl") else np.int16
    packets = []
    for first in range(round(begin * SOUND_RATE), round(end * SOUND_RATE), size):
        samples = av.AudioFrame.from_ndarray(np.zeros((1, size), kind), name, "mono")
        samples.sample_rate, samples.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
        samples.pts = first
        packets += stream.encode(samples)
    return packets + stream.encode(None)


def join(target: Path, *parts: Path) -> Path:
    """Append files byte by byte, as `cat` does."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def evenly(n: int, rate: int = 10, begin: float = 0.0) -> list[float]:
    """Return the times of `n` frames."""
    return [begin + i / rate for i in range(n)]
